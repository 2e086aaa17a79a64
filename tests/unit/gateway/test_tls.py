import hashlib
import logging
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conche.gateway.tls import Certificate, CertificateUnusable, Pair, make_self_signed, pair_of
from conche.settings import Gateway


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    one = Pair(tmp_path / "crt", tmp_path / "key")
    make_self_signed(one, names=[])
    return one


def test_a_self_signed_certificate_is_made_once_and_kept(tmp_path: Path, caplog):
    settings = Gateway(state_dir=tmp_path / "state", names=["corr.example.org", "10.1.2.3"])
    first = pair_of(settings)
    print_ = first.fingerprint()
    assert pair_of(settings).fingerprint() == print_
    assert len(print_.split(":")) == 32
    assert caplog.text.count(print_) == 2
    assert "made now" in caplog.records[0].getMessage()
    assert first.key.stat().st_mode & 0o777 == 0o600


def test_a_self_signed_certificate_names_this_machine_and_what_settings_say(tmp_path: Path):
    pair = pair_of(Gateway(state_dir=tmp_path, names=["corr.example.org", "10.1.2.3"]))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"corr.example.org", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"10.1.2.3", "127.0.0.1", "::1"} <= set(map(str, names.get_values_for_type(x509.IPAddress)))
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_a_self_signed_certificate_that_is_about_to_end_is_made_anew(tmp_path: Path, monkeypatch):
    settings = Gateway(state_dir=tmp_path)
    monkeypatch.setattr("conche.gateway.tls.LASTS", timedelta(days=29))
    old = pair_of(settings).fingerprint()
    monkeypatch.undo()
    new = pair_of(settings)
    assert new.fingerprint() != old
    certificate = x509.load_pem_x509_certificate(new.certificate.read_bytes())
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3000)


def test_a_self_signed_certificate_that_is_broken_is_made_anew(tmp_path: Path):
    settings = Gateway(state_dir=tmp_path)
    pair = pair_of(settings)
    pair.certificate.write_text("nothing")
    Certificate(pair_of(settings))


def test_a_key_without_a_certificate_ends_the_start(tmp_path: Path):
    with pytest.raises(CertificateUnusable, match=r"gateway\.certificate is not"):
        pair_of(Gateway(state_dir=tmp_path, key=tmp_path / "key"))


def test_a_name_that_can_not_be_in_a_certificate_ends_the_start(tmp_path: Path):
    with pytest.raises(CertificateUnusable, match=r"gateway\.names"):
        pair_of(Gateway(state_dir=tmp_path, names=["körr"]))


def test_certificate_and_key_may_be_in_one_file(pair: Pair, tmp_path: Path):
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    Certificate(pair_of(Gateway(certificate=both)))


def encrypt(pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda pair: pair.certificate.unlink(), "No such file"),
        (lambda pair: pair.key.write_text("nothing"), "crt and .*key: "),
        (
            lambda pair: make_self_signed(Pair(pair.certificate.with_name("other"), pair.key), names=[]),
            "mismatch",
        ),
        (encrypt, "the key is encrypted"),
    ],
)
def test_a_certificate_that_can_not_be_used_ends_the_start_in_words(pair: Pair, spoil, words: str):
    spoil(pair)
    with pytest.raises(CertificateUnusable, match=words):
        Certificate(pair)


def test_one_that_is_replaced_is_read_again(pair: Pair, caplog):
    caplog.set_level(logging.INFO)
    served = Certificate(pair)
    served.look()
    assert "read again" not in caplog.text
    make_self_signed(pair, names=[])
    served.look()
    assert f"read again, SHA-256 {pair.fingerprint()}" in caplog.text


@pytest.mark.parametrize(
    "spoil", [lambda pair: pair.key.write_text("x"), lambda pair: pair.certificate.unlink()]
)
def test_one_that_is_broken_while_running_is_told_once_and_the_one_before_goes_on(pair: Pair, spoil, caplog):
    served = Certificate(pair)
    spoil(pair)
    for _ in range(3):
        served.look()
    assert caplog.text.count("the one before goes on") == 1
    make_self_signed(pair, names=[])
    caplog.set_level(logging.INFO)
    served.look()
    assert "read again" in caplog.text


def served_by(context: ssl.SSLContext) -> str:
    """The fingerprint that somebody sees who connects."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    client = anybody.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    found = client.getpeercert(binary_form=True)
    assert found is not None
    return hashlib.sha256(found).digest().hex(":").upper()


def test_while_one_file_is_new_and_the_other_old_the_certificate_before_is_served(pair: Pair, tmp_path: Path):
    served = Certificate(pair)
    before = pair.fingerprint()
    new = Pair(tmp_path / "new.crt", tmp_path / "new.key")
    make_self_signed(new, names=[])
    pair.certificate.write_bytes(new.certificate.read_bytes())
    served.look()
    assert served_by(served.context) == before
    pair.key.write_bytes(new.key.read_bytes())
    served.look()
    assert served_by(served.context) == new.fingerprint()


def test_old_versions_of_tls_are_not_spoken(pair: Pair):
    assert Certificate(pair).context.minimum_version is ssl.TLSVersion.TLSv1_2
