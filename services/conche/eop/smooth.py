"""How far the Earth's rotation and its pole can go in a day; what is more is damage, or a leap second somewhere."""

from typing import Final

from conche.contract import EopEntry

from .times import NS_PER_DAY

JUMP_S: Final = 0.5
"""From one midnight to the next UT1 drifts by milliseconds; more is a leap second that somebody lacks [s]."""

UT1_S: Final = 0.010
"""UT1 - TAI goes so far in a day at most [s]: 6.7 ms in data of 1976, 4.4 ms since."""

POLE_AS: Final = 0.020
"""The pole goes so far in a day at most [arcsec]: 5.3 mas since 1995."""

SIGMAS: Final = 3.0
"""By how much the predictions of two days may differ, in their standard errors; a guess."""


class Jump(ValueError):
    """UT1 or the pole would jump; says by how much."""


def check_step(one: EopEntry, other: EopEntry, *, lead_days: float = 0.0) -> None:
    """Refuse a step between two entries that the Earth can't make.

    Parameters
    ----------
    one, other
        In the order of time.
    lead_days
        So far ahead of now they are, where they are predictions of two days [d]. Their errors are those that Bulletin A
        of the IERS gives: 0.25 ms d**0.75 and 0.68 mas d**0.80.

    Raises
    ------
    Jump
        It is too large.
    """
    days = max((other.t_inst_ns - one.t_inst_ns) / NS_PER_DAY, 1.0)
    lead = max(lead_days, 0.0)
    ut1_s = days * UT1_S + SIGMAS * 0.00025 * lead**0.75
    pole_as = days * POLE_AS + SIGMAS * 0.00068 * lead**0.80
    step_s = other.delta_UT1_inst - one.delta_UT1_inst
    if abs(step_s) > ut1_s:
        raise Jump(f"UT1 would jump by {step_s:+.3f} s")
    for name, step_as in (("x", other.xp_as - one.xp_as), ("y", other.yp_as - one.yp_as)):
        if abs(step_as) > pole_as:
            raise Jump(f"{name} of the pole would jump by {step_as:+.3f} arcsec")
