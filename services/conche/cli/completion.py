"""`conche completion`: the script that has a shell complete commands, options and TARGETs."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "conche"
_VARIABLE = "_CONCHE_COMPLETE"

EPILOG = """\b
bash  conche completion bash >> ~/.bash_completion
zsh   conche completion zsh > "${fpath[1]}/_conche"
fish  conche completion fish > ~/.config/fish/completions/conche.fish"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script that has a shell complete commands and TARGETs.

    TARGETs are those of the conche that runs; without a broker there are none to be completed.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no {shell}")
    click.echo(kind(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
