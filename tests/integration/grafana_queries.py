"""What Grafana does with a question before and after it asks InfluxDB, made again from its source.

The browser puts the chosen values in (``public/app/plugins/datasource/influxdb/datasource.ts``); the server puts time
range and interval in, asks, and makes series or rows of the answer (``pkg/tsdb/influxdb/models/query.go``,
``influxql/buffered/response_parser.go``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, Protocol

Value = float | int | str | None
Choices = Mapping[str, Sequence[str] | None]
"""What is chosen of each variable; None: All."""

MIN_INTERVAL_MS: Final = 2_000
"""As the data source has it: ``timeInterval``."""

POINTS: Final = 1_000
"""That a panel of usual width asks for."""

_STEPS_MS: Final = [
    step * 1000
    for step in (
        1,
        2,
        5,
        10,
        15,
        20,
        30,
        60,
        120,
        300,
        600,
        900,
        1200,
        1800,
        3600,
        7200,
        10800,
        21600,
        43200,
        86400,
    )
]
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Asked(Protocol):
    """Whoever asks an InfluxDB: what comes back are the results' series."""

    async def ask(self, question: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Span:
    """A time range, UNIX time [ms]."""

    from_ms: int
    to_ms: int

    def last(self, time_from: str) -> "Span":
        """The range of a panel that shows the last minutes whatever was chosen."""
        return Span(self.to_ms - seconds(time_from) * 1000, self.to_ms)

    @property
    def interval_ms(self) -> int:
        wanted = max(MIN_INTERVAL_MS, (self.to_ms - self.from_ms) // POINTS)
        return next((step for step in _STEPS_MS if step >= wanted), _STEPS_MS[-1])


@dataclass(frozen=True)
class Series:
    """One line or lane of a panel."""

    name: str
    tags: Mapping[str, str]
    column: str
    times_ms: Sequence[int]
    values: Sequence[Value]


@dataclass(frozen=True)
class Question:
    """A question of a dashboard or of a rule.

    Parameters
    ----------
    where
        It stands.
    query
        As it stands there.
    span
        The time range that it is asked for.
    alias
        What a series is to be called.
    table
        Whether rows are asked for.
    """

    where: str
    query: str
    span: Span
    alias: str | None = None
    table: bool = False


def seconds(text: str) -> int:
    return int(text[:-1]) * _UNITS_S[text[-1]]


def questions_of(dashboard: Mapping[str, Any], choices: Choices, span: Span) -> Iterator[Question]:
    """Every question of a dashboard, with the choices put in."""
    variables = dashboard["templating"]["list"]
    place = dashboard["uid"]
    for variable in variables:
        yield Question(
            f"{place}: variable {variable['name']}", chosen(variable["query"], variables, choices), span
        )
    for annotation in dashboard["annotations"]["list"]:
        query = chosen(annotation["target"]["query"], variables, choices)
        yield Question(f"{place}: annotation {annotation['name']}", query, span, table=True)
    for panel in dashboard["panels"]:
        yield from questions_of_panel(dashboard, panel, choices, span)


def questions_of_panel(
    dashboard: Mapping[str, Any], panel: Mapping[str, Any], choices: Choices, span: Span
) -> Iterator[Question]:
    shown = span.last(panel["timeFrom"]) if "timeFrom" in panel else span
    for target in panel.get("targets", ()):
        yield Question(
            f"{dashboard['uid']}: {panel['title']}/{target['refId']}",
            chosen(target["query"], dashboard["templating"]["list"], choices),
            shown,
            target.get("alias"),
            target["resultFormat"] == "table",
        )


def questions_of_rules(rules: Mapping[str, Any], *, to_ms: int) -> Iterator[Question]:
    """Every question of the alert rules."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            for data in rule["data"]:
                if "query" in data["model"]:
                    span = Span(to_ms - data["relativeTimeRange"]["from"] * 1000, to_ms)
                    yield Question(f"{rule['uid']}/{data['refId']}", data["model"]["query"], span)


def chosen(query: str, variables: Sequence[Mapping[str, Any]], choices: Choices) -> str:
    """Put the chosen values in, as the browser does."""
    for variable in variables:
        name = variable["name"]
        query = re.sub(rf"\${name}\b", lambda _, v=variable: _value(v, choices[v["name"]]), query)
    return query


def _value(variable: Mapping[str, Any], values: Sequence[str] | None) -> str:
    if values is None:
        return str(variable["allValue"])  # as it is, not escaped
    escaped = [re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value) for value in values]
    return f"({'|'.join(escaped)})" if variable["multi"] else escaped[0]


def timed(query: str, span: Span) -> str:
    """Put time range and interval in, as the server does."""
    times = f"time >= {span.from_ms}ms and time <= {span.to_ms}ms"
    interval = f"{span.interval_ms // 1000}s"
    return query.replace("$timeFilter", times).replace("$__interval", interval)


async def answer(database: Asked, question: Question) -> list[Series]:
    """Ask, and make of the answer what a panel is given.

    Raises
    ------
    AssertionError
        The database says that the question is wrong.
    """
    answered = await database.ask(timed(question.query, question.span))
    return [one for series in answered for one in _series(series, question)]


def columns_without_value(series: Sequence[Series]) -> set[str]:
    """The columns of an answer in which no series has a value; of an answer without series it is the answer itself."""
    if not series:
        return {"(no answer)"}
    valued = {one.column for one in series if any(value is not None for value in one.values)}
    return {one.column for one in series} - valued


def _series(found: Mapping[str, Any], question: Question) -> Iterator[Series]:
    tags = found.get("tags", {})
    columns = found["columns"]
    timed_rows = columns[0] == "time"
    times = [row[0] // 1_000_000 for row in found["values"]] if timed_rows else []
    for place, column in enumerate(columns):
        if column == "time" and place == 0:
            continue
        name = _named(question.alias, found["name"], column, tags)
        yield Series(name, tags, column, times, [row[place] for row in found["values"]])


def _named(alias: str | None, measurement: str, column: str, tags: Mapping[str, str]) -> str:
    if alias is None:
        labels = ", ".join(f"{name}: {value}" for name, value in tags.items())
        return f"{measurement}.{column} {{{labels}}}" if labels else f"{measurement}.{column}"
    named = re.sub(r"\$tag_(\w+)", lambda found: tags.get(found[1], ""), alias)
    return named.replace("$col", column).replace("$m", measurement)


@dataclass(frozen=True)
class Raised:
    """An alert that a rule raises now: the labels of what it is about."""

    kind: str
    labels: tuple[tuple[str, str], ...]


async def raised(database: Asked, rule: Mapping[str, Any], *, to_ms: int) -> set[Raised]:
    """What a rule raises: the last figure of each series of each question, and what its expression says of these."""
    figures: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for question in questions_of_rules({"groups": [{"rules": [rule]}]}, to_ms=to_ms):
        letter = question.where.rpartition("/")[2]
        for one in await answer(database, question):
            [*_, last] = one.values
            if isinstance(last, float | int):
                figures.setdefault(tuple(sorted(one.tags.items())), {})[letter] = last
    [test] = [data["model"]["expression"] for data in rule["data"] if data["model"].get("type") == "math"]
    letters = set(re.findall(r"\$\{last_(\w)\}", test))
    return {
        Raised(rule["labels"]["kind"], labels)
        for labels, known in figures.items()
        if letters <= set(known) and _holds(test, known)
    }


def _holds(test: str, figures: Mapping[str, float]) -> bool:
    """Judge an expression of Grafana's as its server does: comparisons, and all of them, or others."""
    return any(all(_compares(part, figures) for part in side.split(" && ")) for side in test.split(" || "))


def _compares(part: str, figures: Mapping[str, float]) -> bool:
    compare = {"==": eq, "!=": ne, ">=": ge, ">": gt, "<": lt, "<=": le}
    found = re.fullmatch(r"\$\{last_(\w)\} (\S+) (\S+)", part)
    assert found is not None, part
    letter, sign, limit = found.groups()
    return compare[sign](figures[letter], float(limit))
