"""Topics below the root, and what a filter covers."""

import pytest

from conche.bus.topics import Topics, covers


def test_topic_and_its_root_are_put_together_and_taken_apart() -> None:
    topics = Topics("site-2")
    assert topics.full("status/cx/cx27") == "site-2/status/cx/cx27"
    assert topics.relative("site-2/status/cx/cx27") == "status/cx/cx27"


@pytest.mark.parametrize("topic", ["conche2/status", "conche", "other/conche/status", "", "/conche/status"])
def test_topic_of_another_root_is_below_none(topic: str) -> None:
    assert Topics("conche").relative(topic) == ""


@pytest.mark.parametrize(
    ("topic_filter", "topic", "covered"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/b/c", "a/b/c", True),
        ("+/+", "a/b", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/b", "a/B", False),
        ("a+/b", "ab/b", False),
        ("a", "a/b", False),
        ("$SYS/broker/#", "$SYS/broker/clients/connected", True),
        ("$SYS/broker/#", "$SYS/broker", True),
        ("$SYS/broker/#", "$SYS/brokers/clients", False),
        ("$SYS/broker/#", "$SYS", False),
        ("a/+/#", "a/b/c/d", True),
        ("#", "a/b", True),
    ],
)
def test_filter_covers_level_by_level(topic_filter: str, topic: str, covered: bool) -> None:
    assert covers(topic_filter, topic) is covered
