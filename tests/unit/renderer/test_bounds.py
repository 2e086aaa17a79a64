"""A template that asks for more than any config needs is refused before it has it; ordinary ones are not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conche.contract import BaseConfig
from conche.renderer import sandbox
from conche.renderer.render import Draft, Rendering

from .directory import ConfigDirectory
from .plane import Plane, patched

BIG = "{% set s = 'a' * 8000000 %}"
DOUBLED = "{% set n = namespace(x=BEGIN) %}{% for i in range(60) %}DOUBLE{% endfor %}{{ n.x|length }}"


def doubled(begin: str, double: str) -> str:
    return DOUBLED.replace("BEGIN", begin).replace("DOUBLE", double)


WIDE = "fills something up to more than"
LARGE = "makes a value of more than"
MUCH = "altogether"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # widths
        ("{{ 'a'.ljust(1000000000)|length }}", WIDE),
        ("{{ 'a'|center(300000000)|length }}", WIDE),
        ("{{ 'a'|indent(width=1000000000, first=True)|length }}", WIDE),
        ("{{ [1]|batch(1000000000, 0)|list|length }}", WIDE),
        ("{{ 1|round(1000000000, 'ceil') }}", WIDE),
        ("{{ [[1]]|tojson(indent=1000000000) }}", WIDE),
        ("{{ (1).to_bytes(1000000000, 'big')|length }}", WIDE),
        ("{{ '{:>1000000000}'.format('a')|length }}", "formats to more than"),
        ("{{ '{:>{}}'.format('a', 1000000000)|length }}", "formats to more than"),
        ("{{ '%1000000000d'|format(1)|length }}", "formats to more than"),
        # doubling
        (doubled("'a' * 1000", "{% set n.x = n.x + n.x %}"), LARGE),
        (doubled("'a' * 1000", "{% set n.x = n.x ~ n.x %}"), LARGE),
        (doubled("'a' * 1000", "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}"), MUCH),
        (doubled("[1]", "{% set _ = n.x.extend(n.x) %}"), LARGE),
        (doubled("[1]", "{% set n.x = [n.x, n.x] %}").replace("length", "string"), LARGE),
        (doubled("[1]", "{% set n.x = [n.x, n.x] %}").replace("|length", ""), LARGE),
        # many times the same
        (BIG + "{{ s.replace('a', s)|length }}", LARGE),
        (BIG + "{{ s|replace('a', s)|length }}", LARGE),
        (BIG + "{{ ('a' * 1000).join(s)|length }}", LARGE),
        (BIG + "{{ ([s] * 1000)|join(',')|length }}", LARGE),
        (BIG + "{{ ([s] * 1000)|upper|length }}", LARGE),
        (BIG + "{{ ('{0}' * 1000).format(s)|length }}", LARGE),
        (BIG + "{{ ('%(a)s' * 1000) % {'a': s} }}", LARGE),
        (BIG + "{{ s.translate({97: 'b' * 1000})|length }}", LARGE),
        (BIG + "{{ {}[(s,) * 1000] }}", LARGE),
        (BIG + "{{ s|list|length }}", LARGE),
        (BIG + "{{ s.split('a')|length }}", LARGE),
        ("{{ ('\t' * 1000000).expandtabs(90000)|length }}", LARGE),
        ("{{ ('a\n' * 100000)|indent(90000)|length }}", LARGE),
        ("{% set r = range(100000)|list %}{{ ([r] * 500)|sum(start=[])|length }}", LARGE),
        # a bit each time
        (BIG + "{% set l = [] %}{% for i in range(99) %}{% set _ = l.append(s[i:]) %}{% endfor %}", MUCH),
        (BIG + "{% set l = [] %}{% for i in range(99) %}{% set _ = l.append(s.upper()) %}{% endfor %}", MUCH),
        ("{% macro m() %}{% for i in range(99999) %}" + "c" * 100 + "{% endfor %}{% endmacro %}{{ m() }}", LARGE),
    ],
)  # fmt: skip
def test_what_makes_too_much_is_an_error_that_says_so(
    configs: ConfigDirectory, text: str, words: str
) -> None:
    configs.write("cx/cx1.yaml", f"x: {text}")
    error = configs.render().error or ""
    assert error.startswith("cx/cx1.yaml:")
    assert words in error


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ 'a'.ljust(3, '.') ~ 'b'.rjust(3, '.') }}", "a....b"),
        ("{{ 'a'|center(3)|replace(' ', '-') }}", "-a-"),
        ("{{ [1, 2, 3]|join('-') ~ ('+'.join(['a', 'b'])) }}", "1-2-3a+b"),
        ("{{ [{'n': 1}, {'n': 2}]|join(',', attribute='n') }}", "1,2"),
        ("{{ [[1], [2, 3]]|sum(start=[]) }}", [1, 2, 3]),
        ("{{ [{'n': 1}, {'n': 2}]|sum(attribute='n') }}", 3),
        ("{{ ','.join(range(3)|map('string')) }}", "0,1,2"),
        ("{{ '%s-%04d' % ('cx', 7) }} {{ '{}-{:04d}'.format('cx', 7) }}", "cx-0007 cx-0007"),
        ("{{ '%s-%s'|format('cx', 7) }}", "cx-7"),
        ("{{ 'abcdef'[1:4] ~ 'abcdef'[::-1] ~ 'abc'[-1] }}", "bcdfedcbac"),
        ("{{ range(9)|select('odd')|map('string')|list }}", ["1", "3", "5", "7"]),
        ("{% for i in range(9) if i % 2 == 0 %}{{ i }}{% endfor %}", "02468"),
        ("{{ {'a': [1, 2]}|tojson }}", {"a": [1, 2]}),
        ("{{ node.name.replace('cx', 'n').split('1') }}", ["n", ""]),
        ("{% macro m(n) %}{{ n + 1 }}{% endmacro %}{{ m(1) ~ m(2) }}", 23),
        ("{% set l = [1] %}{% set _ = l.extend(range(2)) %}{{ l }}", [1, 0, 1]),
    ],
)  # fmt: skip
def test_what_templates_ordinarily_do_gives_what_jinja_gives(
    configs: ConfigDirectory, text: str, value: Any
) -> None:
    configs.write("cx/cx1.yaml", f"x: {text}")
    assert configs.config() == {"x": value}


SLOW = BIG + "{% for i in range(99999) if 'b' in s %}{% endfor %}"


def test_a_template_that_takes_long_is_an_error_of_its_node(
    configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_SECONDS", 0.05)
    configs.write("cx/cx1.yaml", SLOW)
    assert "takes too long to render, more than 0.05 s" in str(configs.render().error)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(tmp_path)
    plane.start()
    yield plane
    plane.end()


def test_a_template_that_takes_long_is_tried_on_one_node_and_not_on_all(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_SECONDS", 0.2)
    drafted: list[str] = []
    real = Rendering.draft

    def draft(rendering: Rendering, node: Any) -> Draft:
        drafted.append(node.key)
        return real(rendering, node)

    with patched(Rendering, "draft", draft):
        text = SLOW
        reply = plane.wish("base_config", "all", BaseConfig(config_content=text))
    assert "takes too long" in (reply.error or "")
    assert drafted == ["cx/cx1"]
