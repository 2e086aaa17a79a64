"""What the broker says of itself."""

import pytest

from conche.contract import measurements as m
from conche.metrics.brokerfigures import TOPICS, BrokerFigures


def test_every_field_of_the_catalogue_has_a_topic_of_its_own():
    assert sorted(TOPICS.values()) == sorted(field.name for field in m.BROKER.fields)


def test_figures_are_gathered_until_they_are_read():
    figures = BrokerFigures()
    figures.take("$SYS/broker/clients/connected", "7")
    figures.take("$SYS/broker/uptime", "12 seconds")
    figures.take("$SYS/broker/retained messages/count", "40")
    reading = figures.reading(5)
    assert reading is not None
    assert (reading.measurement, reading.tags, reading.at_ns) == (m.BROKER, {}, 5)
    assert reading.fields == {"clients": 7, "uptime_s": 12, "retained": 40}


def test_what_has_not_changed_stands_while_anything_is_said_and_silence_is_no_reading():
    figures = BrokerFigures()
    figures.take("$SYS/broker/clients/connected", "7")
    figures.reading(1)
    assert figures.reading(2) is None
    figures.take("$SYS/broker/uptime", "22 seconds")
    reading = figures.reading(3)
    assert reading is not None
    assert reading.fields == {"clients": 7, "uptime_s": 22}


def test_what_nobody_asked_for_is_no_news():
    figures = BrokerFigures()
    figures.take("$SYS/broker/load/bytes/sent/1min", "3.5")
    figures.take("$SYS/broker/version", "mosquitto version 2.0.11")
    assert figures.reading(1) is None


@pytest.mark.parametrize("text", ["", "many", "inf", "nan"])
def test_what_is_no_number_is_left_out(text: str):
    figures = BrokerFigures()
    figures.take("$SYS/broker/clients/connected", "7")
    figures.take("$SYS/broker/clients/connected", text)
    figures.take("$SYS/broker/uptime", "1 seconds")
    reading = figures.reading(1)
    assert reading is not None
    assert reading.fields == {"uptime_s": 1}


def test_another_start_of_the_broker_begins_anew():
    figures = BrokerFigures()
    figures.take("$SYS/broker/clients/connected", "7")
    figures.forget()
    assert figures.reading(1) is None
