"""The client: a running conche from Python.

    from conche.client import Conche

    async with Conche() as telescope:
        await telescope.set_values("cx", "gains", {"coeff": 2.0}, reason="bright sky")

Everything that it raises is a `ConcheError`, whose words are for people.
"""

from .conche import Conche
from .errors import (
    AccountDenied,
    BrokerAway,
    CommandRefused,
    CommandTooLarge,
    ConcheError,
    RoleMissing,
    ServiceAway,
    TargetUnknown,
    ValuesIncomplete,
)
from .picture import Picture
from .plans import Plan
from .questions import Digests, Files, Shown
from .sending import Report
from .watching import NodeChange, Watch

__all__ = [
    "AccountDenied",
    "BrokerAway",
    "CommandRefused",
    "CommandTooLarge",
    "Conche",
    "ConcheError",
    "Digests",
    "Files",
    "NodeChange",
    "Picture",
    "Plan",
    "Report",
    "RoleMissing",
    "ServiceAway",
    "Shown",
    "TargetUnknown",
    "ValuesIncomplete",
    "Watch",
]
