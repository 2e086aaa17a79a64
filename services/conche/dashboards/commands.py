"""``conche dashboards``: write Grafana's dashboards and alert rules, or see whether they are as they should be."""

from collections.abc import Iterator
from pathlib import Path

import click

from conche.local.project import find_project

from .files import DASHBOARDS, generated_files

PROJECT = click.option(
    "--project",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=find_project,
    show_default="this checkout",
    help="Checkout with the files.",
)


@click.group()
def dashboards() -> None:
    """Make Grafana's dashboards and alert rules from the catalogues, or see whether they are made so."""


@dashboards.command()
@PROJECT
def write(*, project: Path) -> None:
    """Write the files."""
    for path, text in _differing(project):
        where = project / path
        if text is None:
            where.unlink()
        else:
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(text)
        click.echo(f"{'removed' if text is None else 'wrote'} {path}")


@dashboards.command()
@PROJECT
def check(*, project: Path) -> None:
    """Compare the files with what the catalogues say now."""
    differing = [str(path) for path, _ in _differing(project)]
    if differing:
        raise click.ClickException(
            f"not as the catalogues have it: {', '.join(differing)}; run: conche dashboards write"
        )


def _differing(project: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield each file that is not as it should be, with its right text; None for one that should not be there."""
    files = generated_files()
    for path, text in sorted(files.items()):
        where = project / path
        if not where.is_file() or where.read_text() != text:
            yield path, text
    for where in sorted((project / DASHBOARDS).glob("*.json")):
        if (path := where.relative_to(project)) not in files:
            yield path, None
