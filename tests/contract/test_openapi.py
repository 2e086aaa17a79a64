"""The OpenAPI document: sound, and about the same as the table that the gateway is made from."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from conche.contract import ACTIONS_OF, Role, least_role_for
from conche.gateway.endpoint import Endpoint
from conche.gateway.endpoints import ENDPOINTS

DOCUMENT = Path(__file__).parents[2] / "docs/openapi.yaml"
OPEN = {("GET", "/healthz"), ("GET", "/auth/login"), ("POST", "/auth/login"), ("GET", "/api/v1/openapi.json")}
"""All that takes no login: another one has to be put here on purpose."""


@pytest.fixture(scope="module")
def document() -> Any:
    return yaml.safe_load(DOCUMENT.read_text())


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from inside(item)


def name(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def test_the_document_has_each_row_of_the_table_and_no_other(document: Any):
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == {(row.method, row.path) for row in ENDPOINTS}
    assert len(ENDPOINTS) == len(found), "no two rows have the same method and path"


def test_every_reference_leads_somewhere(document: Any):
    references = {item for key, item in inside(document) if key == "$ref"}
    assert len(references) > 50
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_schema_is_one(document: Any):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_no_two_operations_have_one_name(document: Any):
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", ENDPOINTS, ids=name)
def test_a_path_has_exactly_the_parameters_that_stand_in_it(row: Endpoint, document: Any):
    operation = document["paths"][row.path][row.method.lower()]
    told = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
    assert told == set(re.findall(r"{(\w+)}", row.path))


@pytest.mark.parametrize("row", ENDPOINTS, ids=name)
def test_only_what_is_known_to_be_open_takes_no_login(row: Endpoint, document: Any):
    operation = document["paths"][row.path][row.method.lower()]
    assert ((row.method, row.path) in OPEN) == (row.least is None) == (operation["security"] == [])
    assert operation.get("x-least-role") == (row.least.value if row.least else None)


@pytest.mark.parametrize("row", ENDPOINTS, ids=name)
def test_what_changes_something_takes_the_role_that_the_command_plane_asks_for(row: Endpoint):
    action = row.path.rpartition("/")[2]
    if row.tag == "commands" and row.method != "GET":
        assert row.least is least_role_for(action)
        assert row.least is not None
    elif row.method == "GET" and row.least is not None:
        assert row.least is Role.VIEWER, "reading takes the least role"


def test_a_viewer_can_send_nothing_that_changes_anything():
    sent = {
        row.path.rpartition("/")[2] for row in ENDPOINTS if row.tag == "commands" and row.least is Role.VIEWER
    }
    assert sent - {"{id}"} <= ACTIONS_OF[Role.VIEWER]
