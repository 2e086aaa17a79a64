"""Electronic mail."""

import logging
import re
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, make_msgid
from typing import Final

import aiosmtplib

from conche.notifier.message import Message
from conche.settings.notifying import Email, Tls

from .base import ChannelRefused, ChannelTrouble, ChannelUnavailable

logger = logging.getLogger(__name__)

_UNFOLDED: Final = SMTP_POLICY.clone(max_line_length=998)
"""Lines as long as RFC 5322, section 2.1.1, allows."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class MailChannel:
    """A mail server that passes messages on.

    Parameters
    ----------
    settings
        Where it is, and who is written to.
    tls
        What verifies its certificate; None where the connection is not encrypted.
    password
        To log in with.
    """

    def __init__(self, settings: Email, *, tls: ssl.SSLContext | None, password: str | None) -> None:
        self._settings = settings
        self._tls = tls
        self._password = password
        self._left_out: set[str] = set()

    async def send(self, message: Message) -> None:
        """Have a message taken by the server.

        Raises
        ------
        ChannelTrouble
            What the server answers with 4xx may be taken later, what it answers with 5xx is not.
        """
        try:
            refused = await self._send(mail_of(message, self._settings).as_bytes())
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _trouble(error) from None
        except ssl.SSLCertVerificationError as error:
            raise ChannelUnavailable(_certificate_words(error)) from None
        except aiosmtplib.SMTPTimeoutError:
            raise ChannelUnavailable("no answer in time") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ChannelUnavailable(_words(error)) from None
        except ValueError as error:  # a name or an address that can't be sent; `UnicodeError` is one
            raise ChannelRefused(f"it can't be written as mail: {_one_line(str(error))}") from None
        self._note_left_out(refused)

    def _note_left_out(self, refused: Mapping[str, aiosmtplib.SMTPResponse]) -> None:
        """Say once who gets nothing although others do: to send it again would tell those twice."""
        if refused.keys() != self._left_out:
            for address, answer in refused.items():
                logger.warning("%s gets no mail: %d %s", address, answer.code, _one_line(answer.message))
        self._left_out = set(refused)

    async def _send(self, mail: bytes) -> dict[str, aiosmtplib.SMTPResponse]:
        """Send it; return who did not get it although others did."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=self._password,
            local_hostname=socket.gethostname(),
            use_tls=settings.tls is Tls.TLS,
            start_tls=settings.tls is Tls.STARTTLS,
            tls_context=self._tls,
            timeout=None,  # whoever sends gives the whole of it a time
        )
        try:
            await client.connect()
            answers, _ = await client.sendmail(settings.sender, settings.to, mail)
        finally:
            client.close()
        return answers


def mail_of(message: Message, settings: Email) -> EmailMessage:
    """Return a message as mail; nothing in it can become a header."""
    subject = _CONTROL.sub(" ", message.title)
    # A subject that needs no encoding is not folded: the library would begin it with an empty line.
    mail = EmailMessage(policy=_UNFOLDED if subject.isascii() else SMTP_POLICY)
    mail["Subject"] = subject
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = format_datetime(message.notification.at)
    mail["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{message.text}\n")
    return mail


def _refusal(refusals: list[aiosmtplib.SMTPRecipientRefused]) -> ChannelTrouble:
    words = "; ".join(f"{one.recipient}: {one.code} {_one_line(one.message)}" for one in refusals[:3])
    final = all(one.code >= 500 for one in refusals)
    return ChannelRefused(words) if final else ChannelUnavailable(words)


def _trouble(error: aiosmtplib.SMTPResponseException) -> ChannelTrouble:
    words = f"{error.code} {_one_line(error.message)}"
    return ChannelRefused(words) if error.code >= 500 else ChannelUnavailable(words)


def _certificate_words(error: ssl.SSLCertVerificationError) -> str:
    return f"its certificate is not trusted: {error.verify_message}; ca_file may name its authority"


def _words(error: Exception) -> str:
    """Return why there is no connection; the library's words have the system's at their end."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_words(cause)
    if isinstance(cause, ConnectionRefusedError):
        return "refused: nobody listens there"
    return _one_line(str(error) or type(error).__name__)


def _one_line(words: str) -> str:
    return " ".join(words.split())[:200]
