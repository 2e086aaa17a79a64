import pytest

from conche.contract.roles import Role
from conche.errors import FatalError
from conche.gateway.guard import Found, check_csrf, check_role, networks
from conche.gateway.people import Person
from conche.gateway.problems import Forbidden, RoleTooLow, Unauthenticated
from conche.gateway.sessions import Sessions
from conche.gateway.store import opened


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("least", Role)
def test_a_person_may_what_takes_his_role_or_a_lower_one(role, least):
    order = list(Role)
    found = Found(Person(name="alice", role=role, via="session"))
    if order.index(role) >= order.index(least):
        assert check_role(found, least) is found.person
    else:
        with pytest.raises(RoleTooLow, match=f"alice has the role {role}; this takes the role {least}"):
            check_role(found, least)


def test_nobody_is_told_how_to_be_somebody():
    with pytest.raises(Unauthenticated, match="log in at /auth/login") as caught:
        check_role(Found(), Role.VIEWER)
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("given", [None, "", "x", "ä" * 64, "0" * 64])
def test_a_change_in_a_session_takes_its_own_token(tmp_path, given):
    with opened(tmp_path) as store:
        session = Sessions(store, key=b"k" * 32, idle_s=1, max_s=1).begin(
            Person(name="alice", role=Role.ADMIN, via="password")
        )
    check_csrf(session, given=session.csrf)
    with pytest.raises(Forbidden):
        check_csrf(session, given=given)


def test_a_trusted_host_that_is_no_address_ends_the_start_in_words():
    assert len(networks(["10.0.0.1", "2001:db8::/32"])) == 2
    with pytest.raises(FatalError, match=r"gateway\.trusted_hosts: .*localhost.*names of hosts"):
        networks(["localhost"])
