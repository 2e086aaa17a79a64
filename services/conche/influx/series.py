"""What a question in InfluxQL is answered with."""

from msgspec import Struct, field

Value = str | int | float | bool | None
"""A float that is a whole number comes as an integer: the database's JSON does not tell them apart."""


class Series(Struct, frozen=True, kw_only=True):
    """One series of an answer.

    Parameters
    ----------
    name
        Of the measurement; empty where the answer is about none.
    tags
        Those that it was grouped by.
    columns
        Their names; the first is ``time`` [UNIX ns].
    rows
        A value for each column; None where there is none.
    partial
        Whether the database cut it short.
    """

    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: list[list[Value]] = field(name="values", default_factory=list)
    partial: bool = False
