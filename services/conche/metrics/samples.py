"""Prometheus' text format, as a kotekan writes it, as readings of the families that were chosen."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from conche.contract.measurements import KOTEKAN

from .readings import LONGEST_TAG, Reading

MAX_LABELS: Final = 4096
"""Bytes of all labels of a series; a database refuses one with more than 64 kB. A guess."""

_NAME: Final = "[a-zA-Z0-9_:]"
_WILD: Final = {"*": f"{_NAME}*", "?": _NAME}
_A_LINE: Final = re.compile(r"\s*(?:#|[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{|[ \t]+[-+0-9.nNiI])|\Z)")
"""How text in this format begins: with a comment, or with a metric; an idle process may have none."""
_LABEL: Final = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
"""A label's name; newer versions of the format have others in quotes, which kotekan's is not."""
_TAKEN: Final = frozenset({"group", "node", "family", "time", *(field.name for field in KOTEKAN.fields)})
"""Names that a label can't have beside conche's own, and those that a database gives a meaning."""


class MetricsGarbled(ValueError):
    """An answer that is not Prometheus' text format."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of one answer.

    Parameters
    ----------
    readings
        One for each series.
    left
        Series of chosen families that were more than may be taken, or have labels that no database takes.
    """

    readings: list[Reading]
    left: int = 0


class Families:
    """Chooses families by name.

    Parameters
    ----------
    patterns
        Names with ``*`` and ``?``.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        either = "|".join(
            "".join(_WILD.get(letter) or re.escape(letter) for letter in pattern) for pattern in patterns
        )
        # Before anything is parsed: most lines of a correlator's answer are of families that nobody wants.
        self._lines = re.compile(rf"^(?:{either or '(?!)'})(?=[{{ \t]).*$", re.MULTILINE)

    def take(self, text: str, *, group: str, node: str, at_ns: int, most: int) -> Taken:
        """Return the readings of one answer.

        Parameters
        ----------
        text
            The whole answer.
        group, node
            Whose it is.
        at_ns
            When it came [ns].
        most
            So many series are taken.

        Raises
        ------
        MetricsGarbled
            It is something else.
        """
        if _A_LINE.match(text) is None:
            raise MetricsGarbled("the answer is not Prometheus' text format")
        lines = self._lines.findall(text)
        own = {"group": group, "node": node}
        samples = list(_samples(lines[:most]))
        readings = [
            Reading(KOTEKAN, {**own, "family": name, **_labels(labels)}, {"value": value}, at_ns)
            for name, labels, value in samples
            if _are_bearable(labels)
        ]
        return Taken(readings, left=max(0, len(lines) - most) + len(samples) - len(readings))


def _samples(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each line.

    Without the comments a line stands for itself: the parser would rename a counter that is not called ``_total``,
    as some of kotekan's are not.

    Raises
    ------
    MetricsGarbled
        A line is none.
    """
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                if math.isfinite(sample.value):
                    yield sample.name, sample.labels, float(sample.value)
    except (ValueError, IndexError, KeyError) as error:
        raise MetricsGarbled(f"a line of the answer is not Prometheus' text format: {error}") from None


def _are_bearable(labels: dict[str, str]) -> bool:
    """Return whether a database takes a series with these labels, as they are: two that are cut may be the same."""
    size = sum(len(name) + len(value.encode(errors="replace")) for name, value in labels.items())
    longest = max(map(len, (*labels, *labels.values())), default=0)
    return size <= MAX_LABELS and longest <= LONGEST_TAG and all(map(_LABEL.fullmatch, labels))


def _labels(labels: dict[str, str]) -> dict[str, str]:
    return {
        f"label_{name}" if name in _TAKEN or name.startswith("_") else name: value
        for name, value in labels.items()
    }
