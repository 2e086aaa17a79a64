"""The file that a worker must not lose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conche.contract import Maintenance
from conche.sync import records
from conche.sync.records import GroupRecord, NodeRecord, Recorder, RecordsLost, load


def record(number: int) -> GroupRecord:
    node = NodeRecord(epoch=f"e{number}", maintenance=Maintenance(on=True))
    return GroupRecord(nodes={"cx1": node}, restarts=[("operator", "id-1", "cx1")])


@asynccontextmanager
async def running(recorder: Recorder) -> AsyncIterator[Recorder]:
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_was_saved_is_there_for_the_next_worker(tmp_path: Path):
    async with running(Recorder(tmp_path / "run" / "sync-cx.json", lambda: record(1))) as recorder:
        await recorder.save()
        assert load(recorder.path) == record(1)


async def test_a_save_holds_what_was_so_when_it_was_asked_for(tmp_path: Path):
    current = [1]
    async with running(Recorder(tmp_path / "sync-cx.json", lambda: record(current[0]))) as recorder:
        first = asyncio.create_task(recorder.save())
        await asyncio.sleep(0)
        current[0] = 2
        await asyncio.gather(first, recorder.save())
        assert load(recorder.path) == record(2)


async def test_saves_that_come_together_share_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writes = []
    monkeypatch.setattr(records, "write_atomic", lambda path, data, mode: writes.append(data))
    async with running(Recorder(tmp_path / "sync-cx.json", lambda: record(1))) as recorder:
        await asyncio.gather(*(recorder.save() for _ in range(100)))
    assert len(writes) <= 2


async def test_a_full_disk_is_an_error_of_each_who_asked_and_the_next_save_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: Path, data: bytes, mode: int) -> None:
        raise OSError(28, "No space left on device")

    async with running(Recorder(tmp_path / "sync-cx.json", lambda: record(1))) as recorder:
        with monkeypatch.context() as patch:
            patch.setattr(records, "write_atomic", full)
            with pytest.raises(
                RecordsLost, match=r"sync-cx\.json: can't be written: No space left on device"
            ):
                await recorder.save()
        await recorder.save()
        assert load(recorder.path) == record(1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"nodes": {"cx1": {}}}', "\x00\xff"])
def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path, text: str):
    path = tmp_path / "sync-cx.json"
    path.write_text(text)
    assert load(path) == GroupRecord()


def test_a_file_that_is_not_there_is_as_none(tmp_path: Path):
    assert load(tmp_path / "sync-cx.json") == GroupRecord()


def test_a_record_of_an_older_version_lacks_fields_and_is_read(tmp_path: Path):
    path = tmp_path / "sync-cx.json"
    path.write_text('{"format": 1, "nodes": {"cx1": {"epoch": "e1", "maintenance": {"on": false}}}}')
    assert load(path).nodes["cx1"] == NodeRecord(epoch="e1", maintenance=Maintenance(on=False))
