"""The notifier and real mail servers: encrypted, with a login, and of two minds."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conche.contract import Health
from conche.notifier import outbox, service
from conche.notifier.channels import ChannelRefused
from conche.notifier.channels.mail import MailChannel
from conche.notifier.message import Message, Notification

from .harness import Mosquitto
from .notifier_support import Observatory, email, mail_server, notifier_settings, notifying, observatory, told
from .test_bus_tls import make_ca, make_certificate


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "OWNERS_S", 1.0)
    monkeypatch.setattr(service, "LOOK_S", 0.05)
    monkeypatch.setattr(outbox, "RETRY_S", (0.1, 0.5))


@pytest.fixture
async def cluster(mosquitto: Mosquitto) -> AsyncIterator[Observatory]:
    async with observatory(mosquitto) as one:
        yield one


def server_context(folder: Path) -> ssl.SSLContext:
    make_ca(folder, "ca")
    make_certificate(folder, "ca", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_goes_encrypted_to_a_server_that_proves_who_it_is_with_a_login(
    cluster: Observatory, tmp_path: Path, tls: str
):
    (tmp_path / "password").write_text("right\n")
    context, starttls = server_context(tmp_path), tls == "starttls"
    async with mail_server(tls=context, starttls=starttls, login=starttls) as box:
        login = {"user": "conche", "password_file": tmp_path / "password"} if starttls else {}
        mail = email(box, tls=tls, ca_file=tmp_path / "ca.crt", **login)
        async with notifying(notifier_settings(cluster.broker, tmp_path, mail=mail)):
            cluster.node("cx1", "down")
            await told(lambda: box.mails)
        assert box.logins == ([(b"conche", b"right")] if starttls else [])
        assert box.mails[0]["To"] == "ops@example.org"


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_server_that_does_not_prove_who_it_is_gets_nothing(
    cluster: Observatory, tmp_path: Path, tls: str, caplog: pytest.LogCaptureFixture
):
    context = server_context(tmp_path)
    make_ca(tmp_path, "other")
    async with mail_server(tls=context, starttls=tls == "starttls") as box:
        mail = email(box, tls=tls, ca_file=tmp_path / "other.crt")
        async with notifying(notifier_settings(cluster.broker, tmp_path, mail=mail)):
            cluster.node("cx1", "down")
            await told(lambda: "channel mail" in caplog.text)
        assert box.mails == []
    assert "its certificate is not trusted" in caplog.text


@pytest.mark.parametrize(
    ("fields", "login", "words"),
    [
        ({"tls": "starttls"}, False, "can't be reached: "),
        ({"user": "conche", "password_file": "wrong"}, True, "refuses what it is told: 535 "),
    ],
    ids=["no STARTTLS there", "wrong password"],
)
async def test_a_mail_server_that_is_set_up_otherwise_is_said(
    cluster: Observatory, tmp_path: Path, fields: dict[str, Any], login: bool, words: str,
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    (tmp_path / "wrong").write_text("wrong")
    if "password_file" in fields:
        fields = {**fields, "password_file": tmp_path / "wrong"}
    async with mail_server(login=login) as box:
        async with notifying(notifier_settings(cluster.broker, tmp_path, mail=email(box, **fields))):
            cluster.node("cx1", "down")
            await told(lambda: "channel mail" in caplog.text)
        assert box.mails == []
    assert f"channel mail {words}" in caplog.text


async def test_mail_that_is_put_off_is_sent_again_and_mail_that_is_refused_is_not(
    cluster: Observatory, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with mail_server() as box:
        box.answers = ["451 try later", "554 no"]
        async with notifying(notifier_settings(cluster.broker, tmp_path, mail=email(box))):
            cluster.node("cx1", "down")
            await told(lambda: not box.answers)
            cluster.node("cx2", "down")
            await told(lambda: box.mails)
        (mail,) = box.mails
        assert mail["Subject"] == "ERROR cx: node cx2 down"
    assert "can't be reached: 451 try later" in caplog.text


async def test_who_is_refused_by_the_mail_server_does_not_keep_others_from_their_mail(
    cluster: Observatory, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with mail_server() as box:
        box.refused = {"gone@example.org": "550 no such user"}
        mail = email(box, to=["gone@example.org", "ops@example.org"])
        async with notifying(notifier_settings(cluster.broker, tmp_path, mail=mail)):
            cluster.node("cx1", "down")
            await told(lambda: box.mails)
            assert "gone@example.org gets no mail: 550 no such user" in caplog.text
            box.refused["ops@example.org"] = "550 no such user"
            cluster.node("cx2", "down")
            await told(lambda: "refuses what it is told: gone@example.org: 550" in caplog.text)
        assert len(box.mails) == 1


@pytest.mark.parametrize("fields", [{"sender": "ö@x.org"}, {"to": ["ops@example.org", "ö@x.org"]}])
async def test_an_address_that_can_not_be_written_is_refused(fields: dict[str, Any]):
    at = datetime.now(UTC)
    message = Message("t", "", Notification(at=at, level=Health.ERROR, title="t", text=""))
    async with mail_server() as box:
        with pytest.raises(ChannelRefused, match="can't be written as mail"):
            await MailChannel(email(box, **fields), tls=None, password=None).send(message)
    assert box.mails == []
