"""TARGETs on the command line: what they mean, and what can be typed there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click
from click.shell_completion import CompletionItem

from conche.client import Conche, ConcheError, Picture
from conche.client.targets import Groups, Targets, TargetUnknown, resolve
from conche.client.words import natural
from conche.contract import ALL

from .output import Trouble
from .session import NOT_SENT

ValueT = TypeVar("ValueT")

PATIENCE_S: Final = 1.5
"""How long somebody who pressed Tab waits for names [s]; a guess."""


def shown_of(words: tuple[str, ...], picture: Picture) -> Targets:
    """Return the nodes that are shown: those of the registry, and those of which something is left.

    Raises
    ------
    Trouble
        A word names nothing.
    """
    groups = picture.groups()
    if not words and not any(groups.values()):
        return {}
    error = picture.registry.error if picture.registry else "there is none"
    try:
        return resolve(words or (ALL,), groups, error=error)
    except TargetUnknown as unknown:
        raise Trouble(str(unknown), exit_code=NOT_SENT) from None


def complete_target(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the nodes and groups that begin so; nothing where the broker does not tell them at once."""
    groups = at_once(_groups, account=ctx.params.get("account")) or {}
    return [CompletionItem(word) for word in candidates(groups, incomplete)]


def candidates(groups: Groups, incomplete: str) -> list[str]:
    """Return what can be typed: groups at first, and the nodes of one where there is only that, or a slash."""
    names = sorted((group for group, nodes in groups.items() if nodes), key=natural)
    found = [name for name in names if name.startswith(incomplete)]
    if "/" in incomplete or len(found) == 1:
        nodes = [f"{group}/{node}" for group in names for node in sorted(groups[group], key=natural)]
        found += [node for node in nodes if node.startswith(incomplete)]
    return [*found, *([ALL] if names and ALL.startswith(incomplete) else [])]


async def _groups(telescope: Conche) -> Groups:
    registry = (await telescope.picture(statuses=False)).registry
    return registry.groups if registry else {}


def at_once(work: Callable[[Conche], Awaitable[ValueT]], *, account: str | None) -> ValueT | None:
    """Return what is asked for, or None where it does not come at once."""

    async def asked() -> ValueT:
        async with asyncio.timeout(PATIENCE_S), Conche(account=account) as telescope:
            return await work(telescope)

    try:
        return asyncio.run(asked())
    except (ConcheError, TimeoutError):
        return None


TARGETS = click.argument(
    "words", metavar="TARGET...", nargs=-1, required=True, shell_complete=complete_target
)
ANY_TARGETS = click.argument("words", metavar="[TARGET]...", nargs=-1, shell_complete=complete_target)
