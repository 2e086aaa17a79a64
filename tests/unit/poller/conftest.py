"""Nodes for the poller's tests."""

import pytest

from conche.poller import service as service_module

from .fakes import IDLE, FakeNode


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeNode]:
    monkeypatch.setattr(service_module, "WatchedNode", FakeNode)
    monkeypatch.setattr(FakeNode, "all", {}, raising=False)
    monkeypatch.setattr(FakeNode, "answers", lambda _: (0.01, IDLE), raising=False)
    return FakeNode.all
