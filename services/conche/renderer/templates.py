"""Templates of configs: Jinja2, confined to the config directory and to a bounded amount of work.

A template can't call into Python, and the same files always give the same text: what is random is not offered.
"""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateError, UndefinedError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from .files import Files, check_inside
from .problems import Problem, ProblemError
from .variables import FILE as VARIABLES_FILE

MAX_STEPS: Final = 500_000
"""Loop passes and calls in one rendering; a guess, ten times what the largest known template needs."""

MAX_TEXT: Final = 8 * 1024 * 1024
"""Characters that one template may make; a guess, far above any real one."""

MAX_NUMBER_BITS: Final = 10_000
"""Size of an integer that a template may compute [bits]; a guess."""

CACHED_TEMPLATES: Final = 2_000
"""Compiled templates that are kept; a guess."""

_WIDTH: Final = re.compile(r"%[^a-zA-Z%]*\d{6}|%[^a-zA-Z%]*\*")
"""A format that makes a text of a million characters, or of as many as it is told."""

_MARK: Final = "config:"
"""Begins the file names in the tracebacks of templates."""

_FAULTS: Final = (
    TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What a template can raise: its expressions run Python's own operators and methods."""


class TooMuch(RuntimeError):
    """A template does more than any template of a config should."""


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
        self._environment = _Sandbox(loader=_Loader(files))

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
        self._environment.steps = 0
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


class _CountingGenerator(CodeGenerator):
    """Makes each pass of a loop a call, which the sandbox counts."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        step = nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        super().visit_For(node, frame)


class _Sandbox(SandboxedEnvironment):
    """Jinja2's sandbox with a bound on what one rendering may do."""

    code_generator_class = _CountingGenerator
    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self, *, loader: BaseLoader) -> None:
        super().__init__(loader=loader, undefined=StrictUndefined, cache_size=CACHED_TEMPLATES)
        self.steps = 0
        del self.globals["lipsum"], self.filters["random"]

    def step(self) -> None:
        """Do nothing: `call` counts."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        __self.steps += 1
        if __self.steps > MAX_STEPS:
            raise TooMuch(f"makes more than {MAX_STEPS} loop passes and calls; does it ever end?")
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _BOUNDS[operator](left, right)
        return super().call_binop(context, operator, left, right)


def _bound_format(left: Any, _right: Any) -> None:
    if isinstance(left, str) and _WIDTH.search(left):
        raise TooMuch("formats to more than 99,999 characters")


def _bound_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _bound_bits(left.bit_length() + right.bit_length())
    elif _repeated(left, right) > MAX_TEXT or _repeated(right, left) > MAX_TEXT:
        raise TooMuch(f"repeats something to more than {MAX_TEXT} items")


def _bound_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _bound_bits(left.bit_length() * right)


def _bound_bits(bits: int) -> None:
    if bits > MAX_NUMBER_BITS:
        raise TooMuch(f"computes an integer of more than {MAX_NUMBER_BITS} bits")


_BOUNDS: Final[dict[str, Callable[[Any, Any], None]]] = {
    "*": _bound_product,
    "**": _bound_power,
    "%": _bound_format,
}


def _repeated(items: Any, times: Any) -> int:
    return len(items) * times if isinstance(items, str | list | tuple) and isinstance(times, int) else 0


def _not_found(error: TemplateNotFound, name: str) -> Problem:
    missing = ", ".join(repr(template) for template in error.templates) or repr(error.name)
    file, line = _where(error, name)
    words = f"includes {missing}, which is not in the config directory; names start at its top"
    return Problem(file, words, line=line)


def _fault(error: Exception, name: str) -> Problem:
    file, line = _where(error, name)
    if isinstance(error, RecursionError):
        return Problem(file, "template includes or calls itself, or is nested, without end", line=line)
    words = " ".join(str(error).split()) or type(error).__name__
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
