"""One time-series database, InfluxDB 1 or 2: points go in, answers to InfluxQL come out."""

from .client import Database, open_session
from .errors import (
    InfluxError,
    InfluxGarbled,
    InfluxMisconfigured,
    InfluxRefused,
    InfluxTimeout,
    InfluxUnavailable,
    InfluxUnreachable,
)
from .influxql import quoted_name, quoted_text
from .login import Generation, Login, login_of
from .series import Series, Value

__all__ = [
    "Database",
    "Generation",
    "InfluxError",
    "InfluxGarbled",
    "InfluxMisconfigured",
    "InfluxRefused",
    "InfluxTimeout",
    "InfluxUnavailable",
    "InfluxUnreachable",
    "Login",
    "Series",
    "Value",
    "login_of",
    "open_session",
    "quoted_name",
    "quoted_text",
]
