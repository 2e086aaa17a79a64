"""conche.sh itself, with its surroundings made up: what it installs, what it asks for, where it finds things."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPT = PROJECT / "conche.sh"
TOOLS = ("bash", "cat", "chmod", "dirname", "env", "flock", "grep", "mkdir", "mktemp", "readlink", "rm", "sha256sum",
         "sh", "tail")  # fmt: skip
"""What the script needs of any system."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with programs: all that there is on a machine that has nothing of ours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or pytest.fail(f"there is no {tool}"))
    program(folder, "id", "echo 1000")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing has been done yet."""
    folder = tmp_path / "check out"
    folder.mkdir()
    script, places = SCRIPT.read_text(), ":/usr/sbin:/usr/local/sbin"
    assert places in script
    (folder / "conche.sh").write_text(
        script.replace(places, "")
    )  # what is really installed here is not there
    (folder / "pyproject.toml").write_text("[project]\n")
    return folder


@pytest.fixture
def run(machine: Path, checkout: Path) -> Run:
    def conche_sh(*arguments: str, script: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", script or checkout / "conche.sh", *arguments],
            env={"PATH": str(machine), "HOME": str(machine)},
            cwd=machine,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return conche_sh


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def everything(machine: Path) -> None:
    for name in ("mosquitto", "mosquitto_passwd", "mosquitto_pub", "setpriv", "git"):
        program(machine, name, "exit 0")


def python(machine: Path, *, makes_environments: bool = True) -> None:
    """A python3 that is new enough, notes its calls, and makes an environment in which conche tells its arguments."""
    refusal = "" if makes_environments else '*"import ensurepip"*) exit 1;;'
    conche = '#!/bin/sh\\necho "conche: $CONCHE_PROJECT: $*"\\n'
    program(
        machine,
        "python3",
        f"""echo "$*" >>"$(dirname "$0")/calls"
case "$*" in
  {refusal}
  "-m venv"*) for venv; do :; done; mkdir -p "$venv/bin"; cat "$0" >"$venv/bin/python"
    printf '{conche}' >"$venv/bin/conche"; chmod +x "$venv/bin/python" "$venv/bin/conche";;
esac""",
    )


def calls(machine: Path, checkout: Path) -> str:
    return "".join(
        path.read_text() for path in (machine / "calls", checkout / ".venv/bin/calls") if path.exists()
    )


def policy() -> str | None:
    """What keeps Debian from starting a package's service, if anything does."""
    path = Path("/usr/sbin/policy-rc.d")
    return path.read_text() if path.exists() else None


def test_without_a_word_it_says_what_there_is(run: Run):
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ./conche.sh WORD")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_without_root_it_says_exactly_what_to_install(run: Run, machine: Path):
    program(machine, "apt-get", "exit 1")
    done = run("up")
    assert done.returncode == 1
    wanted = "sudo apt-get install python3 python3-venv mosquitto mosquitto-clients util-linux git"
    assert wanted in done.stderr
    assert "sudo systemctl disable --now mosquitto" in done.stderr


def test_it_asks_only_for_what_is_missing(run: Run, machine: Path):
    program(machine, "apt-get", "exit 1")
    everything(machine)
    python(machine, makes_environments=False)
    (machine / "git").unlink()
    assert "sudo apt-get install python3-venv git\n" in run("up").stderr


def test_root_gets_what_is_missing(run: Run, machine: Path):
    program(machine, "id", "echo 0")
    python(machine)
    everything(machine)
    (machine / "git").unlink()
    made = f"printf '#!/bin/sh\\n' >{machine}/git; chmod +x {machine}/git"
    program(machine, "apt-get", f'echo "apt-get $*" >>{machine}/calls; case "$*" in install*) {made};; esac')
    if not os.access("/usr/sbin", os.W_OK):
        pytest.skip("only root may keep a package's service from starting")
    before = policy()
    done = run("up")
    assert done.returncode == 0, done.stderr
    noted = (machine / "calls").read_text()
    assert "apt-get update -q\n" in noted
    assert "apt-get install -q -y --no-install-recommends git\n" in noted
    assert policy() == before


