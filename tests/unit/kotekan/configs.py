"""Configs for hypothesis: few keys and few values, so that blocks, lists and near misses are common."""

from typing import Any

from hypothesis import strategies as st

from conche.kotekan.blocks import MARKER

KEYS = st.sampled_from(["a", "b", "é", MARKER])
SCALARS = st.sampled_from([None, True, False, 0, 1, -1, 2**64 - 1, 0.0, -0.0, 1.0, "", "json", "1"])


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.dictionaries(KEYS, values, max_size=3)
    return plain | plain.map(lambda config: {**config, MARKER: "json"})


VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: _objects(inner) | st.lists(inner, max_size=3), max_leaves=8
)
CONFIGS = _objects(VALUES)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return a config and the same with some value changed, as deep down as it goes, mostly."""

    def changed(value: Any) -> Any:
        if value and isinstance(value, dict | list) and draw(st.integers(0, 4)):
            if isinstance(value, list):
                return [*value[:-1], changed(value[-1])]
            key = draw(st.sampled_from(sorted(value)))
            return {**value, key: changed(value[key])}
        return draw(VALUES if isinstance(value, dict | list) else SCALARS)

    config = draw(CONFIGS)
    if not config:
        return config, draw(CONFIGS)
    key = draw(st.sampled_from(sorted(config)))
    return config, {**config, key: changed(config[key])}


PAIRS = _pairs() | st.tuples(CONFIGS, CONFIGS)
"""Two configs, often alike but for one value."""
