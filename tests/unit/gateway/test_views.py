"""Answers that are kept ready."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from conche.gateway.views import Encoded, View, respond


class World:
    """Something that changes, and a clock."""

    def __init__(self) -> None:
        self.now, self.changes, self.made = 100.0, 0, 0

    def make(self) -> dict[str, int]:
        self.made += 1
        return {"changes": self.changes}

    def view(self, **more: Any) -> View:
        return View(self.make, changes=lambda: self.changes, clock=lambda: self.now, **more)


def test_what_has_not_changed_is_made_once():
    world = World()
    view = world.view()
    first = view.encoded()
    world.now += 1000
    assert view.encoded() is first
    assert world.made == 1


def test_changes_are_told_after_a_moment_and_not_each_by_itself():
    world = World()
    view = world.view()
    view.encoded()
    for _ in range(100):
        world.changes += 1
        world.now += 0.01
        view.encoded()
    assert world.made <= 5
    world.now += 0.25
    assert view.encoded().body == b'{"changes":100}'


def test_what_tells_of_ages_is_made_anew_in_time():
    world = World()
    view = world.view(lasts_s=1.0)
    view.encoded()
    world.now += 1.0
    view.encoded()
    assert world.made == 2


def ask(**headers: str) -> Any:
    return respond(
        make_mocked_request("GET", "/", headers={k.replace("_", "-"): v for k, v in headers.items()}), ONE
    )


ONE = Encoded(b'{"a":1}')


@pytest.mark.parametrize("known", [ONE.etag, f'"x", {ONE.etag}', ONE.etag.removeprefix("W/"), "*"])
def test_what_the_asker_has_is_not_sent_again(known: str):
    assert ask(If_None_Match=known).status == 304


@pytest.mark.parametrize("known", ["", '"x"', 'W/"x"'])
def test_what_he_has_not_is_sent(known: str):
    assert ask(If_None_Match=known).body == ONE.body


def test_it_is_sent_compressed_to_who_understands_that():
    answer = ask(Accept_Encoding="deflate, gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.body == ONE.compressed
    assert answer.headers["Vary"] == "Accept-Encoding"
