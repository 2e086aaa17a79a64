"""Grafana's provisioning files, as its source reads them: ``pkg/services/provisioning/*/*_types.go``, and for what
stands inside settings its documentation. A key that it does not know is an error here; Grafana passes over it.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(min_length=1)]
Uid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Duration = Annotated[str, Meta(pattern=r"^([0-9]+(ms|[smhdwy]))+$")]
Org = Literal[1]


class Strict(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Keys as Grafana has them."""


class InfluxJsonData(Strict):
    version: Literal["InfluxQL"]
    db_name: Name
    http_mode: Literal["GET", "POST"]
    time_interval: Duration
    http_header_name1: str | None = None


class InfluxSecrets(Strict):
    http_header_value1: str | None = None
    password: str | None = None


class DataSource(Strict):
    name: Name
    uid: Uid
    type: Literal["influxdb"]
    access: Literal["proxy"]
    org_id: Org
    url: Name
    is_default: bool
    editable: bool
    json_data: InfluxJsonData
    secure_json_data: InfluxSecrets
    user: str | None = None


class DataSources(Strict):
    api_version: Literal[1]
    datasources: Annotated[list[DataSource], Meta(min_length=1)]


class ProviderOptions(Strict):
    path: Annotated[str, Meta(pattern="^/")]


class Provider(Strict):
    name: Name
    org_id: Org
    folder: str
    type: Literal["file"]
    disable_deletion: bool
    allow_ui_updates: bool
    update_interval_seconds: Annotated[int, Meta(ge=1)]
    options: ProviderOptions


class Providers(Strict):
    api_version: Literal[1]
    providers: Annotated[list[Provider], Meta(min_length=1)]


class RelativeTimeRange(Strict):
    from_: Annotated[int, Meta(gt=0)] = field(name="from")
    to: Literal[0]


class Question(Strict):
    ref_id: Name
    query: Name
    raw_query: Literal[True]
    result_format: Literal["time_series"]


class Reduce(Strict, tag_field="type", tag="reduce"):
    ref_id: Name
    expression: Name
    reducer: Literal["last", "min", "max", "mean", "sum", "count"]


class Math(Strict, tag_field="type", tag="math"):
    ref_id: Name
    expression: Name


class Query(Strict):
    ref_id: Name
    datasource_uid: Uid
    model: dict[str, Any]
    relative_time_range: RelativeTimeRange | None = None


class Rule(Strict):
    uid: Uid
    title: Annotated[str, Meta(min_length=1, max_length=190)]
    condition: Name
    data: Annotated[list[Query], Meta(min_length=1)]
    dashboard_uid: Uid
    panel_id: Annotated[int, Meta(ge=1)]
    no_data_state: Literal["Alerting", "NoData", "OK", "KeepLast"]
    exec_err_state: Literal["Alerting", "Error", "OK", "KeepLast"]
    for_: Duration = field(name="for")
    labels: dict[str, str]
    annotations: dict[str, str]
    is_paused: bool


class RuleGroup(Strict):
    org_id: Org
    name: Name
    folder: Name
    interval: Duration
    rules: Annotated[list[Rule], Meta(min_length=1)]


class RuleGroups(Strict):
    api_version: Literal[1]
    groups: Annotated[list[RuleGroup], Meta(min_length=1)]


class MailSettings(Strict):
    addresses: Annotated[str, Meta(pattern="@")]
    single_email: bool


class Receiver(Strict):
    uid: Uid
    type: Literal["email"]
    disable_resolve_message: bool
    settings: MailSettings


class ContactPoint(Strict):
    org_id: Org
    name: Name
    receivers: Annotated[list[Receiver], Meta(min_length=1)]


class ContactPoints(Strict):
    api_version: Literal[1]
    contact_points: Annotated[list[ContactPoint], Meta(min_length=1)]


class Route(Struct, forbid_unknown_fields=True, kw_only=True):
    receiver: Name
    object_matchers: list[tuple[Name, Literal["=", "!=", "=~", "!~"], str]]
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration


class Policy(Struct, forbid_unknown_fields=True, kw_only=True):
    receiver: Name
    group_by: list[str]
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration
    routes: list[Route]
    org_id: Org = field(name="orgId")


class Policies(Strict):
    api_version: Literal[1]
    policies: Annotated[list[Policy], Meta(min_length=1)]
