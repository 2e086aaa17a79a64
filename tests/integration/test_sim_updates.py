"""Updates of blocks of a simulated kotekan."""

from typing import Any

import pytest

from .sim_support import GAINS, MINIMAL, UPDATE, running_node

BLOCK = {"kotekan_update_endpoint": "json", "x": 1.0}


async def test_complete_update_changes_the_values_and_keeps_the_marker() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        answer = await client.post("/gains", UPDATE)
        assert (answer.status, answer.body) == (200, b"")
        assert (await client.get("/config")).json["gains"] == {**UPDATE, "kotekan_update_endpoint": "json"}


@pytest.mark.parametrize("body", [{}, b"null", [], {"count": 1}])
async def test_missing_key_is_400(body: Any) -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        answer = await client.post("/gains", body)
        assert (answer.status, answer.reason) == (400, "BAD_REQUEST")
        assert "is missing value '" in answer.message
        assert "that is defined in the config file." in answer.message
        assert (await client.get("/config")).json == GAINS


async def test_extra_key_is_400() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        answer = await client.post("/gains", {**UPDATE, "more": 1})
        words = "contained value 'more' not defined in the updatable config block."
        assert answer.message == f"configUpdater: Update to endpoint '/gains' {words}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start_time": "x"}, "of type string (expected type float)."),
        ({"start_time": 300}, "of type integer (expected type float)."),
        ({"count": 3.0}, "of type float (expected type integer)."),
        ({"count": True}, "of type boolean (expected type integer)."),
        ({"on": 1}, "of type integer (expected type boolean)."),
        ({"on": None}, "of type null (expected type boolean)."),
        ({"name": []}, "of type array (expected type string)."),
    ],
)
async def test_wrong_type_is_400_and_changes_nothing(change: dict[str, Any], words: str) -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        answer = await client.post("/gains", {**UPDATE, **change})
        assert answer.status == 400
        assert words in answer.message
        assert (await client.get("/config")).json == GAINS


async def test_sign_may_change_and_exponents_are_floats() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        body = b'{"start_time": 3e2, "count": -5, "name": "", "on": false}'
        assert (await client.post("/gains", body)).status == 200
        assert b'"start_time": 300.0' in (await client.get("/config")).body


async def test_value_that_starts_as_null_can_never_change() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, "a": {**BLOCK, "x": None}})
        assert (await client.post("/a", {"x": 1})).status == 400
        assert (await client.post("/a", {"x": None})).status == 200


async def test_arrays_and_nested_objects_are_not_checked() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, "a": {**BLOCK, "x": [1.0], "y": {"z": 1}}})
        assert (await client.post("/a", {"x": ["s", None], "y": {"other": "s"}})).status == 200
        assert (await client.get("/config")).json["a"]["y"] == {"other": "s"}


async def test_types_are_those_of_the_start_not_of_the_last_update() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, "a": {**BLOCK, "x": 1.0}})
        node.fault("drift", path="a/x", value=7)
        assert (await client.get("/config")).json["a"]["x"] == 7
        assert (await client.post("/a", {"x": 8})).status == 400
        assert (await client.post("/a", {"x": 8.0})).status == 200


async def test_marker_may_be_sent_and_even_changed() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        assert (await client.post("/gains", {**UPDATE, "kotekan_update_endpoint": "json"})).status == 200
        assert (await client.post("/gains", {**UPDATE, "kotekan_update_endpoint": "odd"})).status == 200
        assert (await client.get("/config")).json["gains"]["kotekan_update_endpoint"] == "odd"
        assert (await client.post("/gains", UPDATE)).status == 200
        assert (await client.post("/gains", {**UPDATE, "kotekan_update_endpoint": 1})).status == 400


@pytest.mark.parametrize("body", [[1], 5, "x", True])
async def test_body_that_is_no_object_drops_the_connection_and_aborts(body: Any) -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        client.request("POST", "/gains", body)
        assert await client.end_of_file() == b""
        assert (await node.until("died"))["rc"] == 134
        assert node.books("update")[0]["status"] is None


@pytest.mark.parametrize("body", [b"", b"{"])
async def test_empty_or_broken_body_is_400_html_and_changes_nothing(body: bytes) -> None:
    async with running_node() as node:
        async with node.connect() as client:
            await client.post("/start", GAINS)
            answer = await client.post("/gains", body)
            assert (answer.status, answer.header("Connection")) == (400, "close")
            assert await client.end_of_file() == b""
        async with node.connect() as client:
            assert (await client.get("/config")).json == GAINS


