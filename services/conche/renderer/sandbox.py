"""Jinja2's sandbox with a bound on what one rendering may do: steps, time, and what it makes on the way."""

import json
import time
from collections.abc import Callable, Iterable
from functools import update_wrapper, wraps
from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import pass_environment

from .bounds import (
    MAX_TEXT,
    TooMuch,
    check_filter,
    check_format,
    check_method,
    check_operator,
    check_size,
    printed_size,
    size_of,
)

MAX_STEPS: Final = 500_000
"""Loop passes and calls in one rendering; a guess, ten times what the largest known template needs."""

MAX_SECONDS: Final = 2.0
"""CPU time of one rendering [s]; a guess, far above any real one."""

MAX_MADE: Final = 4 * MAX_TEXT
"""Size of all values together that one rendering makes; a guess."""

CACHED_TEMPLATES: Final = 2_000
"""Compiled templates that are kept; a guess."""

_COLLECTIONS: Final = (str, bytes, list, tuple, set, frozenset, dict)


_TOO_SLOW: Final = "takes too long to render, more than"


def is_too_slow(error: str | None) -> bool:
    """Return whether a node has no config because its template takes too long."""
    return error is not None and _TOO_SLOW in error


class _CountingGenerator(CodeGenerator):
    """Makes each pass of a loop a call, which the sandbox counts, and what it does not intercept as well."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        node.body.insert(0, nodes.ExprStmt(_step(), lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(nodes.Not(_step()), node.test)
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.cut(")
        self.visit(node.node, frame)
        for part in (node.arg.start, node.arg.stop, node.arg.step):
            self.write(", ")
            self.visit(part, frame) if part is not None else self.write("None")
        self.write(")")


def _step() -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)


class Sandbox(SandboxedEnvironment):
    """The environment of all templates. Not for several threads at once.

    Parameters
    ----------
    loader
        Reads them.
    """

    code_generator_class = _CountingGenerator
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, *, loader: BaseLoader) -> None:
        super().__init__(
            loader=loader, undefined=StrictUndefined, cache_size=CACHED_TEMPLATES, finalize=self._finalized
        )
        self._steps = self._made_so_far = 0
        self._until = 0.0
        del self.globals["lipsum"], self.filters["random"]
        self.filters |= {"join": self._join, "sum": self._sum}
        self.filters = {name: self._bounded(name, one) for name, one in self.filters.items()}
        tests: Any = self.tests
        self.tests = {name: self._counted(one) for name, one in tests.items()}
        self.policies["json.dumps_function"] = _dumps

    def begin(self) -> None:
        """Begin a rendering."""
        self._steps = self._made_so_far = 0
        self._until = time.thread_time() + MAX_SECONDS

    def _count(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooMuch(f"makes more than {MAX_STEPS} loop passes and calls; does it ever end?")
        if time.thread_time() > self._until:
            raise TooMuch(f"{_TOO_SLOW} {MAX_SECONDS:g} s")

    def _made(self, value: Any, more: int = 0) -> Any:
        self._made_so_far += check_size(size_of(value)) + more
        if self._made_so_far > MAX_MADE:
            raise TooMuch(f"makes values of more than {MAX_MADE} characters altogether")
        return value

    # --- what the compiled templates call

    def step(self) -> None:
        """Do nothing: `call` counts."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls."""
        __self._count()
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if name in ("join", "extend") and args and not isinstance(args[0], _COLLECTIONS):
            args = (list(args[0]), *args[1:])
        more = check_method(owner, name, args, kwargs)
        return __self._made(super().call(__context, __obj, *args, **kwargs), more)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return what an operator gives."""
        self._count()
        check_operator(operator, left, right)
        return self._made(super().call_binop(context, operator, left, right))

    def joined(self, parts: tuple[Any, ...]) -> str:
        """Return what ``~`` gives."""
        self._count()
        check_size(printed_size(*parts))
        text: str = self._made("".join(map(str, parts)))
        return text

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """Return a slice."""
        self._count()
        return self._made(value[start:stop:step])

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of something."""
        if not isinstance(argument, str):
            check_size(printed_size(argument))  # it stands in the error if there is no such item
        return super().getitem(obj, argument)

    def concat(self, parts: Iterable[str]) -> str:
        """Return what a macro or a block prints."""
        parts = list(parts)
        check_size(sum(map(len, parts)))
        text: str = self._made("".join(parts))
        return text

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return what stands in place of `str.format`, None where a value is something else."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def checked(*arguments: Any, **named: Any) -> str:
            check_format(value.__self__, arguments, named)
            return wrapped(*arguments, **named)

        return update_wrapper(checked, value)

    def _finalized(self, value: Any) -> Any:
        """Return a value that is to be printed."""
        size = len(value) if isinstance(value, str) else printed_size(value)
        self._made_so_far += check_size(size)
        return self._made(value, -size_of(value))

    # --- filters and tests

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        own = 1 if hasattr(function, "jinja_pass_arg") else 0  # the first argument is Jinja2's

        @wraps(function)
        def bounded(*arguments: Any, **named: Any) -> Any:
            self._count()
            check_filter(name, arguments[own:], named)
            return self._made(function(*arguments, **named))

        return bounded

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            self._count()
            return function(*arguments, **named)

        return counted

    @staticmethod
    @pass_environment
    def _join(environment: "Sandbox", value: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
        parts, size = [], 0
        for item in _items(environment, value, attribute):
            size = check_size(size + printed_size(item) + size_of(d))
            parts.append(str(item))
        return str(d).join(parts)

    @staticmethod
    @pass_environment
    def _sum(environment: "Sandbox", iterable: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
        total = start
        for item in _items(environment, iterable, attribute):
            environment._count()
            check_operator("+", total, item)
            total = environment._made(total + item)
        return total


def _items(environment: Sandbox, value: Iterable[Any], attribute: Any) -> Iterable[Any]:
    return value if attribute is None else map(make_attrgetter(environment, attribute), value)


def _dumps(value: Any, **options: Any) -> str:
    """Return JSON, as long as it is not too long."""
    parts, size = [], 0
    for part in json.JSONEncoder(**options).iterencode(value):
        size = check_size(size + len(part))
        parts.append(part)
    return "".join(parts)
