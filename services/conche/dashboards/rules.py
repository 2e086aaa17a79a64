"""Grafana's alert rules, one or several for each kind of the catalogue of alerts.

Each asks for the last figures of every series and judges them, so a rule always has an answer, and one that is well
again is seen to be so at once. A question for the bad ones alone would show the last bad point until it leaves the
time range.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conche.contract import EopState, FpgaState, NodeState, Service, ServiceState
from conche.contract.alerts import (
    ALERTS,
    LATE_PERIODS,
    OVERRUN_OVER_S,
    OVERRUN_SHARE,
    RUNS_OUT_DAYS,
    STALE_S,
    AlertKind,
)
from conche.contract.measurements import (
    BROKER,
    EOP,
    EOP_STATE_CODES,
    FPGA,
    FPGA_STATE_CODES,
    GROUP,
    NODE,
    NODE_STATE_CODES,
    SERVICE,
    SWEEP,
    Measurement,
)

from . import group, itself, places, shared, timing
from .board import panel_number
from .queries import Column, Where, is_, is_not, newest, newest_or_none, rate_of_points, share, summed_growth
from .targets import SOURCE_UID

FOLDER: Final = "conche"
EVERY_S: Final = 10
"""How often the rules are looked at [s]."""

BEFORE_S: Final = 180
"""A state is told again each minute: one that was not for this long is not known [s]."""

SILENT_S: Final = 180
"""A poller that sweeps at least once a minute is silent after this [s]; of a slower one the notifier alone tells."""

SILENT_FOR_S: Final = 6 * 3600
"""For so long it is known of a poller that is silent that it did sweep [s]."""

EOP_FOR_S: Final = 26 * 3600
"""What the service of the table said last counts for so long [s]; after that the table is old."""

_EXPRESSION: Final = "__expr__"
_LETTERS: Final = "ABCDEFGH"
_OF_NODE: Final = ("group", "node")
_OF_SERVICE: Final = ("service", "instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an alert is raised.

    Parameters
    ----------
    kind
        Which alert.
    part
        What tells it from others of the same kind.
    queries
        What is asked; the last figure of each is judged.
    test
        What of these figures raises it; they are A, B, … as the questions.
    who
        What the alert is about, from the labels of its series.
    place
        Dashboard and panel to look at.
    over_s
        The time range of the questions [s].
    """

    kind: AlertKind
    queries: Sequence[str]
    test: str
    who: str
    place: tuple[str, str]
    part: str | None = None
    over_s: int = BEFORE_S

    @property
    def name(self) -> str:
        """What tells it from all others."""
        return f"{self.kind}-{self.part}" if self.part else str(self.kind)


def rules() -> list[Rule]:
    """Return the rules; each kind of alert has one or several."""
    return [*_of_nodes(), *_of_services(), *_of_pollers(), *_of_timing(), *_of_eop()]


def _of_nodes() -> Iterator[Rule]:
    node, wrong = "{{ .Labels.group }}/{{ .Labels.node }}", (places.OVERVIEW, shared.WRONG)
    down, failed = NODE_STATE_CODES[NodeState.DOWN], NODE_STATE_CODES[NodeState.FAILED]
    states = _last(NODE, "state_code", "maintenance", by=_OF_NODE)
    unhealed = _last(NODE, "unhealed", "maintenance", by=_OF_NODE)
    for kind, queries, test in (
        (AlertKind.NODE_DOWN, states, f"$A == {down} && $B == 0"),
        (AlertKind.NODE_FAILED, states, f"$A == {failed} && $B == 0"),
        (AlertKind.DRIFT_STAYS, unhealed, "$A == 1 && $B == 0"),
    ):
        yield Rule(kind=kind, queries=queries, test=test, who=node, place=wrong)


def _of_services() -> Iterator[Rule]:
    yield Rule(
        kind=AlertKind.NO_WORKER,
        queries=_last(GROUP, "worker", by=["group"]),
        test="$A == 0",
        who="{{ .Labels.group }}",
        place=(places.GROUP, group.WORKER),
    )
    # One that went in good order leaves the answer: what it said before is its last word here.
    there = [is_not("state", ServiceState.OFFLINE), is_not("service", Service.SYNC)]
    yield Rule(
        kind=AlertKind.SERVICE_LOST,
        queries=_last(SERVICE, "online", by=_OF_SERVICE, where=there),
        test="$A == 0",
        who="{{ .Labels.service }}/{{ .Labels.instance }}",
        place=(places.ITSELF, itself.SERVICE_STATES),
    )
    yield Rule(
        kind=AlertKind.BROKER_DROPS,
        queries=[summed_growth(BROKER, "dropped")],
        test="$A > 0",
        who="broker",
        place=(places.ITSELF, itself.DROPPED),
        over_s=300,
    )


def _of_pollers() -> Iterator[Rule]:
    poller = "{{ .Labels.instance }}"
    yield Rule(
        kind=AlertKind.POLLER_OVERRUN,
        queries=[share(SWEEP, "overrun", by=["instance"])],
        test=f"$A > {OVERRUN_SHARE}",
        who=poller,
        place=(places.ITSELF, itself.OVERRUN),
        over_s=OVERRUN_OVER_S,
    )
    yield Rule(
        kind=AlertKind.SERVICE_LOST,
        part="silent",
        queries=[
            rate_of_points(SWEEP, "took_s", by=["instance"], over_s=SILENT_S),
            *_last(SWEEP, "period_s", by=["instance"]),
            *_last(SERVICE, "online", by=["instance"], where=[is_("service", Service.POLLER)]),
        ],
        test=f"$A == 0 && $B <= {SILENT_S // LATE_PERIODS} && $C == 1",
        who=f"{Service.POLLER}/{poller}",
        place=(places.ITSELF, itself.SWEEPS),
        over_s=SILENT_FOR_S,
    )


