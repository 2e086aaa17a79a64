"""Grafana's dashboards and alert rules, made from the catalogues of the contract.

They are dashboards in the format that every Grafana reads from a file. The SDK would rather make those of its
successor, and says so whenever its modules are first imported.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (  # noqa: F401
        dashboard,
        stat,
        statetimeline,
        table,
        timeseries,
    )
