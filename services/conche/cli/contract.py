"""The files in the checkout that are generated from the contract."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from conche.contract.acl import acl
from conche.contract.asyncapi import asyncapi
from conche.contract.pages import alerts_page, metrics_page
from conche.contract.schemas import schema_files
from conche.gateway.endpoints import ENDPOINTS
from conche.gateway.openapi import openapi_text
from conche.local.project import find_project
from conche.settings import Broker

SCHEMAS: Final = Path("docs/schemas")

PROJECT = click.option(
    "--project",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=find_project,
    show_default="this checkout",
    help="Checkout with the files.",
)


@click.group()
def contract() -> None:
    """Generate the files that follow from the contract, or see whether they do.

    They are the broker's access list, the JSON Schemas of the payloads, the AsyncAPI document, that of
    the gateway's OpenAPI, and the pages of measurements and alerts.
    """


@contract.command()
@PROJECT
def write(*, project: Path) -> None:
    """Write the generated files."""
    for path, text in _differing(project):
        where = project / path
        if text is None:
            where.unlink()
        else:
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(text)
        click.echo(f"{'removed' if text is None else 'wrote'} {path}")


@contract.command()
@PROJECT
def check(*, project: Path) -> None:
    """Compare the generated files with what the contract says now."""
    differing = [str(path) for path, _ in _differing(project)]
    if differing:
        raise click.ClickException(
            f"not as the contract has it: {', '.join(differing)}; run: conche contract write"
        )


def generated_files() -> dict[Path, str]:
    """Return the text of every generated file, by its path in the checkout."""
    root = Broker().root
    files = {SCHEMAS / name: text for name, text in schema_files().items()}
    files[Path("mosquitto/acl")] = acl(root, accounts={})
    files[Path("docs/metrics.md")] = metrics_page()
    files[Path("docs/alerts.md")] = alerts_page()
    files[Path("docs/asyncapi.yaml")] = asyncapi(root, version=version("conche"))
    files[Path("docs/openapi.yaml")] = openapi_text(ENDPOINTS, version=version("conche"))
    return files


def _differing(project: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield each file that is not as it should be, with its right text; None for one that should not be there."""
    files = generated_files()
    for path, text in sorted(files.items()):
        where = project / path
        if not where.is_file() or where.read_text() != text:
            yield path, text
    for where in sorted((project / SCHEMAS).glob("*.json")):
        if (path := where.relative_to(project)) not in files:
            yield path, None