def _of_timing() -> Iterator[Rule]:
    degraded = FPGA_STATE_CODES[FpgaState.DEGRADED]
    # With its service away nobody says how it is: that is told of the service, and here it ends.
    yield Rule(
        kind=AlertKind.FPGA_TIMING,
        queries=[newest_or_none(FPGA, "state_code", always="error")],
        test=f"$A >= {degraded}",
        who="FPGA master",
        place=(places.TIMING, timing.FPGA_STATE),
    )


def _of_eop() -> Iterator[Rule]:
    """Yield the rules of the table, which is judged also while its service is away: by what that said last."""
    never, stale = EOP_STATE_CODES[EopState.NEVER], EOP_STATE_CODES[EopState.STALE]
    unconfigured = FPGA_STATE_CODES[FpgaState.UNCONFIGURED]
    place = (places.TIMING, timing.EOP_STATE)
    age, state = (newest_or_none(EOP, field, always="entries") for field in ("age_s", "state_code"))
    yield Rule(
        kind=AlertKind.EOP_STALE,
        queries=[age, state],
        test=f"$A > {STALE_S:.0f} || $B >= {stale}",
        who="table",
        place=place,
        over_s=EOP_FOR_S,
    )
    yield Rule(
        kind=AlertKind.EOP_STALE,
        part="never",
        queries=[*_last(EOP, "state_code"), *_last(FPGA, "state_code")],
        test=f"$A == {never} && $B != {unconfigured}",
        who="table",
        place=place,
        over_s=EOP_FOR_S,
    )
    yield Rule(
        kind=AlertKind.EOP_RUNS_OUT,
        queries=_last(EOP, "days_left"),
        test=f"$A < {RUNS_OUT_DAYS}",
        who="table",
        place=(places.TIMING, timing.LEFT),
    )


def rule_file(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the file of the alert rules.

    Parameters
    ----------
    documents
        The dashboards, by their uids: a rule names the panel to look at.
    """
    made = [_rule(rule, documents) for rule in rules()]
    of_group = {"orgId": 1, "name": "conche", "folder": FOLDER, "interval": f"{EVERY_S}s", "rules": made}
    return {"apiVersion": 1, "groups": [of_group]}


def _last(
    measurement: Measurement, *fields: str, by: Sequence[str] = (), where: Sequence[Where] = ()
) -> list[str]:
    return [newest(measurement, Column(field), by=by, where=where) for field in fields]


def _rule(rule: Rule, documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    alert = ALERTS[rule.kind]
    board, panel = rule.place
    return {
        "uid": f"conche-{rule.name}",
        "title": f"{alert.title} ({rule.name})",
        "condition": "condition",
        "data": _data(rule),
        "dashboardUid": board,
        "panelId": panel_number(documents[board], panel),
        **_silence(rule),
        "for": f"{alert.after_s:.0f}s",
        "labels": {"level": str(alert.level), "kind": str(rule.kind)},
        "annotations": {
            "summary": f"{rule.who}: {alert.title}",
            "description": f"{alert.meaning} What to do: {alert.remedy}",
        },
        "isPaused": False,
    }


def _silence(rule: Rule) -> dict[str, str]:
    """Return what is made of an absent answer.

    What is raised stays so, and nothing is raised anew; that there is no answer is told once, by the rule of lost
    services: the metrics service is always one of those that it asks for. A poller that does not sweep does not
    overrun either, and where it is the only one there is no other answer.
    """
    if rule.name == AlertKind.SERVICE_LOST:
        return {"noDataState": "NoData", "execErrState": "Error"}
    silent = "OK" if rule.kind is AlertKind.POLLER_OVERRUN else "KeepLast"
    return {"noDataState": silent, "execErrState": "KeepLast"}


def _data(rule: Rule) -> list[dict[str, Any]]:
    """Return the questions, the last figure of each, and what is judged of these."""
    asked = list(zip(_LETTERS, rule.queries, strict=False))
    test = rule.test
    for letter, _ in asked:
        test = test.replace(f"${letter}", f"${{last_{letter}}}")
    return [
        *(_question(letter, query, over_s=rule.over_s) for letter, query in asked),
        *(_expression(f"last_{letter}", "reduce", letter, reducer="last") for letter, _ in asked),
        _expression("condition", "math", test),
    ]


def _question(letter: str, query: str, *, over_s: int) -> dict[str, Any]:
    model = {"refId": letter, "query": query, "rawQuery": True, "resultFormat": "time_series"}
    return {
        "refId": letter,
        "relativeTimeRange": {"from": over_s, "to": 0},
        "datasourceUid": SOURCE_UID,
        "model": model,
    }


def _expression(ref_id: str, kind: str, expression: str, **settings: str) -> dict[str, Any]:
    model = {"refId": ref_id, "type": kind, "expression": expression, **settings}
    return {"refId": ref_id, "datasourceUid": _EXPRESSION, "model": model}
