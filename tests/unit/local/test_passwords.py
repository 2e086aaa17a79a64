import hashlib
import subprocess
from base64 import b64decode

import pytest

from conche.local.passwords import (
    SHORTEST,
    BrokerSetupFailed,
    PasswordRefused,
    check_password,
    generated,
    hashed,
    parse,
    text_of,
)


@pytest.mark.parametrize(
    "password", ["correct horse", "zoë's pass:word", "a" * 500, "$7$101$x$y", "-b -U pass"]
)
def test_what_is_kept_is_the_hash_of_the_whole_password(password):
    """PBKDF2 as in mosquitto's password_mosq.c: $7$ iterations $ salt $ hash."""
    _, kind, iterations, salt, kept = hashed("alice", password).split("$")
    assert kind == "7"
    assert b64decode(kept) == hashlib.pbkdf2_hmac(
        "sha512", password.encode(), b64decode(salt), int(iterations)
    )


def test_the_same_password_is_kept_otherwise_each_time():
    assert hashed("alice", "correct horse") != hashed("alice", "correct horse")


def test_a_password_is_in_no_command_line(monkeypatch):
    real, seen = subprocess.run, []

    def run(command, **options):
        seen.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    hashed("alice", "correct horse")
    assert "correct horse" not in str(seen)


def test_what_the_tool_says_is_passed_on():
    with pytest.raises(BrokerSetupFailed, match=r"^mosquitto_passwd: "):
        hashed("a:b", "correct horse")


def test_a_password_file_is_read_as_it_is_written():
    hashes = {"alice": "$7$101$a$b==", "bob": "$7$101$c$d=="}
    assert parse(text_of(hashes)) == hashes
    assert parse("\n" + text_of(hashes) + "\n\n") == hashes
    assert parse("") == {}


@pytest.mark.parametrize("text", ["a" * SHORTEST, "  correct horse \n", "zwölf Zeichen", "correct horse\r\n"])
def test_a_password_is_taken_without_the_end_of_its_line(text):
    assert check_password(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the password is empty"),
        (" \n", "the password is empty"),
        ("a" * (SHORTEST - 1), f"the password has {SHORTEST - 1} characters: {SHORTEST} are the least"),
        ("correct\nhorse battery", "one line of printable characters"),
        ("correct\x00horse battery", "one line of printable characters"),
        ("correct\thorse battery", "one line of printable characters"),
    ],
)
def test_a_password_that_nobody_should_have_is_refused_in_words(text, words):
    with pytest.raises(PasswordRefused, match=words):
        check_password(text)


def test_a_made_password_is_long_and_another_each_time():
    made = {generated() for _ in range(100)}
    assert len(made) == 100
    assert all(check_password(password) == password and len(password) >= 20 for password in made)
