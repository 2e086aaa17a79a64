"""The notifier's section: what can't be meant so is said with its key and the remedy."""

import logging
from contextlib import AsyncExitStack
from datetime import time
from pathlib import Path

import pytest

from conche.contract.alerts import ALERTS, AlertKind
from conche.errors import FatalError
from conche.notifier.channels import open_channels
from conche.notifier.checking import plan_of
from conche.settings import Notifier, SettingsInvalid, load

CHANNELS = """
    ops: {slack: {url_file: slack}}
    mail: {email: {host: mail, sender: conche@example.org, to: [ops@example.org]}}
    pager: {webhook: {url: "https://pager/x"}}
"""


def read(folder: Path, rules: str, channels: str = CHANNELS, more: str = "") -> Notifier:
    file = folder / "conche.yaml"
    file.write_text(f"notifier:\n  channels: {channels}\n  rules: {rules}\n{more}")
    return load(file, environment={}).notifier


def refusal(folder: Path, rules: str, channels: str = CHANNELS) -> str:
    with pytest.raises(FatalError) as caught:
        plan_of(read(folder, rules, channels))
    return str(caught.value)


async def opening_refusal(folder: Path, channels: str) -> str:
    settings = read(folder, "[{channels: [ops]}]", channels)
    async with AsyncExitStack() as stack:
        with pytest.raises(FatalError) as caught:
            await open_channels(settings, stack)
    return str(caught.value)


def test_rules_are_understood(tmp_path: Path):
    rules = """
    - {channels: [ops, pager], level: error, groups: ["c*"], quiet: "22:00-07:00", timezone: America/Vancouver}
    - {channels: [mail]}
    """
    settings = read(tmp_path, rules, more="  after_s: {node-down: 5}\n  repeat_s: null\n")
    plan = plan_of(settings)
    first, second = plan.rules
    assert first.quiet is not None
    assert (first.quiet.begin, first.quiet.end, first.quiet.zone.key) == (
        time(22),
        time(7),
        "America/Vancouver",
    )
    assert first.kinds == {AlertKind.NODE_DOWN, AlertKind.NODE_FAILED, AlertKind.NO_WORKER}
    assert second.kinds == set(AlertKind)
    assert plan.after_s[AlertKind.NODE_DOWN] == 5
    assert plan.after_s[AlertKind.NO_WORKER] == ALERTS[AlertKind.NO_WORKER].after_s
    assert plan.repeat_s is None
    assert settings.state_file == tmp_path / "notifier.json"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            "[{channels: [mali]}]",
            "notifier.rules[0].channels: there is no channel 'mali' in notifier.channels; did you mean mail?",
        ),
        ("[{channels: [zzz]}]", "; there are mail, ops, pager"),
        (
            "[{channels: [ops]}, {channels: [ops], quiet: '08:00-08:00'}]",
            "notifier.rules[1].quiet: 08:00-08:00 begins and ends at once",
        ),
        (
            "[{channels: [ops], timezone: America/Vancuver}]",
            "notifier.rules[0].timezone: there is no time zone 'America/Vancuver'; did you mean America/Vancouver?",
        ),
        ("[{channels: [ops], timezone: ../etc}]", "there is no time zone '../etc'"),
        ("[{channels: [ops], timezone: America}]", "there is no time zone 'America'"),
        ("[{channels: [ops], groups: [cx/cx1]}]", "notifier.rules[0].groups: 'cx/cx1' fits no group"),
        ("[{channels: [ops], groups: ['']}]", "'' fits no group"),
        ("[{channels: [ops], groups: [cx], alerts: [fpga-timing]}]", "none of its alerts is about a group"),
        ("[{channels: [ops], level: error, alerts: [eop-stale]}]", "none of its alerts is an error"),
    ],
)
def test_a_rule_that_can_not_be_meant_so_ends_the_process_with_its_key(
    tmp_path: Path, rules: str, words: str
):
    assert words in refusal(tmp_path, rules)


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("{}", "notifier.channels.x: says no way: give it one of slack, email and webhook"),
        (
            "{slack: {url_file: a}, webhook: {url: 'http://b'}}",
            "notifier.channels.x: says slack and webhook: give each a channel of its own",
        ),
    ],
)
def test_a_channel_is_one_way(tmp_path: Path, channel: str, words: str):
    assert refusal(tmp_path, "[]", f"{{x: {channel}}}") == words


