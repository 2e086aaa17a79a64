"""What a channel makes of a message, and of an answer."""

from email import message_from_bytes
from email.policy import default

import pytest
from msgspec.json import decode, encode

from conche.contract import Health
from conche.notifier.channels import ChannelRefused
from conche.notifier.channels.mail import MailChannel, mail_of
from conche.notifier.channels.secrecy import Secrets
from conche.notifier.channels.webhooks import slack_text
from conche.notifier.message import Message, Notification
from conche.settings.notifying import Email, Tls

from .samples import AT


def message(title: str, body: str = "") -> Message:
    return Message(title, body, Notification(at=AT, level=Health.ERROR, title=title, text=body))


URL = "https://hooks.example.org/services/T024BE7LD/b0/Zm9v?key=hunter%2B2&x=1"


@pytest.mark.parametrize(
    "said",
    [
        "no such hook: /services/T024BE7LD/b0/Zm9v",
        "<p>/services/T024BE7",
        "unknown T024be7LD",
        "path: \\/services\\/x",
        "key=hunter+2",
        "key=hunter&#43;2 is gone",
        "Zm9v",
        "Bearer tok-en-1 is unknown",
    ],
    ids=["whole", "cut", "one part", "escaped", "query", "escaped query", "short part", "token"],
)
def test_words_that_have_what_is_secret_in_them_are_known(said: str):
    assert Secrets(URL, "tok-en-1").are_in(said)


@pytest.mark.parametrize("said", ["", "no_service", "key b0 1 unknown", "hooks.example.org is busy"])
def test_other_words_have_no_secret_in_them(said: str):
    assert not Secrets(URL, "tok-en-1").are_in(said)
    assert not Secrets("https://example.org", None).are_in(said)
    assert not Secrets("https://[", None).are_in(said)


def test_slack_is_told_what_its_markup_would_swallow():
    assert slack_text(message("a <b> & *c*", "<!channel> & x")) == (
        "*a &lt;b&gt; &amp; ∗c∗*\n&lt;!channel&gt; &amp; x"
    )


def test_nothing_in_a_message_becomes_a_header():
    settings = Email(host="h", sender="conche@example.org", to=["a@example.org", "b@example.org"])
    raw = mail_of(
        message("ERROR é\r\nBcc: evil@example.org\u2028x", "body\r\n.\r\nQUIT"), settings
    ).as_bytes()
    mail = message_from_bytes(raw, policy=default)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "ERROR é Bcc: evil@example.org x"
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_long_subject_is_one_line():
    settings = Email(host="h", sender="conche@example.org", to=["a@example.org"])
    title = f"ERROR cx: 500 nodes down: {', '.join(f'cx{i}' for i in range(40))}"
    assert f"Subject: {title}\r\n".encode() in mail_of(message(title), settings).as_bytes()


def test_object_for_programs_is_what_it_is_said_to_be():
    told = decode(encode(message("t", "b").notification))
    assert told == {
        "version": 1, "at": "2026-11-21T03:00:00Z", "level": "error", "title": "t", "text": "b", "raised": [],
        "still": [], "cleared": [], "left_out": 0, "missed": 0, "link": None,
    }  # fmt: skip


async def test_an_address_that_can_not_be_written_is_refused_and_ends_nobody():
    address = "=?utf-8?q?=C3=A9=C3@x.org"  # an encoded word that ends in the middle of a letter
    settings = Email(host="127.0.0.1", port=1, sender=address, to=["a@example.org"], tls=Tls.NONE)
    with pytest.raises(ChannelRefused, match="can't be written as mail"):
        await MailChannel(settings, tls=None, password=None).send(message("t"))
