"""Names in a directory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.utils.dn import escape_rdn

from conche.gateway.directory import folded
from conche.gateway.directory.names import LONGEST_NAME, LONGEST_PASSWORD, below, dn_key, unacceptable


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "x"), ("o'neil", " "), ("jürgen", "ß" * 500), ("*)(", "\n"), ("a" * 64, "x")],
)
def test_names_and_passwords_that_somebody_may_have_are_asked_for(name: str, password: str):
    assert unacceptable(name, password) is None


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("", "x", "no name"),
        ("alice", "", "no password"),
        ("a" * (LONGEST_NAME + 1), "x", "a name of 65 characters"),
        ("a\0", "x", "signs that no name has"),
        (" a", "x", "spaces around it"),
        ("a\u00a0", "x", "signs that no name has"),
        ("\ud800", "x", "signs that no name has"),
        ("alice", "\ud800", "no text"),
        ("alice", "ß" * LONGEST_PASSWORD, "a password of 2048 bytes"),
        ("alice", "a\0", "a NUL"),
    ],
)
def test_what_is_no_name_or_password_is_told_without_telling_it(name: str, password: str, words: str):
    assert words in (unacceptable(name, password) or "")


@given(st.text(), st.text())
def test_what_is_asked_for_can_be_sent(name: str, password: str):
    if unacceptable(name, password) is None:
        assert name.encode()
        assert password.encode()


def test_case_and_composition_make_no_other_name():
    assert folded("Jürgen") == folded("JU\u0308RGEN") == folded("jürgen")
    assert folded("alice") != folded("ａlice")


@pytest.mark.parametrize(
    "other",
    [
        "cn=a,DC=Example,dc=org",
        "CN=A, dc=example , dc=org",
        "cn=\\61,dc=example,dc=org",
        "cn=a,dc=ex\\61mple,dc=org",
    ],
)
def test_two_spellings_of_a_distinguished_name_are_one(other: str):
    assert dn_key(other) == dn_key("cn=a,dc=example,dc=org")


@pytest.mark.parametrize(
    "other",
    [
        "cn=a,dc=org",
        "cn=a,dc=example",
        "cn=a+dc=example,dc=org",
        "cn=a\\,dc\\=example,dc=org",
        "cn=b,dc=example,dc=org",
    ],
)
def test_other_distinguished_names_are_others(other: str):
    assert dn_key(other) is not None
    assert dn_key(other) != dn_key("cn=a,dc=example,dc=org")


@pytest.mark.parametrize("text", ["", "alice", "=", ",", "=a", "cn=a,,", "a b=c"])
def test_what_is_no_distinguished_name_is_none(text: str):
    assert dn_key(text) is None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_escaped_name_is_one_part_of_a_distinguished_name(name: str):
    found = dn_key(below(f"cn={escape_rdn(name)}", "dc=org"))
    if found is not None:
        assert len(found) == 2


@given(st.text())
def test_any_text_is_a_distinguished_name_or_none(text: str):
    dn_key(text)
