"""What becomes of the database, told now or when the broker is back."""

from collections.abc import Callable
from typing import Any

from conche.contract import Event, EventKind, Message, Payload
from conche.metrics.news import MAX_UNTOLD, News


class Broker:
    """Takes what it is told while it is there."""

    def __init__(self) -> None:
        self.there = True
        self.told: list[tuple[Event, dict[str, str]]] = []
        self._handlers: list[Callable[[], None]] = []

    def on_connection(self, handler: Callable[[], None]) -> None:
        self._handlers.append(handler)

    def tell(self, _message: Message[Any], payload: Payload, **params: str) -> bool:
        assert isinstance(payload, Event)
        if self.there:
            self.told.append((payload, params))
        return self.there

    def set_there(self, there: bool) -> None:
        self.there = there
        for handler in self._handlers:
            handler()

    @property
    def words(self) -> list[str]:
        return [event.text for event, _ in self.told]


def test_news_are_told_at_once_and_cut_where_they_are_long():
    broker = Broker()
    News(broker).tell("x" * 5000, good=False)
    ((event, params),) = broker.told
    assert params == {"service": "metrics", "group": "-", "node": "-"}
    assert (event.kind, event.ok, len(event.text)) == (EventKind.SERVICE, False, 1000)


def test_what_happens_while_the_broker_is_away_is_told_when_it_is_back_once_and_in_its_order():
    broker = Broker()
    news = News(broker)
    broker.set_there(False)
    news.tell("the database is away", good=False)
    news.tell("the database is back", good=True)
    assert broker.words == []
    broker.set_there(True)
    broker.set_there(True)
    assert broker.words == ["the database is away", "the database is back"]
    assert [event.ok for event, _ in broker.told] == [False, True]


def test_news_without_end_do_not_fill_the_memory():
    broker = Broker()
    news = News(broker)
    broker.set_there(False)
    for number in range(MAX_UNTOLD + 5):
        news.tell(str(number), good=True)
    broker.set_there(True)
    assert broker.words == [str(number) for number in range(5, MAX_UNTOLD + 5)]
