"""Names and texts within a question in InfluxQL.

The rules are those of its specification: https://docs.influxdata.com/influxdb/v1/query_language/spec/
"""

from typing import Final

_ESCAPES: Final = {ord("\\"): "\\\\", ord("\n"): "\\n"}


def quoted_name(name: str) -> str:
    """Return the name of a measurement, a tag or a field as it stands in a question."""
    return '"' + name.translate({**_ESCAPES, ord('"'): '\\"'}) + '"'


def quoted_text(text: str) -> str:
    """Return a text, such as a tag's value, as it stands in a question."""
    return "'" + text.translate({**_ESCAPES, ord("'"): "\\'"}) + "'"
