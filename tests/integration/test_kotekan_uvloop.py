"""Every scenario of the client that needs no fixture, once more in the loop that the services run in."""

from collections.abc import Callable
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest
import uvloop

from . import test_kotekan_impostors, test_kotekan_requests, test_kotekan_sim, test_kotekan_unreachable

MODULES = (test_kotekan_sim, test_kotekan_requests, test_kotekan_impostors, test_kotekan_unreachable)


@pytest.mark.parametrize(
    "scenario",
    [
        case
        for module in MODULES
        for name, case in vars(module).items()
        if name.startswith("test_") and iscoroutinefunction(case) and not signature(case).parameters
    ],
)
def test_it_is_the_same_in_the_loop_of_the_services(scenario: Callable[[], Any]) -> None:
    uvloop.run(scenario())
