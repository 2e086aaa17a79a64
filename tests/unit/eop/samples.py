"""Samples for the tests of the eop service."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Raw
from msgspec.json import encode

from conche.contract import DesiredConfig, EopData, EopEntry, EopTarget, Outcome, RegisteredNode, Registry
from conche.eop.state import Record
from conche.eop.times import NS_PER_DAY, mjd_of, unix_ns

KEY = "earth_orientation_parameter_table"
BLOCK = "earth_rotation_data"
FRAME0 = 1_772_838_439_000_002_880
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
NEW = {"t_inst_ns": 1, "delta_UT1_inst": 0.1, "xp_as": 0.1, "yp_as": 0.2}
OLD = {"time_inst_ns": 1, "delta_UT1_inst": 0.1, "x_pm": 0.1, "y_pm": 0.2}
HASH = "0" * 32
DATA = EopData(source="test", measured_to=NOW, age_days=0, runs_out_at=datetime(2027, 11, 1, tzinfo=UTC))
TODAY = mjd_of(unix_ns(NOW)) - 40_587
"""Days since 1970."""


def entry(day: int, value: float = 0.5) -> EopEntry:
    """An entry some days after today's midnight."""
    return EopEntry(t_inst_ns=(TODAY + day) * NS_PER_DAY, delta_UT1_inst=value, xp_as=value, yp_as=value)


def record(*days: int, frame0_ns: int = FRAME0, **more: Any) -> Record:
    targets = {"cx/cx1": EopTarget(outcome=Outcome.OK)}
    given = {"written_at": NOW, "frame0_ns": frame0_ns, "iers": DATA, "targets": targets} | more
    return Record(entries=[entry(day) for day in days], **given)


def registry(*nodes: str) -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for key in nodes:
        group, _, node = key.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host="h", port=1, epoch="e")
    return Registry(boot="b", groups=groups)


def desired(*table: dict[str, Any], **more: Any) -> DesiredConfig:
    """A config with the block, and keys beside its table."""
    config = {BLOCK: {"kotekan_update_endpoint": "json", KEY: list(table), **more}}
    return DesiredConfig(boot="b", revision=HASH, updatable={BLOCK: HASH}, config=Raw(encode(config)))


WITHOUT = DesiredConfig(boot="b", revision=HASH, config=Raw(b'{"gains": {}}'))
BROKEN = DesiredConfig(boot="b", error="cx1.j2: line 3: no such variable")
