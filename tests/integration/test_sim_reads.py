"""The read endpoints of a simulated kotekan."""

import asyncio
import hashlib
import json
import re

import msgpack

from .sim_support import GAINS, MINIMAL, UPDATE, running_node

NOT_FOUND = b'{"code":404,"message":"Not Found"}'


async def test_idle_kotekan_has_no_config() -> None:
    async with running_node() as node, node.connect() as client:
        for path in ("/config", "/config_md5sum", "/buffers", "/pipeline_dot", "/trackers", "/cpu_ult"):
            answer = await client.get(path)
            assert (answer.status, answer.reason, answer.body) == (404, "NOT_FOUND", NOT_FOUND)
            assert answer.header("Content-Type") == "Application/JSON"


async def test_config_is_what_was_posted_in_the_layout_of_dump_0() -> None:
    posted = {**GAINS, "zahl": -0.0, "Änderung": ["ü", {}, []], "big": 2**64 - 1, "ns": 1772582400000000000}
    async with running_node() as node, node.connect() as client:
        await client.post("/start", posted)
        answer = await client.get("/config")
        assert answer.header("Content-Type") == "Application/JSON"
        assert answer.body == json.dumps(posted, indent=0, sort_keys=True, ensure_ascii=False).encode()
        for path in ("/buffers", "/pipeline_dot", "/trackers", "/cpu_ult"):
            assert (await client.get(path)).status == 200


async def test_integers_beyond_64_bits_become_floats_and_of_duplicate_keys_the_last_wins() -> None:
    body = (
        b'{"log_level": "info", "cpu_affinity": [0], "big": 18446744073709551616, "e": 1e3, "a": 1, "a": 2}'
    )
    async with running_node() as node, node.connect() as client:
        await client.post("/start", body)
        config = (await client.get("/config")).body
        assert b'"big": 1.8446744073709552e+19' in config
        assert b'"e": 1000.0' in config
        assert b'"a": 2' in config


async def test_config_hash_is_the_md5_of_sorted_msgpack_and_changes_with_updates() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", {"log_level": "info", "cpu_affinity": [0]})
        expected = hashlib.md5(msgpack.packb({"cpu_affinity": [0], "log_level": "info"})).hexdigest()
        assert (await client.get("/config_md5sum")).json == {"md5sum": expected}
        await client.get("/stop")
        await client.post("/start", GAINS)
        before = (await client.get("/config_md5sum")).json
        await client.post("/gains", UPDATE)
        after = (await client.get("/config_md5sum")).json
        assert before != after
        await client.post("/gains", UPDATE)
        assert (await client.get("/config_md5sum")).json == after


async def test_version_tells_what_a_kotekan_tells() -> None:
    async with running_node() as node, node.connect() as client:
        told = (await client.get("/version")).json
        keys = ["available_stages", "branch", "cmake_build_settings", "git_commit_hash", "kotekan_version"]
        assert list(told) == keys


async def test_endpoints_list_every_updatable_block() -> None:
    async with running_node() as node, node.connect() as client:
        idle = (await client.get("/endpoints")).json
        assert idle["POST"] == ["/baseband", "/start"]
        assert idle["aliases"] is None
        assert "/config" not in idle["GET"]
        await client.post("/start", GAINS)
        running = (await client.get("/endpoints")).json
        assert running["POST"] == ["/baseband", "/gains", "/start"]
        assert "/config" in running["GET"]


async def test_running_metric_lags() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", MINIMAL)
        answer = await client.get("/metrics")
        assert answer.header("Content-Type") == "text/plain"
        assert b'kotekan_running{stage_name="main"} 0.000000 ' in answer.body
        await asyncio.sleep(1.05)
        assert b'kotekan_running{stage_name="main"} 1.000000 ' in (await client.get("/metrics")).body


def series(text: bytes) -> dict[str, float]:
    """Value of each series of an answer."""
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {line.partition("} ")[0] + "}": float(line.partition("} ")[2].split()[0]) for line in lines}


async def test_metrics_of_stages_are_there_while_they_run_and_move() -> None:
    packets = 'kotekan_dpdk_rx_packets_total{stage_name="/dpdk/handlers/1",port="1"}'
    async with running_node() as node, node.connect() as client:
        assert list(series((await client.get("/metrics")).body)) == ['kotekan_running{stage_name="main"}']
        await client.post("/start", MINIMAL)
        first = series((await client.get("/metrics")).body)
        assert (
            'kotekan_bufferstatus_full_frames_total{stage_name="/buffer_status",buffer_name="vis_buf"}'
            in first
        )
        await asyncio.sleep(0.01)
        assert series((await client.get("/metrics")).body)[packets] > first[packets]
        await client.get("/stop")
        assert packets not in series((await client.get("/metrics")).body)


async def test_metrics_are_printed_as_kotekan_prints_them() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", MINIMAL)
        text = (await client.get("/metrics")).body.decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert names == sorted(names)
    gauge = r"kotekan_\w+{stage_name=\"[^\"]+\"(,\w+=\"[^\"]*\")*} (-?\d+\.\d{6}|NaN) \d{13}"
    counter = r"kotekan_\w+{stage_name=\"[^\"]+\"(,\w+=\"[^\"]*\")*} \d+"
    comment = r"# HELP kotekan_\w+|# TYPE kotekan_\w+ (gauge|counter)"
    for line in text.splitlines():
        assert re.fullmatch(f"{gauge}|{counter}|{comment}", line), line


async def test_updatable_endpoint_cannot_be_read() -> None:
    async with running_node() as node, node.connect() as client:
        await client.post("/start", GAINS)
        assert (await client.get("/gains")).status == 404


async def test_reads_are_counted_by_path() -> None:
    async with running_node() as node, node.connect() as client:
        for _ in range(3):
            await client.get("/config")
        await client.get("/who_knows")
        reads = node.view["reads"]
        assert reads["/config"]["count"] == 3
        assert reads["other"]["count"] == 1
