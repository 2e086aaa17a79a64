"""mosquitto's access list, generated from the owners in the catalogue."""

from collections.abc import Iterator

from .catalogue import MESSAGES, PER_SERVICE, SENDER, Service, owned_by

_HEAD = """\
# Generated from the contract by `conche contract write`; a test compares. Do not edit.
#
# One writer per topic: each service's account writes the topics that it owns and no others.
# A person's or a script's account needs no line here: it may write commands under its own
# name, read the replies to them, and read every state. (mosquitto warns at start that some
# patterns have no %u: these are the same for everybody, as they should be.)
"""


def acl(root: str) -> str:
    """Return the access list for a topic root.

    Parameters
    ----------
    root
        First level of every topic, ``conche`` unless settings say otherwise.
    """
    return (
        "\n".join([_HEAD, *_everybody(root), *(line for s in Service for line in _service(root, s))]) + "\n"
    )


def _everybody(root: str) -> Iterator[str]:
    yield "# Everybody who has an account."
    for message in MESSAGES:
        if message.readers is None:
            yield f"pattern read {root}/{message.filter()}"
        if SENDER in message.owners:
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
