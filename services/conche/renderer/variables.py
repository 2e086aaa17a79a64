"""The variables that templates may use."""

import copy
from typing import Any, Final

from .files import Files
from .nodes import Node
from .problems import Problem, ProblemError, Severity
from .yamltext import YamlInvalid, load

FILE: Final = "vars.yaml"

NODE: Final = "node"
"""The variable that tells a template of which node it is."""


class Variables:
    """Gives each node its variables.

    Parameters
    ----------
    files
        Where ``vars.yaml`` is read.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._text = ""
        self._shared: dict[str, Any] = {}

    def of(self, node: Node) -> dict[str, Any]:
        """Return the variables of a node, which its template may change: the copy is its own.

        Raises
        ------
        ProblemError
            ``vars.yaml`` can't be understood.
        """
        text = self._files.text(FILE) or ""
        if text != self._text:
            self._shared = parse_variables(text)
            self._text = text
        about = {"name": node.name, "group": node.group, "host": node.host, "port": node.port}
        return {**copy.deepcopy({**self._shared, **node.variables}), NODE: about}

    def warnings(self, node: Node) -> list[Problem]:
        """Return what somebody should look at."""
        if NODE not in self._shared and NODE not in node.variables:
            return []
        words = f"is the node itself in every template and hides the variable {NODE!r}; rename yours"
        return [Problem(FILE, words, key=NODE, severity=Severity.WARNING)]


def parse_variables(text: str) -> dict[str, Any]:
    """Parse the text of ``vars.yaml``.

    Raises
    ------
    ProblemError
        Names line and key.
    """
    try:
        document = load(text)
    except YamlInvalid as error:
        raise ProblemError(Problem(FILE, f"not YAML: {error.words}", line=error.line)) from None
    variables = {} if document.value is None else document.value
    if not isinstance(variables, dict):
        raise ProblemError(Problem(FILE, "must be a mapping of names to values"))
    for name in variables:
        if not isinstance(name, str):
            words = f"the name {name!r} is not text; put it in quotes"
            raise ProblemError(Problem(FILE, words, line=document.line(name)))
    return variables