async def test_value_refused_by_the_stage_is_500_and_the_process_exits_1() -> None:
    async with running_node(speed=2) as node, node.connect() as client:
        await client.post("/start", GAINS)
        node.fault("reject_value", endpoint="/gains", key="count", greater=100)
        assert (await client.post("/gains", UPDATE)).status == 200
        answer = await client.post("/gains", {**UPDATE, "count": 101})
        assert (answer.status, answer.reason) == (500, "INTERNAL_ERROR")
        assert '"count":101' in answer.message
        assert (await client.get("/config")).json["gains"]["count"] == UPDATE["count"]
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 1
        await node.until("listening", 2)
        async with node.connect() as other:
            again = await other.post("/start", {**GAINS, "gains": {**GAINS["gains"], "count": 101}})
            assert again.status == 400
            assert "Failure when calling subscriber" in again.message
            await other.end_of_file()


@pytest.mark.parametrize(
    "path",
    ["/a/b/", "//a/b", "/a%2Fb", "/%61/b", "/a", "/nowhere", "/l/0", "/a/b/inner", "/", "/a/b#"],
)
async def test_wrong_path_is_404_and_keeps_the_connection(path: str) -> None:
    config = {**MINIMAL, "a": {"b": {**BLOCK, "inner": BLOCK}}, "l": [BLOCK]}
    async with running_node() as node, node.connect() as client:
        await client.post("/start", config)
        answer = await client.post(path, {"x": 2.0})
        if path == "/a/b#":
            assert answer.status == 400
        else:
            assert (answer.status, answer.message) == (404, "Not Found")
        assert (await client.get("/config")).json == config


@pytest.mark.parametrize("target", ["/a?x=1", "http://proxy:1/a", "/short"])
async def test_query_absolute_form_and_alias_are_400(target: str) -> None:
    config = {**MINIMAL, "a": BLOCK, "rest_server": {"aliases": {"short": "a"}}}
    async with running_node() as node, node.connect() as client:
        await client.post("/start", config)
        assert (await client.get("/endpoints")).json["aliases"] == {"/short": "/a"}
        assert (await client.post(target, {"x": 2.0})).status == 400
        assert "non-existend" in (await client.post(target, {})).message
        assert (await client.post("/a", {"x": 2.0})).status == 200


@pytest.mark.parametrize(
    ("config", "endpoint", "body"),
    [
        ({"a~b": BLOCK}, "/a~b", {"x": 2.0}),
        ({"a/b": BLOCK}, "/a/b", {"x": 2.0}),
        ({"a": {**BLOCK, "k~": 1}}, "/a", {"x": 2.0, "k~": 2}),
        ({"a": {**BLOCK, "k/l": 1}}, "/a", {"x": 2.0, "k/l": 2}),
    ],
)
async def test_names_that_json_pointers_cannot_say_are_500_and_exit(
    config: dict[str, Any], endpoint: str, body: Any
) -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, **config})
        answer = await client.post(endpoint, body)
        assert (answer.status, answer.reason) == (500, "INTERNAL_ERROR")
        await client.end_of_file()
        assert (await node.until("died"))["rc"] == 1


@pytest.mark.parametrize("name", ["a b", "ä"])
async def test_block_whose_name_would_need_decoding_is_404_for_ever(name: str) -> None:
    from urllib.parse import quote

    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, name: BLOCK})
        assert (await client.post("/" + quote(name), {"x": 2.0})).status == 404


async def test_value_keys_with_spaces_non_ascii_or_nothing_work() -> None:
    block = {**BLOCK, "a b": 1, "ä": 2, "": 3}
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {**MINIMAL, "a": block})
        assert (await client.post("/a", {"x": 2.0, "a b": 2, "ä": 3, "": 4})).status == 200
        assert (await client.get("/config")).json["a"][""] == 4


async def test_marker_at_the_root_is_ignored_and_a_stage_can_be_a_block() -> None:
    config = {**MINIMAL, "kotekan_update_endpoint": "json", "s": {**BLOCK, "kotekan_stage": "x"}}
    async with running_node() as node, node.connect() as client:
        assert (await client.post("/start", config)).status == 200
        assert (await client.post("/s", {"x": 2.0})).status == 400
        assert (await client.post("/s", {"x": 2.0, "kotekan_stage": "x"})).status == 200


async def test_top_level_block_named_start_replaces_start_until_the_process_ends() -> None:
    async with running_node() as node:
        async with node.connect() as client:
            await client.post("/start", {**MINIMAL, "start": BLOCK})
            assert (await client.post("/start", {"x": 2.0})).status == 200
            await client.get("/stop")
            assert (await client.post("/start", MINIMAL)).status == 404
            await client.get("/kill")
            await client.end_of_file()
        await node.until("listening", 2)
        async with node.connect() as client:
            assert (await client.post("/start", MINIMAL)).status == 200
