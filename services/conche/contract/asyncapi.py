"""The AsyncAPI 3.0 document, generated from the catalogue."""

from typing import Any, Final

import yaml

from .catalogue import COMMAND, MESSAGES, PER_SERVICE, Delivery, Message, arguments_of_all
from .payloads import Payload
from .schemas import components

_SCHEMA_REF: Final = "#/components/schemas/{name}"
_PARAMETERS: Final = {
    "group": "A group of the registry.",
    "node": "A node of the group.",
    "service": "A service; its account has the same name.",
    "instance": "One instance of a service or client: a worker's group, a poller's name.",
    "user": "The broker account that sent the command.",
    "action": "What is wished for.",
    "id": "The id that the command brought, or '-'.",
}


def asyncapi(root: str, *, version: str) -> str:
    """Return the document as YAML.

    Parameters
    ----------
    root
        First level of every topic.
    version
        Version of conche.
    """
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "conche",
            "version": version,
            "description": (
                "Everything that the parts of conche say to each other, and all that a client needs.\n"
                "Generated from the contract by `conche contract write`; a test compares."
            ),
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "channels": {m.name: _channel(root, m) for m in MESSAGES},
        "operations": _operations(),
        "components": {"schemas": components(_SCHEMA_REF), "messages": _messages()},
    }
    return yaml.dump(document, sort_keys=False, allow_unicode=True, width=110, Dumper=_Dumper)


class _Dumper(yaml.SafeDumper):
    """Writes every value out: aliases are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _channel(root: str, message: Message[Payload]) -> dict[str, Any]:
    names = list(arguments_of_all()) if message is COMMAND else [message.name]
    channel: dict[str, Any] = {
        "address": f"{root}/{message.address}",
        "description": message.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    if message.parameters:
        channel["parameters"] = {name: {"description": _PARAMETERS[name]} for name in message.parameters}
    channel["bindings"] = {"mqtt": {"bindingVersion": "0.2.0"}}
    return channel


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for message in MESSAGES:
        owners = "each service, its own" if message in PER_SERVICE else " or ".join(message.owners)
        operations[f"publish{message.name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{message.name}"},
            "summary": f"Written by: {owners.replace('%u', 'any account, under its own name')}.",
            "bindings": {"mqtt": {"qos": 1, "retain": message.retained, "bindingVersion": "0.2.0"}},
        }
    operations["publishCommand"]["reply"] = {"channel": {"$ref": "#/channels/Reply"}}
    return operations


def _messages() -> dict[str, Any]:
    entries = {
        m.name: (m.payload.__name__, m.summary) for m in MESSAGES if m.delivery is not Delivery.COMMAND
    } | {action: (model.__name__, model.__doc__) for action, model in arguments_of_all().items()}
    return {
        name: {"name": name, "summary": summary, "payload": {"$ref": _SCHEMA_REF.format(name=model)}}
        for name, (model, summary) in entries.items()
    }
