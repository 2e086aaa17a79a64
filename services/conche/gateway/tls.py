"""The certificate: given, and read again when it changes, or self-signed and made once."""

import asyncio
import logging
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from conche.errors import FatalError
from conche.settings import Gateway
from conche.storage import write_atomic

from .store import private_folder

logger = logging.getLogger(__name__)

CERTIFICATE: Final = "self-signed.crt"
KEY: Final = "self-signed.key"

LASTS: Final = timedelta(days=3650)
"""Of a self-signed certificate: whoever trusts it trusts this very one, and nothing is won by another."""
RENEWED_BEFORE: Final = timedelta(days=30)

LOOK_S: Final = 2.0
"""How often it is looked whether the files have changed [s]."""


class CertificateUnusable(FatalError):
    """The certificate can't be served; says which file, and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of a certificate and its key; they may be one."""

    certificate: Path
    key: Path

    @property
    def mark(self) -> tuple[tuple[int, int, int], ...]:
        """What is another when the files are others."""
        found = (os.stat(path) for path in (self.certificate, self.key))
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the certificate, as browsers and `openssl x509 -fingerprint` show it."""
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class Certificate:
    """What connections are encrypted with; who is connected stays so when it changes.

    Parameters
    ----------
    pair
        Its files.

    Raises
    ------
    CertificateUnusable
        They can't be used.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._mark = _mark_of(pair)
        self.context = _context()
        _load(self.context, pair)

    async def watch(self) -> None:
        """Read the files again whenever they change."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed; what can't be used is told, and the one before goes on."""
        try:
            mark = _mark_of(self._pair)
            if mark == self._mark:
                return
            self._mark = mark
            _load(_context(), self._pair)  # two files are not changed at once: try it where nobody is served
            _load(self.context, self._pair)
            fingerprint = self._pair.fingerprint()
        except (CertificateUnusable, OSError, ValueError) as error:
            self._complain(str(error))
            return
        self._told = ""
        logger.info("certificate: read again, SHA-256 %s", fingerprint)

    _told = ""

    def _complain(self, words: str) -> None:
        if words != self._told:
            logger.warning("certificate: %s; the one before goes on", words)
        self._told = words


def pair_of(settings: Gateway) -> Pair:
    """Return the files that settings name, or those of a self-signed one, which is made where it is missing.

    Raises
    ------
    CertificateUnusable
        They can't be had.
    """
    if settings.certificate is not None:
        return Pair(settings.certificate, settings.key or settings.certificate)
    if settings.key is not None:
        raise CertificateUnusable(
            "gateway.key is set and gateway.certificate is not: a key needs its certificate"
        )
    folder = private_folder(settings.state_dir)
    pair = Pair(folder / CERTIFICATE, folder / KEY)
    made = not (pair.certificate.exists() and pair.key.exists()) or _ends_soon(pair.certificate)
    if made:
        make_self_signed(pair, names=settings.names)
    logger.warning(
        "certificate: self-signed, %s %s; SHA-256 %s",
        "made now in" if made else "of",
        pair.certificate,
        pair.fingerprint(),
    )
    return pair


def make_self_signed(pair: Pair, *, names: list[str]) -> None:
    """Make a certificate for this machine.

    Parameters
    ----------
    pair
        Where it goes.
    names
        Names and addresses of this machine, beside its own and localhost.

    Raises
    ------
    CertificateUnusable
        A file can't be written, or a name can't be in a certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "conche")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LASTS)
        .add_extension(_alternative_names(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = builder.sign(key, hashes.SHA256())
    try:
        write_atomic(pair.key, private, mode=0o600)
        write_atomic(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except OSError as error:
        raise CertificateUnusable(f"{pair.certificate}: {error.strerror}") from None


def _alternative_names(names: list[str]) -> x509.SubjectAlternativeName:
    every = dict.fromkeys([*names, gethostname(), "localhost", "127.0.0.1", "::1"])
    try:
        return x509.SubjectAlternativeName([_alternative_name(name) for name in every])
    except ValueError as error:
        raise CertificateUnusable(f"gateway.names: {error}") from None


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ends_soon(path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return True
    return certificate.not_valid_after_utc - datetime.now(UTC) < RENEWED_BEFORE


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=_no_password)
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        raise CertificateUnusable(f"{pair.certificate} and {pair.key}: {words}") from None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise CertificateUnusable(f"{pair.certificate} and {pair.key}: {words}") from None


def _no_password() -> str:
    """Refuse a key that is encrypted; else OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted: nobody is here to type its password")


def _mark_of(pair: Pair) -> tuple[tuple[int, int, int], ...]:
    try:
        return pair.mark
    except OSError as error:
        raise CertificateUnusable(f"{error.filename}: {error.strerror}") from None
