"""What is typed, and what it does."""

import pytest

from conche.cli.watch.keys import Key, Keyboard, Scroll, View


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"jjk", [Key.DOWN, Key.DOWN, Key.UP]),
        (b"\x1b[A\x1bOB", [Key.UP, Key.DOWN]),
        (b"\x1b[5~\x1b[6~ b", [Key.PAGE_UP, Key.PAGE_DOWN, Key.PAGE_DOWN, Key.PAGE_UP]),
        (b"\x1b[H\x1b[4~gG", [Key.HOME, Key.END, Key.HOME, Key.END]),
        (b"wa\rq", [Key.WRONG, Key.ALL, Key.WORDS, Key.LEAVE]),
        (b"\x1b", [Key.BACK]),
        (b"\x1b[1;5Dx\xc3\xa4\x1b[20~w", [Key.WRONG]),
    ],
    ids=["letters", "arrows", "pages", "ends", "switches", "escape", "unknown"],
)
def test_bytes_are_keys(data: bytes, keys: list[Key]):
    assert Keyboard().typed(data) == keys


def test_a_sequence_may_come_in_parts():
    keyboard = Keyboard()
    assert keyboard.typed(b"j\x1b[") == [Key.DOWN]
    assert keyboard.typed(b"6") == []
    assert keyboard.typed(b"~k") == [Key.PAGE_DOWN, Key.UP]


def test_a_sequence_without_end_is_given_up():
    keyboard = Keyboard()
    assert keyboard.typed(b"\x1b[" + b"1" * 50) == []
    assert keyboard.typed(b"w") == [Key.WRONG]


LINES = [f"n{i}" for i in range(100)]


def scrolled(*moves: int, page: int = 10) -> Scroll:
    scroll = Scroll()
    for by in moves:
        scroll.move(by)
        scroll.settle(LINES, page)
    return scroll


@pytest.mark.parametrize(
    ("moves", "index", "offset"),
    [
        ((0,), 0, 0),
        ((9,), 9, 0),
        ((10,), 10, 1),
        ((10, 10), 20, 11),
        ((10**9,), 99, 90),
        ((10**9, -5), 94, 90),
        ((10**9, -10, -10), 79, 79),
        ((50, -50), 0, 0),
        ((-1,), 0, 0),
    ],
)
def test_what_is_chosen_is_on_the_screen(moves: tuple[int, ...], index: int, offset: int):
    scroll = scrolled(*moves)
    assert (scroll.index, scroll.offset) == (index, offset)


def test_what_was_chosen_stays_so_and_keeps_its_place():
    scroll = scrolled(50)
    place = scroll.index - scroll.offset
    scroll.settle(["new", "newer", *LINES], 10)
    assert (scroll.index, scroll.index - scroll.offset) == (52, place)
    scroll.settle(LINES[40:], 10)
    assert (scroll.index, scroll.index - scroll.offset) == (10, place)


def test_the_first_line_stays_chosen_whatever_it_is():
    scroll = scrolled(0)
    scroll.settle(["new", *LINES], 10)
    assert (scroll.index, scroll.offset) == (0, 0)


def test_what_is_chosen_and_goes_leaves_its_place_to_another():
    scroll = scrolled(50)
    scroll.settle([line for line in LINES if line != "n50"], 10)
    assert scroll.index == 50
    scroll.settle(LINES[:5], 10)
    assert (scroll.index, scroll.offset) == (4, 0)
    scroll.settle([], 10)
    assert (scroll.index, scroll.offset) == (0, 0)


def test_keys_change_the_view():
    view = View()
    for key in (Key.WRONG, Key.ALL, Key.WORDS, Key.DOWN, Key.DOWN, Key.UP):
        view.press(key)
    assert (view.wrong, view.folded, view.words, view.scroll.index) == (True, False, True, 1)
    for key in (Key.WRONG, Key.ALL, Key.BACK, Key.HOME):
        view.press(key)
    assert view == View()


def test_a_page_is_what_is_on_the_screen():
    view = View()
    view.scroll.settle(LINES, 7)
    view.press(Key.PAGE_DOWN)
    view.scroll.settle(LINES, 7)
    assert (view.scroll.index, view.scroll.offset) == (7, 7)
    view.press(Key.DOWN)
    view.press(Key.PAGE_DOWN)
    view.scroll.settle(LINES, 7)
    assert (view.scroll.index, view.scroll.offset) == (15, 14)
    for _ in range(3):
        view.press(Key.PAGE_UP)
        view.scroll.settle(LINES, 7)
    assert (view.scroll.index, view.scroll.offset) == (0, 0)
    view.press(Key.END)
    view.scroll.settle(LINES, 7)
    assert view.scroll.index == 99