def test_a_channel_whose_name_would_spoil_a_log_is_refused(tmp_path: Path):
    assert "can't be a name" in refusal(tmp_path, "[]", '{"a\\nb": {webhook: {url: "http://b"}}}')


@pytest.mark.parametrize(
    ("channel", "key"),
    [
        ("email: {host: m, sender: 'a@b', to: ['x@y, z@w']}", "notifier.channels.x.email.to"),
        ("email: {host: m, sender: 'A <a@b>', to: ['x@y']}", "notifier.channels.x.email.sender"),
        ('email: {host: m, sender: "a@b\\n", to: [x@y]}', "notifier.channels.x.email.sender"),
        ("email: {host: m, sender: a@b, to: []}", "notifier.channels.x.email.to"),
        ("email: {host: m, sender: ö@x.org, to: [x@y]}", "notifier.channels.x.email.sender"),
        ("email: {host: m, sender: a@b, to: [x@ö.org]}", "notifier.channels.x.email.to"),
        ('email: {host: m, sender: "=?utf-8?q?=C3@b", to: [x@y]}', "notifier.channels.x.email.sender"),
        ('email: {host: m, sender: ".a@[b", to: [x@y]}', "notifier.channels.x.email.sender"),
        ("webhook: {url: 'ftp://x'}", "notifier.channels.x.webhook.url"),
        ("webhook: {url: 'https://user:SECRET@x/'}", "notifier.channels.x.webhook.url"),
        ("slack: {url: 'http://x'}", "notifier.channels.x.slack.url"),
    ],
)
def test_a_wrong_key_or_value_within_a_channel_is_named(tmp_path: Path, channel: str, key: str):
    with pytest.raises(SettingsInvalid, match="notifier") as caught:
        read(tmp_path, "[]", f"{{x: {{{channel}}}}}")
    named = str(caught.value).replace("[...]", ".x").replace("[`x`]", ".x")
    assert key in named
    assert "SECRET" not in named


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file or directory"),
        (b" \n", "is empty; it must hold the secret"),
        (b"one\ntwo", "must hold one line of text"),
        (b"\xff", "is not text"),
        (b"hooks.slack.com/SECRET", "must hold an address that begins with https://"),
        (b"https://user:SECRET@hooks.slack.com/", "without an @"),
    ],
)
@pytest.mark.parametrize("way", ["slack", "webhook"])
async def test_a_file_without_the_secret_is_named_with_its_setting_and_not_shown(
    tmp_path: Path, content: bytes | None, words: str, way: str
):
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    error = await opening_refusal(tmp_path, f"{{ops: {{{way}: {{url_file: url}}}}}}")
    assert error.startswith(f"notifier.channels.ops.{way}.url_file: {tmp_path}/url: ")
    assert words in error
    assert "SECRET" not in error


async def test_other_files_of_a_channel_are_named_too(tmp_path: Path):
    mail = "email: {host: m, sender: a@b, to: [x@y]"
    for channel, words in (
        (f"{mail}, user: u, password_file: pw}}", "notifier.channels.ops.email.password_file: "),
        (f"{mail}, user: u}}", "notifier.channels.ops.email: user and password_file go together"),
        (f"{mail}, ca_file: ca}}", "notifier.channels.ops.email.ca_file: "),
        ("webhook: {}", "notifier.channels.ops.webhook: needs one of url and url_file"),
        ("webhook: {url: 'https://x', url_file: u}", "notifier.channels.ops.webhook: needs one of url"),
        ("webhook: {url: 'https://x', token_file: t}", "notifier.channels.ops.webhook.token_file: "),
        ("webhook: {url: 'https://x', ca_file: ca}", "can't be read as a certificate authority"),
    ):
        assert words in await opening_refusal(tmp_path, f"{{ops: {{{channel}}}}}")


async def test_a_password_without_encryption_and_channels_that_nobody_uses_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "pw").write_text("hunter2 with spaces\n")
    mail = "{ops: {email: {host: m, sender: a@b, to: [x@y], tls: none, user: u, password_file: pw}}}"
    with caplog.at_level(logging.WARNING):
        settings = read(tmp_path, "[]", mail)
        plan_of(settings)
        async with AsyncExitStack() as stack:
            assert list(await open_channels(settings, stack)) == ["ops"]
    assert "notifier.channels.ops: no rule names it" in caplog.text
    assert "nobody is told anything" in caplog.text
    assert "for everybody to read" in caplog.text
    assert "hunter2" not in caplog.text
