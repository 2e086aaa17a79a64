"""`conche set`: other values for an updatable block, such as a gain at 3 am."""

from collections.abc import Iterable
from typing import IO, Any

import click
from click.shell_completion import CompletionItem
from msgspec import DecodeError
from msgspec.json import decode, encode

from conche.client import Conche
from conche.contract import as_object
from conche.kotekan.blocks import updatable_blocks, values

from .changing import EPILOG, Manner, options_of, propose
from .output import Trouble
from .session import NOT_SENT
from .targets import at_once, complete_target

_LOOKS_LIKE_JSON = ("{", "[", '"')


def complete_endpoint(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the updatable blocks of TARGET that begin so."""
    return [CompletionItem(name) for name in _blocks(ctx) if name.startswith(incomplete)]


def complete_pair(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the keys of the block with what is desired now, to be changed."""
    block = _blocks(ctx).get(str(ctx.params.get("endpoint")), {})
    return [CompletionItem(pair) for key in block if (pair := _pair(key, block[key])).startswith(incomplete)]


def _pair(key: str, value: Any) -> str:
    return f"{key}={encode(value).decode()}"


def _blocks(ctx: click.Context) -> dict[str, dict[str, Any]]:
    """Return the blocks of the first node that TARGET names."""

    async def read(telescope: Conche) -> dict[str, dict[str, Any]]:
        for group, chosen in (await telescope.find(str(ctx.params["target"]))).items():
            desired = await telescope.desired(f"{group}/{chosen.nodes[0]}")
            found = [as_object(one.config) for one in desired.values()]
            return {
                name: values(block) for one in found if one for name, block in updatable_blocks(one).items()
            }
        return {}

    return at_once(read, account=ctx.params.get("account")) or {}


@click.command("set", epilog=EPILOG)
@click.argument("target", shell_complete=complete_target)
@click.argument("endpoint", shell_complete=complete_endpoint)
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, shell_complete=complete_pair)
@click.option(
    "--file",
    "file",
    type=click.File("rb"),
    help="JSON object of values, - for standard input; KEY=VALUE wins.",
)
@click.option("--force", is_flag=True, help="Send values again that a kotekan has refused.")
@options_of
def set_(
    *,
    target: str,
    endpoint: str,
    pairs: tuple[str, ...],
    file: IO[bytes] | None,
    force: bool,
    reason: str | None,
    timeout: float,
    **options: Any,
) -> None:
    """Set values of an updatable block while the nodes go on running.

    TARGET is a node (cx/cx27), a group (cx), a pattern ('cx/cx1?', in quotes), or all; ENDPOINT is the path of the
    block, such as gains/coeffs. VALUE is JSON (3.0, true, '[1, 2]', '"text"'); a bare word is text. Keys that are
    not given stay as they are desired now.

    One node of a group gets it first, the others when its kotekan has taken it. What a kotekan refuses is taken back,
    and is not sent again without --force.
    """
    wanted = {**_from_file(file), **values_of(pairs)}
    if not wanted:
        raise click.UsageError("say at least one KEY=VALUE, or --file")
    propose(
        lambda telescope: telescope.plan.set_values(target, endpoint, wanted, reason=reason, force=force),
        Manner(timeout=timeout, **options),
    )


def values_of(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``KEY=VALUE`` words.

    Raises
    ------
    click.UsageError
        A word is none, or a key stands twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise click.UsageError(f"{pair!r} is no KEY=VALUE")
        if key in found:
            raise click.UsageError(f"{key} is given twice")
        found[key] = _value(key, text)
    return found


def _value(key: str, text: str) -> Any:
    try:
        return decode(text)
    except DecodeError as error:
        if text.startswith(_LOOKS_LIKE_JSON):
            raise click.UsageError(
                f"{key}: {text!r} is not JSON: {error}; quote it for the shell: {key}='[1, 2]'"
            ) from None
        return text


def _from_file(file: IO[bytes] | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = decode(file.read())
    except (DecodeError, UnicodeDecodeError) as error:
        raise Trouble(f"--file: not JSON: {error}", exit_code=NOT_SENT) from None
    if not isinstance(found, dict):
        raise Trouble("--file: must be a JSON object, keys and values", exit_code=NOT_SENT)
    return found
