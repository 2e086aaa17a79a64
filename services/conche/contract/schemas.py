"""JSON Schemas of the payloads, generated."""

import json
from typing import Any

from msgspec.json import schema, schema_components

from .catalogue import MESSAGES, arguments_of_all
from .payloads import Payload


def payload_models() -> dict[str, type[Payload]]:
    """Return the payload models by name: one for each message, and the arguments of each action."""
    models = [m.payload for m in MESSAGES] + list(arguments_of_all().values())
    return {model.__name__: model for model in models}


def schema_files() -> dict[str, str]:
    """Return file name and text of the JSON Schema of each payload."""
    return {
        f"{name}.json": json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema(model)}, indent=2
        )
        + "\n"
        for name, model in sorted(payload_models().items())
    }


def components(ref_template: str) -> dict[str, Any]:
    """Return the schemas of all models by name, referring to each other by a template with ``{name}``."""
    _, found = schema_components(payload_models().values(), ref_template=ref_template)
    return dict(sorted(found.items()))
