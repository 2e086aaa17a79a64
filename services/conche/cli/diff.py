"""`conche diff`: what the nodes run, read from them now, against what they should."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import click
from msgspec.json import encode
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from conche.client.sending import Report
from conche.client.words import natural
from conche.contract import ALL

from .delivery import deliver
from .output import ERROR_STYLE, count, labelled, names_of, plain, show
from .session import ACCOUNT, AS_JSON
from .targets import ANY_TARGETS

DIFFERS: Final = 1
TROUBLE: Final = 2
"""Exit codes, as of diff(1): a config differs; it could not be told."""

TIMEOUT_S: Final = 30.0
"""A worker waits 5 s for a node that is being pushed, and reads all nodes of its group at once."""


@dataclass
class Comparison:
    """What the answers say.

    Parameters
    ----------
    differing
        Nodes with the same differing paths, by these paths.
    agreeing
        Nodes that run what they should.
    idle
        Nodes that run nothing.
    trouble
        Nodes or groups of which it can't be told, and why.
    undesired
        Nodes that have no desired config to differ from, and why.
    """

    differing: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    agreeing: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)
    undesired: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """As of diff(1), but a difference that was found is not hidden by a node that did not answer."""
        return DIFFERS if self.differing else TROUBLE if self.trouble else 0


@click.command()
@ANY_TARGETS
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=TIMEOUT_S,
    show_default=True,
    help="How long to wait for answers [s].",
)
@AS_JSON
@ACCOUNT
def diff(*, words: tuple[str, ...], timeout: float, as_json: bool, account: str) -> None:
    """Read what nodes run now, and show how it differs from what they should.

    TARGET is a node (cx/cx27), a group (cx) or a pattern ('cx/cx1?', in quotes); without one, all are read. The
    exit code is 0 if none differs, 1 if one does, 2 if none does of those that could be compared. What differs
    is printed; remarks on the others go to standard error.
    """
    report = deliver(
        lambda telescope: telescope.inspect(words or ALL, timeout=timeout), account=account, away=TROUBLE
    )
    compared = compare(report)
    if as_json:
        click.echo(encode(as_object(report, compared)))
    else:
        show(differences_of(compared))
        show(remarks_of(compared), stderr=True)
    raise SystemExit(compared.exit_code)


def compare(report: Report) -> Comparison:
    """Return what the answers say."""
    compared = Comparison(trouble={**report.refused, **report.unanswered})
    for key, result in sorted(report.results.items(), key=lambda item: natural(item[0])):
        found = result.inspection
        if not result.ok or found is None:
            compared.trouble[key] = result.error or result.outcome.value
        elif found.desired is None:
            compared.undesired[key] = result.error or "not known why"
        elif found is None or not found.running:
            compared.idle.append(key)
        elif found.revision == found.desired:
            compared.agreeing.append(key)
        else:
            compared.differing.setdefault(tuple(found.paths), []).append(key)
    return compared


def differences_of(compared: Comparison) -> Iterator[RenderableType]:
    """Yield each set of differing paths with the nodes that differ so."""
    for paths, keys in compared.differing.items():
        alike = f" (alike on {len(keys)} nodes)" if len(keys) > 1 else ""
        yield Text.assemble(
            (names_of(keys), "bold yellow"), f" differs in {count(len(paths), 'path')}{alike}"
        )
        yield from (Padding(_path(path), (0, 0, 0, 2)) for path in paths)


def remarks_of(compared: Comparison) -> Iterator[RenderableType]:
    """Yield what is to be said of nodes that do not differ, or that could not be compared."""
    for key, why in compared.trouble.items():
        yield labelled(Text.assemble((key, "bold"), "  not compared"), Text(plain(why), ERROR_STYLE))
    for key, why in compared.undesired.items():
        yield labelled(Text.assemble((key, "bold"), "  has no desired config"), Text(plain(why)))
    if compared.agreeing:
        yield Text(f"{names_of(compared.agreeing)}: as desired")
    if compared.idle:
        yield Text(f"{names_of(compared.idle)}: not running, nothing to compare")


def _path(line: str) -> Text:
    path, separator, words = plain(line).partition(": ")
    return Text.assemble((path, "bold"), separator, words)


def as_object(report: Report, compared: Comparison) -> dict[str, Any]:
    """Return the answers for programs."""
    return {
        "differing": sorted(key for keys in compared.differing.values() for key in keys),
        "agreeing": compared.agreeing,
        "idle": compared.idle,
        "trouble": compared.trouble,
        "undesired": compared.undesired,
        "results": report.results,
    }
