"""Who logs in, and with which password."""

from pathlib import Path

import pytest

from conche.bus import BusDenied
from conche.bus.login import login_of
from conche.settings import Broker


@pytest.mark.parametrize("account", ["alice/cx", "", "+", "#", "a b", "zoë", "alice\n", "../sync"])
def test_account_that_would_read_as_another_in_a_topic_is_refused(account: str) -> None:
    with pytest.raises(BusDenied, match="letters, digits, '_' and '-' only"):
        login_of(Broker(), account=account, client_id="c")


def test_password_comes_from_the_file_of_the_account(tmp_path: Path) -> None:
    (tmp_path / "sync").write_text(" secret \n")
    login = login_of(Broker(secrets=tmp_path, host="h", port=5), account="sync", client_id="conche-sync")
    assert (login.password, login.account, login.client_id) == ("secret", "sync", "conche-sync")
    assert (login.host, login.port, login.keepalive_s) == ("h", 5, 5)


def test_password_of_the_environment_comes_first(tmp_path: Path) -> None:
    login = login_of(Broker(secrets=tmp_path, password="given"), account="sync", client_id="c")
    assert login.password == "given"


def test_password_in_a_file_of_one_s_own_comes_before_the_folder_of_all(tmp_path: Path) -> None:
    (tmp_path / "sync").write_text("of all")
    (tmp_path / "mine").write_text("of mine\n")
    broker = Broker(secrets=tmp_path, password_file=tmp_path / "mine")
    assert login_of(broker, account="sync", client_id="c").password == "of mine"


@pytest.mark.parametrize(
    ("data", "words"), [(None, "No such file or directory"), (b"\xff", "it is not text")]
)
def test_password_file_that_can_t_be_read_is_said_with_the_remedy(
    tmp_path: Path, data: bytes | None, words: str
) -> None:
    file = tmp_path / "mine"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(BusDenied) as caught:
        login_of(Broker(password_file=file), account="alice", client_id="c")
    assert str(caught.value) == (
        f"{file}: the password of the broker account 'alice' can't be read: {words}; "
        "CONCHE_BROKER__PASSWORD_FILE names the file that holds it"
    )


def test_password_that_is_nowhere_is_said_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(
        BusDenied, match=r"sync: the password of the broker account 'sync' can't be read: No such"
    ):
        login_of(Broker(secrets=tmp_path), account="sync", client_id="c")
    assert login_of(Broker(), account="sync", client_id="c").password is None
