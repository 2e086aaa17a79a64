"""The OpenAPI 3.1 document, made from the same table as the routes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import yaml
from msgspec.json import schema_components

from .app import CHOCO
from .authentication import HTML
from .bodies import FORM
from .endpoint import JSON, Endpoint
from .problems import PROBLEM_TYPE, ChocoError, ProblemDetails

_REF: Final = "#/components/schemas/{name}"
_PART: Final = re.compile(r"{(\w+)}")

_PARTS: Final = {
    "group": "A group of the registry; for commands also 'all'.",
    "node": "A node of the group; for commands also 'all'.",
    "commit": "A git revision, such as the first digits of a commit.",
    "id": "Of the command: what it was answered with, or was sent as Idempotency-Key.",
    "name": "Of a person.",
}

_ANYWHERE: Final = (400, 429)
"""Problems that any request may meet."""
_KNOWN_ONLY: Final = (401, 403)
_WITH_BODY: Final = (408, 413, 415, 422)

_CODES: Final = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504)
"""All problems that there are."""

_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "conche tokens create NAME --role ROLE"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-conche",
        "description": "of /auth/login; changes take the header X-CSRF-Token too",
    },
}


def openapi(endpoints: Iterable[Endpoint], *, version: str) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    endpoints
        The table.
    version
        Version of conche.
    """
    rows = list(endpoints)
    schemas = _Schemas(rows)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "conche",
            "version": version,
            "description": (
                "Everything that can be asked of conche over HTTP. "
                "Generated from the gateway's table by `conche contract write`; a test compares."
            ),
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(row.tag for row in rows)],
        "paths": paths,
        "components": {
            "schemas": schemas.found,
            "responses": _problems(schemas),
            "securitySchemes": _SECURITY,
        },
    }


def openapi_text(endpoints: Iterable[Endpoint], *, version: str) -> str:
    """Return the document as YAML."""
    document = openapi(endpoints, version=version)
    return yaml.dump(document, sort_keys=False, allow_unicode=True, width=110, Dumper=_Dumper)


class _Dumper(yaml.SafeDumper):
    """Writes every value out: aliases are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Schemas:
    """The schemas of every model of the table."""

    def __init__(self, rows: Iterable[Endpoint]) -> None:
        models = dict.fromkeys(_models(rows))
        schemas, found = schema_components(models, ref_template=_REF)
        self._of = dict(zip(models, schemas, strict=True))
        self.found = dict(sorted(found.items()))

    def of(self, model: Any) -> dict[str, Any]:
        """Return the schema of a model, or a reference to it."""
        found: dict[str, Any] = self._of[model]
        return found

    def fields(self, model: Any) -> tuple[dict[str, Any], list[str]]:
        """Return the schemas of the fields of a model, and which have to be there."""
        schema = self.found[self.of(model)["$ref"].rpartition("/")[2]]
        return schema["properties"], schema.get("required", [])


def _models(rows: Iterable[Endpoint]) -> Iterator[Any]:
    yield ProblemDetails
    yield ChocoError
    for row in rows:
        yield from (model for model in (row.takes, row.query, *row.gives.values()) if model is not None)


def _operation(row: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(row),
        "summary": row.summary,
        "tags": [row.tag],
        "description": f"Takes the role {row.least} or a higher one." if row.least else "Takes no login.",
        "security": [{"token": []}, {"session": []}] if row.least else [],
    }
    if row.least is not None:
        operation["x-least-role"] = row.least.value
    if parameters := [*_path_parameters(row), *_query_parameters(row, schemas), *_header_parameters(row)]:
        operation["parameters"] = parameters
    if row.takes is not None:
        kinds = [JSON, FORM] if row.form else [JSON]
        body = {kind: {"schema": schemas.of(row.takes)} for kind in kinds}
        operation["requestBody"] = {"content": body, "required": _is_required(row, schemas)}
    operation["responses"] = {str(code): answer for code, answer in sorted(_answers(row, schemas).items())}
    return operation


def _name(row: Endpoint) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", row.path.replace("/api/v1/", "/v1/")).strip("_")
    return f"{row.method.lower()}_{words}"


def _is_required(row: Endpoint, schemas: _Schemas) -> bool:
    return bool(schemas.fields(row.takes)[1])


def _path_parameters(row: Endpoint) -> Iterator[dict[str, Any]]:
    for name in _PART.findall(row.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PARTS[name],
            "schema": {"type": "string", "minLength": 1},
        }


def _query_parameters(row: Endpoint, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    if row.query is None:
        return
    properties, required = schemas.fields(row.query)
    for name, schema in properties.items():
        yield {"name": name, "in": "query", "required": name in required, "schema": _not_null(schema)}


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is left out where it would be null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(kinds) == 1:
        return {**kinds[0], **rest}
    return {**rest, **({"default": schema["default"]} if schema.get("default") is not None else {})}


def _header_parameters(row: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield the headers that say something of a command."""
    if row.tag != "commands" or row.takes is None:
        return
    text = {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,48}$"}
    yield {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Id of the command: one that is sent again with it is carried out once.",
        "schema": text,
    }
    yield {
        "name": "Prefer",
        "in": "header",
        "description": "respond-async: answered 202 at once; Location says where to ask.",
        "schema": {"type": "string", "enum": ["respond-async"]},
    }


def _answers(row: Endpoint, schemas: _Schemas) -> dict[int, Any]:
    codes: list[int] = [*_ANYWHERE]
    codes += _KNOWN_ONLY if row.least is not None or row.method != "GET" else ()
    codes += _WITH_BODY if row.takes is not None else ()
    codes += (422,) if row.query is not None else ()
    answers = {code: _problem(code, row) for code in codes}
    for code, model in row.gives.items():
        answers[code] = (
            _problem(code, row)
            if code >= 400 and (model is None or model is ChocoError)
            else _answer(code, model, row, schemas)
        )
    return answers


def _answer(code: int, model: Any, row: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(code).phrase}
    if model is not None:
        media = row.media if code == 200 else JSON
        # A stream and a page are no values of their models: what is in them is.
        schema = schemas.of(model) if media == JSON else {"type": "string"}
        answer["content"] = {media: {"schema": schema}}
        if row.endless:
            answer["description"] = f"A stream; the data of each event is a {model.__name__}"
    return answer


def _problem(code: int, row: Endpoint) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{_kind(row)}{code}"}


def _kind(row: Endpoint) -> str:
    if row.path.startswith(CHOCO):
        return "Choco"
    return "Page" if row.form else "Problem"


def _problems(schemas: _Schemas) -> dict[str, Any]:
    """Return the answers that are alike everywhere: problems, and those as choco tells them."""
    problem = {PROBLEM_TYPE: {"schema": schemas.of(ProblemDetails)}}
    kinds = {
        "Choco": {JSON: {"schema": schemas.of(ChocoError)}},
        "Page": problem | {HTML: {"schema": {"type": "string"}}},  # a form is shown again
        "Problem": problem,
    }
    return {
        f"{kind}{code}": {"description": HTTPStatus(code).phrase, "content": content}
        for kind, content in kinds.items()
        for code in _CODES
    }
