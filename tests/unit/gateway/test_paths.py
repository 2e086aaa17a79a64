from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.gateway.page import HOME, local_path
from conche.gateway.paths import LONGEST, check_path
from conche.gateway.problems import BadRequest


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/nodes/cx/cx27", "/a%20b", "/%C3%A4?x=%2F..%00", "/a..b/.c", "/a//b"]
)
def test_a_path_that_has_one_meaning_is_let_through(path):
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b", "/a/%2e%2e/b", "/a/.%2E", "/./a", "/a%2Fb", "/a%2fb", "/a%5Cb", "/%00", "/a%0d%0ab", "/a%7f",
        "/%ff", "/%C3", "/%", "/%zz", "/%4", "/" + "a" * LONGEST,
    ],
)  # fmt: skip
def test_a_path_that_programs_understand_differently_is_refused(path):
    with pytest.raises(BadRequest):
        check_path(path)


@given(st.text())
def test_no_path_is_more_than_refused(path):
    with suppress(BadRequest):
        check_path("/" + path)


@pytest.mark.parametrize("then", ["/panel", "/panel?x=1#y", "/ä"])
def test_a_login_leads_to_a_path_of_this_host(then):
    assert local_path(then) == then


@pytest.mark.parametrize(
    "then",
    [
        "", "panel", "//evil", "///evil", "/\\evil", "\\\\evil", "https://evil/", "javascript:alert(1)", "/a\\b",
        "/\t/evil", "/a\nb", " /a", "http:/x", "//[",
    ],
)  # fmt: skip
def test_a_login_leads_nowhere_else(then):
    assert local_path(then) == HOME
