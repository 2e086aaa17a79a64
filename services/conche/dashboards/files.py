"""The files in the checkout that are made from here."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from .boards import documents
from .rules import rule_file

DASHBOARDS: Final = Path("grafana/dashboards")
RULES: Final = Path("grafana/provisioning/alerting/rules.yaml")

_HEAD: Final = "# Made from the contract by `conche dashboards write`; a test compares. Do not edit.\n"


def generated_files() -> dict[Path, str]:
    """Return the text of every file, by its path in the checkout."""
    boards = documents()
    files = {DASHBOARDS / f"{uid}.json": _json(document) for uid, document in boards.items()}
    files[RULES] = _HEAD + yaml.safe_dump(rule_file(boards), sort_keys=False, allow_unicode=True, width=110)
    return files


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
