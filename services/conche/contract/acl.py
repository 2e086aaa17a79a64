"""mosquitto's access list, generated from the owners in the catalogue and the roles of people."""

from collections.abc import Iterator, Mapping
from typing import Final

from .catalogue import (
    BROKER_DROPPED,
    BROKER_FIGURES,
    COMMAND,
    MESSAGES,
    PER_SERVICE,
    SENDER,
    Service,
    owned_by,
)
from .roles import ACTIONS_OF, SENT_BY, Role, check_account

_HEAD = """\
# Generated from the contract: the shipped one by `conche contract write` (a test compares), that of
# a broker by `conche up` and `conche users`, with the lines of the people in its accounts.json.
# Do not edit.
#
# One writer per topic: each service's account writes the topics that it owns and no others; one that
# sends commands writes them under its own name, an action a line.
# People and scripts: everybody with an account may read every state and event, and the replies to
# his own commands. Which commands he may write follows from his role, an action a line.
# `conche users add NAME --role viewer|operator|engineer|admin` makes an account; the shipped list
# has none. (mosquitto warns at start that some patterns have no %u: these are the same for
# everybody, as they should be.)
"""

_FIGURES: Final = {Service.METRICS: BROKER_FIGURES, Service.NOTIFIER: BROKER_DROPPED}
"""Who may read what of the broker's word about itself."""


def acl(root: str, *, accounts: Mapping[str, Role]) -> str:
    """Return the access list for a topic root.

    Parameters
    ----------
    root
        First level of every topic, ``conche`` unless settings say otherwise.
    accounts
        Those of people and scripts, with their roles.

    Raises
    ------
    NameInvalid
        An account has the name of a service, or one that would match topics of others.
    """
    services = (line for service in Service for line in _service(root, service))
    people = (line for name in sorted(accounts) for line in _person(root, name, accounts[name]))
    return "\n".join([_HEAD, *_everybody(root), *services, *people]) + "\n"


def _everybody(root: str) -> Iterator[str]:
    yield "# Everybody who has an account."
    for message in MESSAGES:
        if message.readers is None:
            yield f"pattern read {root}/{message.filter()}"
        if SENDER in message.owners and message is not COMMAND:
            yield f"pattern write {root}/{message.filter(user=SENDER)}"
        if message.readers is not None and SENDER in message.readers:
            yield f"pattern read {root}/{message.filter(user=SENDER)}"


def _service(root: str, service: Service) -> Iterator[str]:
    yield ""
    yield f"user {service}"
    for message, topic_filter in owned_by(service):
        access = "readwrite" if message in PER_SERVICE else "write"
        yield f"topic {access} {root}/{topic_filter}"
    for message in MESSAGES:
        if message.readers is not None and service in message.readers:
            yield f"topic read {root}/{message.filter()}"
    if service in _FIGURES:
        yield f"topic read {_FIGURES[service]}"
    for action in sorted(SENT_BY.get(service, ())):
        yield f"topic write {root}/{COMMAND.filter(user=service, action=action)}"


def _person(root: str, name: str, role: Role) -> Iterator[str]:
    yield ""
    yield f"# {role}"
    yield f"user {check_account(name)}"
    if role is Role.ADMIN:  # all that there are, and others too: a service answers what would have been right
        yield f"topic write {root}/{COMMAND.filter(user=name)}"
        return
    for action in sorted(ACTIONS_OF[role]):
        yield f"topic write {root}/{COMMAND.filter(user=name, action=action)}"
