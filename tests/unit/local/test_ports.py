import socket

import click
import pytest

from conche.local.ports import Wanted, check_ports, first_ephemeral_port, is_free
from tests.integration.harness import free_port


@pytest.fixture
def port() -> int:
    return free_port()


def test_free_ports_pass(port):
    check_ports([Wanted(range(port, port + 1), "broker", "--port")])


def test_a_taken_port_is_named_with_the_remedy(port):
    with socket.create_server(("127.0.0.1", port)), pytest.raises(click.ClickException) as caught:
        check_ports([Wanted(range(port, port + 1), "broker", "--port")])
    assert str(caught.value) == (
        f"port {port} is taken (by another stack? ./conche.sh down) - choose another with --port N"
    )


def test_a_port_on_which_all_addresses_are_listened_to_is_taken(port):
    with socket.create_server(("0.0.0.0", port)):
        assert not is_free(port)


def test_one_port_for_two_things_is_refused(port):
    broker = Wanted(range(port, port + 1), "broker", "--port")
    nodes = Wanted(range(port - 1, port + 2), "simulated nodes", "--sim-port")
    with pytest.raises(
        click.ClickException, match=rf"port {port} is wanted twice, for broker and for simulated"
    ):
        check_ports([broker, nodes])


def test_nodes_beyond_the_last_port_are_refused():
    with pytest.raises(click.ClickException, match="--sim-port"):
        check_ports([Wanted(range(65530, 65540), "simulated nodes", "--sim-port")])


def test_nodes_that_reach_into_the_ports_of_outgoing_connections_are_refused():
    limit = first_ephemeral_port()
    with pytest.raises(
        click.ClickException, match=r"the kernel's own begin - choose another with --sim-port N"
    ):
        check_ports([Wanted(range(limit - 3, limit + 3), "simulated nodes", "--sim-port")])
