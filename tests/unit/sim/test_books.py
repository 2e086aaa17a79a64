from conche.sim.books import Journal, Ledger, What


def entry(at: float, node: str = "a/b") -> dict[str, object]:
    return {"at": at, "node": node}


def test_journal_hands_over_once_and_counts_what_it_dropped() -> None:
    journal = Journal(ring=2)
    for rc in range(3):
        journal.record("a/b", What.DIED, process=1, rc=rc)
    entries, dropped = journal.take()
    assert ([told["rc"] for told in entries], dropped) == ([1, 2], 1)
    assert journal.take() == ([], 0)


def test_ledger_numbers_entries_by_time_and_goes_on_where_it_was() -> None:
    ledger = Ledger()
    ledger.enter([entry(2.0), entry(1.0, "c/d")])  # type: ignore[list-item]
    ledger.enter([entry(3.0)])  # type: ignore[list-item]
    assert [(told["serial"], told["at"]) for told in ledger.since(0)] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert [told["serial"] for told in ledger.since(1, node="a/b", limit=1)] == [2]
    assert ledger.since(3) == []


def test_full_ledger_drops_the_oldest_and_says_so() -> None:
    ledger = Ledger(ring=3)
    ledger.enter([entry(float(at)) for at in range(5)], dropped=2)  # type: ignore[misc]
    assert [told["serial"] for told in ledger.since(0)] == [3, 4, 5]
    assert [told["serial"] for told in ledger.since(4)] == [5]
    assert (ledger.last, ledger.dropped) == (5, 4)
