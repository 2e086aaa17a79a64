"""The access list agrees with the roles: who may do what, and nobody in the name of another."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest

from conche.bus.topics import covers
from conche.contract import (
    ACT_FOR_PEOPLE,
    ACTIONS_OF,
    COMMAND,
    MESSAGES,
    NODE_ACTIONS,
    REPLY,
    SENDER,
    SENT_BY,
    SERVICE_ACTIONS,
    Message,
    NameInvalid,
    Payload,
    Role,
    Service,
    check_account,
    check_new_account,
    least_role_for,
)
from conche.contract.acl import acl
from conche.contract.catalogue import arguments_of_all

ROOT = "conche"
ROLES = {"vera": Role.VIEWER, "oscar": Role.OPERATOR, "enno": Role.ENGINEER, "ada": Role.ADMIN}
TARGETS = [
    *(("cx", "cx1"), ("cx", "all"), ("all", "all")),
    *(("-", "renderer"), ("-", "journal"), ("-", "fpga"), ("-", "eop")),
]


def writable(account: str, accounts: Mapping[str, Role] = ROLES) -> Iterator[str]:
    """The filters that an account may write, as mosquitto reads the list."""
    whose = None
    for line in acl(ROOT, accounts=accounts).splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "user":
            whose = rest
        elif kind in ("topic", "pattern"):
            access, _, topic = rest.partition(" ")
            if "write" in access and (kind == "pattern" or whose == account):
                yield topic.replace(SENDER, account) if kind == "pattern" else topic


def may(account: str, topic: str, accounts: Mapping[str, Role] = ROLES) -> bool:
    return any(covers(topic_filter, topic) for topic_filter in writable(account, accounts))


def command(user: str, action: str, group: str = "cx", node: str = "cx1") -> str:
    return f"{ROOT}/{COMMAND.topic(user=user, group=group, node=node, action=action)}"


@pytest.mark.parametrize("account", ROLES)
@pytest.mark.parametrize("action", arguments_of_all())
def test_a_role_may_send_its_actions_to_every_target_and_no_others(account: str, action: str):
    allowed = action in ACTIONS_OF[ROLES[account]]
    assert [may(account, command(account, action, *target)) for target in TARGETS] == [allowed] * len(TARGETS)


@pytest.mark.parametrize("account", ROLES)
def test_an_action_that_there_is_not_is_allowed_to_no_other_role(account: str):
    """But to admins: a service tells them what there is."""
    assert may(account, command(account, "frobnicate")) is (ROLES.get(account) is Role.ADMIN)


@pytest.mark.parametrize("action", arguments_of_all())
def test_nobody_sends_in_the_name_of_another(action: str):
    everybody = [*ROLES, *Service, "stranger"]
    for account in everybody:
        for other in everybody:
            if account != other:
                assert not may(account, command(other, action))


@pytest.mark.parametrize("account", [*(service for service in Service if service not in SENT_BY), "stranger"])
def test_who_has_no_role_sends_nothing(account: str):
    assert not any(may(account, command(account, action)) for action in arguments_of_all())


@pytest.mark.parametrize("service", SENT_BY)
def test_a_service_sends_its_actions_under_its_own_name_and_no_others(service: Service):
    sent = {action for action in arguments_of_all() if may(service, command(service, action))}
    assert sent == SENT_BY[service]


@pytest.mark.parametrize("service", SENT_BY)
def test_a_service_that_sends_commands_reads_the_replies_to_them(service: Service):
    assert REPLY.readers == (SENDER,)
    assert f"pattern read {ROOT}/{REPLY.filter(user=SENDER)}" in acl(ROOT, accounts={}).splitlines()
    assert SENT_BY[service] <= set(arguments_of_all())


@pytest.mark.parametrize("message", [m for m in MESSAGES if SENDER not in m.owners], ids=lambda m: m.name)
def test_no_role_writes_what_a_service_says(message: Message[Payload]):
    values = {name: "x" for name in message.parameters}
    for service in Service:
        topic = f"{ROOT}/{message.topic(**{**values, 'service': service} if 'service' in values else values)}"
        assert not any(may(account, topic) for account in ROLES)


def test_each_role_may_all_that_those_before_it_may():
    roles = [ACTIONS_OF[role] for role in Role]
    assert all(before < after for before, after in pairwise(roles))


def test_every_action_has_a_least_role():
    assert {a for actions in (NODE_ACTIONS, *SERVICE_ACTIONS.values()) for a in actions} == ACTIONS_OF[
        Role.ADMIN
    ]
    assert all(least_role_for(action) for action in arguments_of_all())
    assert least_role_for("set_nodes") is Role.ADMIN
    assert least_role_for("frobnicate") is None


def test_a_role_is_a_line_for_each_action():
    lines = acl(ROOT, accounts={"alice": Role.OPERATOR}).splitlines()
    mine = lines[lines.index("user alice") + 1 :]
    assert mine == [f"topic write conche/command/alice/+/+/{a}" for a in sorted(ACTIONS_OF[Role.OPERATOR])]


def test_an_account_of_which_another_is_the_beginning_is_another():
    accounts = {"al": Role.ADMIN, "alice": Role.VIEWER}
    assert not may("alice", command("alice", "resync"), accounts)
    assert not may("al", command("alice", "ping"), accounts)


@pytest.mark.parametrize(
    "name",
    ["", "-", "-rf", "all", "All", "sync", "Sync", "renderer", "+", "#", "al+ce", "alice/cx", "a b", "a\n", "zoë", "%u",
     "alice\nuser sync\ntopic write #", "$SYS", "a:b"],
)  # fmt: skip
def test_a_name_that_would_be_another_s_or_none_is_in_no_access_list(name: str):
    with pytest.raises(NameInvalid, match="account"):
        acl(ROOT, accounts={name: Role.VIEWER})


@pytest.mark.parametrize("name", ["alice", "a", "A-1_b", "allan", "sync2", "_x", "7", "operator"])
def test_other_names_may_be_accounts(name: str):
    assert check_account(name) == name
    assert may(name, command(name, "ping"), {name: Role.VIEWER})


def test_nobody_can_have_an_account_that_acts_for_people():
    for name in ACT_FOR_PEOPLE:
        with pytest.raises(NameInvalid, match="reserved: it is that of a service"):
            check_new_account(name)


@pytest.mark.parametrize("name", ["conche", "Conche"])
def test_nobody_can_have_the_name_under_which_conche_puts_things_back(name: str):
    with pytest.raises(NameInvalid, match="reserved: it is the author of what conche itself puts back"):
        check_new_account(name)
