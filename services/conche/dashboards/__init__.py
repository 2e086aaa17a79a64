"""Grafana's dashboards and alert rules, made from the catalogues of the contract.

They are dashboards in the format that every Grafana reads from a file. The SDK would rather make those of its
successor, and says so whenever its modules are first imported.
"""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    for _name in ("dashboard", "stat", "statetimeline", "table", "timeseries"):
        importlib.import_module(f"grafana_foundation_sdk.builders.{_name}")
