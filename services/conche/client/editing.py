"""A change of the config directory, sent to the renderer: to be carried out, or to be planned."""

from collections.abc import Mapping, Sequence
from typing import Any

from conche.contract import Change, ReadFiles, Reply, Service, as_object

from .errors import ServiceAway
from .line import Line, raise_refusal
from .plans import Plan, Wish
from .sending import Report, take_all
from .targets import Chosen, Targets
from .values import completed

_ANY_FILE = "nodes.yaml"


async def carry_out(line: Line, wish: Wish, *, timeout: float) -> Report:
    """Carry a change out.

    Raises
    ------
    CommandRefused
        Nothing was changed.
    ServiceAway
        The renderer is not there, or does not answer.
    """
    replies = await line.ask(Service.RENDERER, wish.action, wish.parcels, timeout=timeout)
    raise_refusal(replies)
    report = Report()
    take_all(report, [order for order, _ in wish.parcels], replies, timeout=timeout)
    return report


async def plan(line: Line, wish: Wish, *, timeout: float) -> Plan:
    """Return what a change would do. Errors as in `carry_out`."""
    replies = await line.ask(Service.RENDERER, "plan", wish.questions(), timeout=timeout)
    # Of nodes that would have no config the plan itself tells.
    raise_refusal({order: one for order, one in replies.items() if not _tells_why(one)}, any_of_them=True)
    parts = [reply.plan for order, _ in wish.parcels if (reply := replies.get(order)) and reply.plan]
    if len(parts) < len(wish.parcels):
        raise ServiceAway(f"the renderer did not plan everything within {timeout:g} s; nothing was changed")
    skipped = {
        key: one.error or "" for reply in replies.values() for key, one in reply.results.items() if not one.ok
    }
    made = Plan(wish, tuple(parts), skipped)
    refused = made.of(Change.REFUSED)
    return Plan(wish, made.parts, skipped, broken=await _broken(line, refused)) if refused else made


def _tells_why(reply: Reply) -> bool:
    return reply.plan is not None and any(node.change is Change.REFUSED for node in reply.plan.nodes.values())


async def _broken(line: Line, refused: Sequence[str]) -> tuple[str, ...]:
    """Return those of some nodes that have a config now."""
    groups: dict[str, Chosen] = {}
    for key in refused:
        group, _, node = key.partition("/")
        groups[group] = Chosen((*groups.get(group, Chosen((), whole=True)).nodes, node), whole=True)
    desired = await line.desired(groups)
    return tuple(key for key in refused if key not in desired or desired[key].error is None)


async def complete(
    line: Line, given: Mapping[str, Any], endpoint: str, targets: Targets
) -> tuple[dict[str, Any], str | None]:
    """Return the values of a whole block, and the commit at which those that were not given were read.

    Raises
    ------
    ValuesIncomplete
        There is no such block or key, or the nodes differ in a key that is not given.
    """
    # The commit first: the renderer has published by then what led to it, and what comes later is noticed.
    start = (await line.answer(Service.RENDERER, "read_files", ReadFiles(files=[_ANY_FILE]))).commit
    desired = await line.desired(targets)
    configs = {key: as_object(one.config) for key, one in desired.items()}
    return completed(given, endpoint, {key: one for key, one in configs.items() if one}), start
