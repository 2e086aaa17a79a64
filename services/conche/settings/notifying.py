"""The settings of the notifier: whom it tells what, and when."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, field

from conche.contract import Health
from conche.contract.alerts import AlertKind

from .base import Section, doc

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_ADDRESS: Final = rf"^{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z"
"""A bare address in ASCII: no name beside it, and nothing that could begin another header; RFC 5322's dot-atoms.

A ``?`` is left out: with it an address could be an encoded word.
"""

URL: Final = r"^https?://[^\s@]+\Z"
"""Without an ``@``: what stands before it would be told wherever the address is; a token has a file of its own."""


class Tls(StrEnum):
    """How a connection is encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Slack(Section, frozen=True, kw_only=True):
    """An incoming webhook of Slack's."""

    url_file: Annotated[Path, doc("file that holds its address, which is a secret")]


class Email(Section, frozen=True, kw_only=True):
    """Electronic mail."""

    host: Annotated[str, doc("name or address of the mail server", pattern=r"^\S+\Z")]
    sender: Annotated[str, doc("address that it comes from", pattern=_ADDRESS)]
    to: Annotated[
        list[Annotated[str, Meta(pattern=_ADDRESS)]], doc("addresses that it goes to", min_length=1)
    ]
    port: Annotated[int, doc("of the server", ge=1, le=65535)] = 25
    tls: Annotated[Tls, doc("none, starttls or tls")] = Tls.STARTTLS
    ca_file: Annotated[Path | None, doc("certificate authority of the server; none: the system's")] = None
    user: Annotated[str | None, doc("to log in with; none: it asks for none")] = None
    password_file: Annotated[Path | None, doc("file that holds the password")] = None


class Webhook(Section, frozen=True, kw_only=True):
    """Any server that takes a JSON object."""

    url: Annotated[
        Annotated[str, Meta(pattern=URL)] | None, doc("address for POST, without user and password")
    ] = None
    url_file: Annotated[Path | None, doc("file that holds the address, where that is a secret")] = None
    token_file: Annotated[Path | None, doc("file with a token that is sent as Authorization: Bearer")] = None
    ca_file: Annotated[Path | None, doc("certificate authority of an https:// one; none: the system's")] = (
        None
    )


class Channel(Section, frozen=True, kw_only=True):
    """One way to somebody; it has one of these."""

    slack: Annotated[Slack | None, doc("an incoming webhook of Slack's")] = None
    email: Annotated[Email | None, doc("electronic mail")] = None
    webhook: Annotated[Webhook | None, doc("any server that takes a JSON object")] = None


class Rule(Section, frozen=True, kw_only=True):
    """Which alerts go where."""

    channels: Annotated[list[str], doc("names of channels", min_length=1)]
    alerts: Annotated[list[AlertKind], doc("which; none named: all")] = field(default_factory=list)
    level: Annotated[Health, doc("warning, or error for those alone")] = Health.WARNING
    groups: Annotated[
        list[str], doc("alerts about nodes or workers of these groups only, with * and ?; none named: all")
    ] = field(default_factory=list)
    quiet: Annotated[
        Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")] | None,
        doc("nothing is told in these hours, such as 22:00-07:00; what still lasts is told after them"),
    ] = None
    timezone: Annotated[str, doc("of the quiet hours, such as America/Vancouver")] = "UTC"


class Notifier(Section, frozen=True, kw_only=True):
    """Whom to tell what needs a person."""

    channels: Annotated[dict[str, Channel], doc("ways to people, by name")] = field(default_factory=dict)
    rules: Annotated[list[Rule], doc("which alerts go where; several may fit")] = field(default_factory=list)
    gather_s: Annotated[float, doc("what is raised within this time is one message", ge=0)] = 10.0
    repeat_s: Annotated[
        Annotated[float, Meta(gt=0)] | None, doc("what still lasts is told again after this; none: never")
    ] = 14_400.0
    after_s: Annotated[
        dict[AlertKind, Annotated[float, Meta(ge=0)]],
        doc("an alert is told once it has lasted so long, where that is not what docs/alerts.md says"),
    ] = field(default_factory=dict)
    timeout_s: Annotated[float, doc("no answer of a channel by then: tried again later", gt=0)] = 10.0
    state_file: Annotated[
        Path, doc("what was told, so that a restart neither tells it again nor forgets that it ended")
    ] = Path("notifier.json")
    link: Annotated[
        Annotated[str, Meta(pattern=r"^https?://\S+$")] | None, doc("address of a page that shows more")
    ] = None