def test_only_the_tests_need_a_directory(run: Run, machine: Path):
    program(machine, "apt-get", "exit 1")
    everything(machine)
    python(machine)
    assert run("up").returncode == 0
    done = run("test", "-k", "x")
    assert done.returncode == 1
    assert "sudo apt-get install slapd\n" in done.stderr
    assert "sudo systemctl disable --now slapd " in done.stderr
    assert "disable --now mosquitto" not in done.stderr


def test_directory_of_the_tests_is_never_started_and_asks_nothing(run: Run, machine: Path, checkout: Path):
    if not os.access("/usr/sbin", os.W_OK):
        pytest.skip("only root may keep a package's service from starting")
    program(machine, "id", "echo 0")
    program(machine, "systemctl", f'echo "systemctl $*" >>{machine}/calls')
    python(machine)
    everything(machine)
    made = f"printf '#!/bin/sh\\n' >{machine}/slapd; chmod +x {machine}/slapd"
    state = "$DEBIAN_FRONTEND $([ -x /usr/sbin/policy-rc.d ] && echo kept down)"
    program(
        machine,
        "apt-get",
        f'echo "apt-get $* {state}" >>{machine}/calls; case "$*" in install*) {made};; esac',
    )
    done = run("test", "-k", "x")
    assert done.returncode == 0, done.stderr
    noted = calls(machine, checkout)
    assert "apt-get install -q -y --no-install-recommends slapd noninteractive kept down\n" in noted
    assert noted.count("systemctl") == 1
    assert "systemctl disable --now slapd\n" in noted
    assert "-m pytest -k x\n" in noted


def test_a_failing_apt_get_is_shown(run: Run, machine: Path):
    program(machine, "id", "echo 0")
    program(machine, "apt-get", "echo no route to mirror; exit 100")
    if not os.access("/usr/sbin", os.W_OK):
        pytest.skip("only root may keep a package's service from starting")
    done = run("up")
    assert done.returncode == 1
    assert "no route to mirror" in done.stderr


def test_the_package_is_installed_once_and_again_when_pyproject_has_changed(
    run: Run, machine: Path, checkout: Path
):
    everything(machine)
    python(machine)
    install = f"--editable {checkout}[all]"
    for expected in (1, 1):
        done = run("up", "--detach")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"conche: {checkout}: up --detach\n"
        assert calls(machine, checkout).count(install) == expected
    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    run("status")
    assert calls(machine, checkout).count(install) == 2


def test_a_failed_installation_is_tried_again(run: Run, machine: Path, checkout: Path):
    everything(machine)
    python(machine)
    python_of_venv = checkout / ".venv/bin/python"
    run("up")
    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    works = python_of_venv.read_text()
    python_of_venv.write_text(works + 'case "$*" in *pip*) exit 1;; esac\n')
    assert "pip failed" in run("up").stderr
    python_of_venv.write_text(works)
    before = calls(machine, checkout).count("--editable")
    assert run("up").returncode == 0
    assert calls(machine, checkout).count("--editable") == before + 1


def test_any_other_word_goes_to_the_command_line_from_anywhere_and_through_a_link(
    run: Run, machine: Path, checkout: Path
):
    everything(machine)
    python(machine)
    link = machine / "linked"
    link.symlink_to(checkout / "conche.sh")
    assert run("render", "DIR", "--json", script=link).stdout == f"conche: {checkout}: render DIR --json\n"


def test_an_old_python_is_not_taken(run: Run, machine: Path):
    everything(machine)
    program(machine, "python3", "exit 1")  # says: older than 3.11
    program(machine, "apt-get", "exit 1")
    assert "sudo apt-get install python3 python3-venv\n" in run("up").stderr
