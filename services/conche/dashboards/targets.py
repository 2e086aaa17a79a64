"""What Grafana's SDK has no type of: a question in InfluxQL, of a panel and of an annotation."""

from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

SOURCE_UID: Final = "influxdb"
"""Of the data source, in ``grafana/provisioning/datasources``."""

SOURCE: Final = DataSourceRef(type_val="influxdb", uid=SOURCE_UID)


@dataclass(frozen=True, slots=True)
class Target(Builder[Dataquery], Dataquery):
    """A question of a panel.

    Parameters
    ----------
    query
        In InfluxQL, with Grafana's variables.
    alias
        What a series is called, with ``$tag_node``, ``$col``; None: as Grafana does.
    table
        Whether the answer is rows, and not series.
    ref_id
        Of the panel's questions.
    """

    query: str
    alias: str | None = None
    table: bool = False
    ref_id: str = "A"

    def build(self) -> Dataquery:
        """Return it: it is built."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return it as a dashboard has it."""
        alias = {} if self.alias is None else {"alias": self.alias}
        return {
            "refId": self.ref_id,
            "datasource": SOURCE.to_json(),
            "query": self.query,
            "rawQuery": True,
            "resultFormat": "table" if self.table else "time_series",
            **alias,
        }


@dataclass(frozen=True, slots=True)
class Marks(Builder[Dataquery], Dataquery):
    """A question of an annotation.

    Parameters
    ----------
    name
        Of the annotation.
    query
        In InfluxQL.
    text
        The column with its text.
    tags
        The columns with its tags.
    """

    name: str
    query: str
    text: str
    tags: tuple[str, ...]

    def build(self) -> Dataquery:
        """Return it: it is built."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return it as a dashboard has it."""
        return {
            "refId": "Anno",
            "datasource": SOURCE.to_json(),
            "name": self.name,
            "query": self.query,
            "rawQuery": True,
            "fromAnnotations": True,
            "queryType": "tags",
            "textEditor": True,
            "textColumn": self.text,
            "tagsColumn": ",".join(self.tags),
        }
