"""The settings: one file, overridden by the environment, and what is wrong said in words."""

from pathlib import Path

import pytest

from conche.settings import LogLevel, Settings, SettingsInvalid, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conche.yaml"


def refusal(file: Path | None, **environment: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(file, environment=environment)
    return str(caught.value)


def test_without_file_and_environment_everything_is_at_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environment={"PATH": "/bin"}) == Settings()


def test_file_in_the_working_directory_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    file.write_text("poller: {period_s: 5}")
    assert load(environment={}).poller.period_s == 5.0


def test_file_that_the_environment_names_comes_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    file.write_text("poller: {period_s: 5}")
    (file.parent / "other.yaml").write_text("poller: {period_s: 7}")
    assert load(environment={"CONCHE_CONFIG": "other.yaml"}).poller.period_s == 7.0


def test_file_that_is_named_and_not_there_is_an_error(file: Path) -> None:
    assert refusal(file) == f"{file}: can't be read: No such file or directory"
    assert "can't be read" in refusal(None, CONCHE_CONFIG=str(file))
    assert "Is a directory" in refusal(file.parent)


def test_environment_overrides_the_file(file: Path) -> None:
    file.write_text("log: debug\npoller: {period_s: 5, refresh_s: 30}\nbroker: {host: a}")
    settings = load(
        file,
        environment={
            "CONCHE_POLLER__PERIOD_S": "7",
            "CONCHE_BROKER__HOST": "b",
            "CONCHE_SYNC__GROUPS": "cx, cy ,",
            "CONCHE_LOG": "warning",
        },
    )
    assert (settings.poller.period_s, settings.poller.refresh_s) == (7.0, 30.0)
    assert settings.broker.host == "b"
    assert settings.sync.groups == ["cx", "cy"]
    assert settings.log is LogLevel.WARNING


def test_variables_of_others_are_left_alone() -> None:
    load(environment={"CONCHE_HOME": "x", "CONCHE_CONFIGURATION": "y", "conche_poller__period": "z"})


@pytest.mark.parametrize("text", ["", "# nothing", "broker:", "{}"])
def test_empty_file_or_section_is_one_of_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert load(file, environment={}).broker == Settings().broker


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("poler: {}", "poler: there is no such setting; did you mean poller?"),
        ("zzz: {}", "zzz: there is no such setting; there are log, broker, "),
        ("poller: {period: 5}", "poller.period: there is no such setting; did you mean period_s?"),
        ("5: {}", "5: there is no such setting"),
        ("poller: 5", "poller: must be a section of keys and values"),
        ("poller: [5]", "poller: must be a section of keys and values"),
        ("- poller", "must be sections of keys and values"),
        ("poller: {period_s: fast}", "poller.period_s: Expected `float`, got `str`"),
        ("poller: {period_s: 0}", "poller.period_s: Expected `float` > 0.0"),
        ("broker: {port: 70000}", "broker.port: Expected `int` <= 65535"),
        ("broker: {root: a/b}", "broker.root: Expected `str` matching regex"),
        ("sync: {groups: cx}", "sync.groups: Expected `array`, got `str`"),
        ("renderer: {on_registry_change: some}", "renderer.on_registry_change: Invalid enum value 'some'"),
        ("log: loud", "log: Invalid enum value 'loud'"),
        ("log:", "log: Expected `str`, got `null`"),
        ("a: [", "not YAML: "),
        ("poller: {period_s: 2026-13-45}", "not YAML: "),
        ("{[a]: b}", "not YAML: "),
        ("poller: \x00", "not YAML: "),
        ("poller: {}\nlog: info\npoller: {}\n", "poller stands twice, in lines 1 and 3; keep one"),
        ("groups:\n  cx: {}\n  cx: {}\n", "cx stands twice, in lines 2 and 3; keep one"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_file_and_key(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    assert refusal(file).startswith(f"{file}: {words}")


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("CONCHE_POLLER__PERIOD", "5", "poller.period: there is no such setting; did you mean period_s?"),
        ("CONCHE_POLER__PERIOD_S", "5", "there is no such section; did you mean POLLER?"),
        ("CONCHE_LOG__LEVEL", "5", "there is no such section"),
        ("CONCHE_POLLER__PERIOD_S", "fast", "poller.period_s: Expected `float`, got `str`"),
        ("CONCHE_POLLER__PERIOD_S", "-1", "poller.period_s: Expected `float` > 0.0"),
        ("CONCHE_LOG", "loud", "log: Invalid enum value 'loud'"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_with_the_variable(
    file: Path, variable: str, text: str, words: str
) -> None:
    file.write_text("poller: {period_s: 5}")
    assert refusal(file, **{variable: text}).startswith(f"{variable}: {words}")


def test_error_in_the_file_is_not_blamed_on_the_environment(file: Path) -> None:
    file.write_text("poller: {period_s: fast}")
    assert refusal(file, CONCHE_POLLER__REFRESH_S="5").startswith(f"{file}: poller.period_s")


def test_password_is_taken_from_the_environment_and_refused_in_the_file(file: Path) -> None:
    file.write_text("broker: {password: secret}")
    words = refusal(file)
    assert words.startswith(f"{file}: broker.password: secrets don't belong in this file")
    assert "CONCHE_BROKER__PASSWORD" in words
    assert "secret}" not in words
    file.write_text("")
    assert load(file, environment={"CONCHE_BROKER__PASSWORD": "123"}).broker.password == "123"


def test_relative_paths_are_those_from_the_folder_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    file.write_text("renderer: {configs: here, run_dir: /var/run}\nkotekan: {addresses: ../a.json}")
    settings = load(file, environment={})
    assert settings.renderer.configs == file.parent / "here"
    assert settings.renderer.run_dir == Path("/var/run")
    assert settings.sync.run_dir == file.parent / "run"
    assert settings.kotekan.addresses == file.parent / "../a.json"
    assert settings.broker.ca_file is None


def test_relative_path_in_the_environment_is_one_from_the_working_directory(file: Path) -> None:
    file.write_text("renderer: {configs: here}")
    settings = load(file, environment={"CONCHE_RENDERER__CONFIGS": "there"})
    assert settings.renderer.configs == Path("there")
    assert settings.renderer.run_dir == file.parent / "run"


def test_whole_number_does_for_a_float_and_text_of_a_number_for_a_number(file: Path) -> None:
    file.write_text("poller: {period_s: 5}\nbroker: {port: '1884'}")
    settings = load(file, environment={})
    assert repr(settings.poller.period_s) == "5.0"
    assert settings.broker.port == 1884
