"""Templates of configs: Jinja2, confined to the config directory and to a bounded amount of work.

A template can't call into Python, and the same files always give the same text: what is random is not offered.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jinja2 import BaseLoader, Environment, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import TemplateError, UndefinedError

from .bounds import MAX_TEXT, TooMuch, printed_size
from .files import Files, check_inside
from .problems import Problem, ProblemError
from .sandbox import Sandbox
from .variables import FILE as VARIABLES_FILE

MAX_WORDS: Final = 1_000
"""Characters of an error."""

_MARK: Final = "config:"
"""Begins the file names in the tracebacks of templates."""

_FAULTS: Final = (
    TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What a template can raise: its expressions run Python's own operators and methods."""


class Refused(RuntimeError):
    """A template asks for a file that it may not see."""


class Templates:
    """Renders files of the config directory.

    Not for several threads at once.

    Parameters
    ----------
    files
        Where they and what they include are read.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._environment = Sandbox(loader=_Loader(files))

    def render(self, name: str, variables: Mapping[str, Any]) -> str:
        """Return the text that a file of the config directory gives.

        Parameters
        ----------
        name
            The file.
        variables
            What it may use; it may also change the lists and mappings in them.

        Raises
        ------
        ProblemError
            Names file, line and remedy.
        """
        text = self._files.text(name)
        if text is not None and not any(begin in text for begin in ("{{", "{%", "{#")):
            return text
        try:
            return "".join(self._pieces(name, variables))
        except TemplateNotFound as error:
            raise ProblemError(_not_found(error, name)) from None
        except TemplateSyntaxError as error:
            problem = Problem(error.name or name, f"template: {error.message}", line=error.lineno)
            raise ProblemError(problem) from None
        except _FAULTS as error:
            raise ProblemError(_fault(error, name)) from None

    def _pieces(self, name: str, variables: Mapping[str, Any]) -> Iterator[str]:
        self._environment.begin()
        length = 0
        for piece in self._environment.get_template(name).generate(variables):
            length += len(piece)
            if length > MAX_TEXT:
                raise TooMuch(f"makes more than {MAX_TEXT} characters of text")
            yield piece


class _Loader(BaseLoader):
    """Reads templates through `Files`, so that what is included is recorded like everything else."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        if why := check_inside(template):
            raise Refused(f"includes {template!r}, which {why}")
        text = self._files.text(template)
        if text is None:
            raise TemplateNotFound(template)
        # Jinja2 asks before each use of a compiled template whether it is up to date, which records the use.
        return text, _MARK + template, lambda: self._files.text(template) == text


def _not_found(error: TemplateNotFound, name: str) -> Problem:
    missing = ", ".join(repr(template) for template in error.templates) or repr(error.name)
    file, line = _where(error, name)
    words = f"includes {missing}, which is not in the config directory; names start at its top"
    return Problem(file, words, line=line)


def _fault(error: Exception, name: str) -> Problem:
    file, line = _where(error, name)
    if isinstance(error, RecursionError):
        return Problem(file, "template includes or calls itself, or is nested, without end", line=line)
    said = str(error) if printed_size(*error.args) <= MAX_TEXT else ""  # a KeyError prints the key
    words = " ".join(said[:MAX_WORDS].split()) or type(error).__name__
    if isinstance(error, UndefinedError) and words.endswith("is undefined"):
        words += f"; define it in {VARIABLES_FILE} or in the node's vars"
    return Problem(file, f"template: {words}", line=line)


def _where(error: Exception, name: str) -> tuple[str, int | None]:
    """Return the innermost template and line in a traceback, which Jinja2 has put into lines of templates."""
    found: tuple[str, int | None] = name, None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(_MARK):
            found = frame.f_code.co_filename.removeprefix(_MARK), line
    return found
