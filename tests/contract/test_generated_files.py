"""The files that are generated from the contract: they are what the code says, sound, and agree with each other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from conche.cli.contract import SCHEMAS, generated_files
from conche.contract import COMMAND, MESSAGES, SENT_BY, Delivery, Message, Service
from conche.contract.catalogue import PER_SERVICE, SENDER

PROJECT = Path(__file__).parents[2]
ROOT = "conche"

Rule = tuple[str | None, str, str]
"""Account (None for everybody), access, topic filter below the root."""


def text(path: str) -> str:
    return (PROJECT / path).read_text()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(text("docs/asyncapi.yaml"))


@pytest.fixture(scope="module")
def rules() -> set[Rule]:
    """The access list, taken apart as mosquitto does."""
    found: set[Rule] = set()
    account = None
    for line in text("mosquitto/acl").splitlines():
        if line.startswith("user "):
            account = line.removeprefix("user ")
        elif line and not line.startswith("#"):
            kind, access, topic = line.split()
            assert (kind == "pattern") == (account is None)
            found.add((account, access, topic.removeprefix(f"{ROOT}/")))
    return found


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from inside(item)


def resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    place: Any = document
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


@pytest.mark.parametrize("path", sorted(generated_files()), ids=str)
def test_a_file_is_what_the_contract_generates(path: Path):
    assert text(str(path)) == generated_files()[path], "run: conche contract write"


def test_there_is_no_schema_of_a_payload_that_is_gone():
    assert {p.relative_to(PROJECT) for p in (PROJECT / SCHEMAS).iterdir()} <= set(generated_files())


def test_asyncapi_document_is_valid_by_its_own_schema(document: dict[str, Any]):
    schema = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(document)] == []


def test_asyncapi_schema_notices_a_misspelt_key(document: dict[str, Any]):
    schema = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
    wrong = {**document, "chanels": {}}
    assert not Draft7Validator(schema).is_valid(wrong)


def test_every_reference_in_the_asyncapi_document_leads_somewhere(document: dict[str, Any]):
    references = [item for key, item in inside(document) if key == "$ref"]
    assert len(references) > 50
    for reference in references:
        assert isinstance(resolve(document, reference), dict)


def test_a_channel_has_exactly_the_parameters_that_stand_in_its_address(document: dict[str, Any]):
    for name, channel in document["channels"].items():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", {})), name


def test_every_channel_is_written_by_one_operation_and_every_message_has_a_channel(document: dict[str, Any]):
    channels = [operation["channel"]["$ref"] for operation in document["operations"].values()]
    assert sorted(channels) == sorted(f"#/channels/{name}" for name in document["channels"])
    assert set(document["channels"]) == {message.name for message in MESSAGES}


def test_what_is_retained_is_exactly_what_is_state(document: dict[str, Any]):
    for message in MESSAGES:
        binding = document["operations"][f"publish{message.name}"]["bindings"]["mqtt"]
        assert binding["retain"] is (message.delivery is Delivery.STATE)


@pytest.mark.parametrize("path", sorted((PROJECT / SCHEMAS).glob("*.json")), ids=lambda path: path.stem)
def test_a_payload_schema_is_valid_and_described(path: Path):
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    model = resolve(schema, schema["$ref"])
    assert model["type"] == "object"
    assert model["description"]


# --- owners, access list and document say the same


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_the_access_list_lets_the_owners_write_and_nobody_else(message: Message[Any], rules: set[Rule]):
    writers = {
        account or SENDER
        for account, access, topic in rules
        if "write" in access and message.match(topic.replace("+", "x")) is not None
    }
    owners = set(SENT_BY) if message is COMMAND else set(message.owners)  # of people: see test_roles.py
    assert writers == owners


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_the_access_list_lets_those_read_for_whom_it_is(message: Message[Any], rules: set[Rule]):
    readers = {
        account
        for account, access, topic in rules
        if access.startswith("read") and message.match(topic.replace("+", "x")) is not None
    }
    own = set(Service) if message in PER_SERVICE else set()
    if message.readers is None:
        assert readers == {None} | own
    else:
        assert readers == {None if reader == SENDER else reader for reader in message.readers} | own


def test_a_service_writes_under_its_own_name_only(rules: set[Rule]):
    for account, access, topic in rules:
        if account is not None and topic.startswith("service/") and "write" in access:
            assert topic.split("/")[1] == account


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_the_document_names_the_owners(message: Message[Any], document: dict[str, Any]):
    summary = document["operations"][f"publish{message.name}"]["summary"]
    if message in PER_SERVICE:
        assert "each service" in summary
    else:
        for owner in message.owners:
            assert ("any account" if owner == SENDER else owner) in summary
        assert all(service in message.owners for service in Service if str(service) in summary)
