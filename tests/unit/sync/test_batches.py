"""One node tries a new config first: plain cases, and a random walk with its invariants."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conche.sync.batches import Batches, Refusal, Verdict

NEW = {"cx1": "b", "cx2": "b", "cx3": "b"}


def begin(batches: Batches, desired: dict[str, str], waiting: Iterable[str] | None = None) -> None:
    for name in waiting or desired:
        batches.wait(name, desired[name])
    batches.choose(desired, [])


def rejected(revision: str, *names: str) -> list[Refusal]:
    return [Refusal(name, revision, "no such buffer") for name in names]


def ends(batches: Batches, name: str, verdict: Verdict, words: str = "") -> set[str]:
    """The node that tries it first comes to its end, and waits no more."""
    assert batches.first == name
    batches.forget(name)
    return batches.conclude(verdict, words)


def test_the_first_by_name_tries_and_the_others_wait():
    batches = Batches()
    begin(batches, NEW)
    assert batches.first == "cx1"
    assert batches.turn("cx1", "b").go
    assert batches.turn("cx2", "b").words == "waits for cx1, which tries it first"


def test_when_the_first_settles_the_whole_batch_goes_also_where_configs_differ():
    batches = Batches()
    desired = {"cx1": "b1", "cx2": "b2", "cx3": "b3"}
    begin(batches, desired)
    assert batches.conclude(Verdict.PROVEN) == {"cx1", "cx2", "cx3"}
    assert all(batches.turn(name, revision).go for name, revision in desired.items())


def test_nodes_that_cannot_act_are_not_waited_for():
    batches = Batches()
    begin(batches, NEW, waiting=["cx3"])
    assert batches.first == "cx3"


def test_one_rejection_is_tried_on_a_second_node_and_two_hold_the_batch():
    batches = Batches()
    begin(batches, NEW)
    ends(batches, "cx1", Verdict.REJECTED, "no such buffer")
    batches.choose(NEW, rejected("b", "cx1"))
    assert batches.first == "cx2"
    assert ends(batches, "cx2", Verdict.REJECTED, "no such buffer") == {"cx3"}
    turn = batches.turn("cx3", "b")
    assert turn.held
    assert turn.words == "held, cx1 and cx2 rejected it: no such buffer"


def test_one_sick_node_does_not_stop_a_group():
    batches = Batches()
    begin(batches, NEW)
    ends(batches, "cx1", Verdict.REJECTED, "no GPU")
    batches.choose(NEW, rejected("b", "cx1"))
    batches.conclude(Verdict.PROVEN)
    assert batches.turn("cx3", "b").go


def test_what_is_cleared_stays_so_whoever_rejects_it_later():
    batches = Batches()
    batches.prove("b")
    begin(batches, NEW)
    assert batches.first is None
    assert all(batches.turn(name, "b").go for name in NEW)


def test_two_first_nodes_in_a_row_that_tell_nothing_hold_the_batch():
    batches = Batches()
    begin(batches, NEW)
    ends(batches, "cx1", Verdict.INCONCLUSIVE, "no answer")
    batches.choose(NEW, [])
    assert batches.first == "cx2"
    batches.conclude(Verdict.INCONCLUSIVE, "no answer")
    assert batches.turn("cx3", "b").held


def test_a_first_node_that_leaves_is_followed_by_the_next():
    batches = Batches()
    begin(batches, NEW)
    ends(batches, "cx1", Verdict.LEFT)
    batches.choose(NEW, [])
    assert batches.first == "cx2"
    assert not batches.held


def test_a_held_config_does_not_hold_the_next_one():
    batches = Batches()
    begin(batches, NEW)
    for name in ("cx1", "cx2"):
        ends(batches, name, Verdict.REJECTED, "no")
        batches.choose(NEW, rejected("b", "cx1"))
    assert batches.turn("cx3", "b").held
    good = dict.fromkeys(NEW, "c")
    begin(batches, good)
    assert batches.first == "cx1"
    assert batches.turn("cx1", "c").go


def test_rejections_of_an_earlier_worker_count():
    batches = Batches()
    batches.wait("cx3", "b")
    assert batches.choose(NEW, rejected("b", "cx1", "cx2")) == {"cx3"}
    assert batches.turn("cx3", "b").held


def test_a_lone_node_that_rejects_its_own_config_does_not_count_against_others():
    batches = Batches()
    begin(batches, {"cx1": "x", "cx2": "a"}, waiting=["cx1"])
    batches.cleared["a"] = None
    batches.conclude(Verdict.LEFT)
    batches.wait("cx1", "x")
    batches.choose({"cx1": "x", "cx2": "a"}, [])
    ends(batches, "cx1", Verdict.REJECTED, "no")
    desired = {"cx1": "x", "cx2": "y", "cx3": "y"}
    begin(batches, desired, waiting=["cx2", "cx3"])
    ends(batches, "cx2", Verdict.REJECTED, "no")
    batches.choose(desired, [*rejected("x", "cx1"), *rejected("y", "cx2")])
    assert batches.first == "cx3"


def test_a_hold_that_is_lifted_is_tried_again_whoever_rejected_it_before():
    batches = Batches()
    batches.held["b"] = "held"
    batches.lift("b")
    batches.wait("cx3", "b")
    batches.choose(NEW, rejected("b", "cx1", "cx2"))
    assert batches.first == "cx3"


def test_a_rejection_counts_also_when_something_else_is_desired_of_that_node_by_now():
    batches = Batches()
    desired = {"cx1": "a", "cx2": "b", "cx3": "b"}
    batches.prove("a")
    batches.wait("cx2", "b")
    batches.wait("cx3", "b")
    batches.choose(desired, rejected("b", "cx1"))
    ends(batches, "cx2", Verdict.REJECTED, "no")
    assert batches.turn("cx3", "b").held


def test_what_is_known_of_old_revisions_is_bounded_and_useful_ones_are_kept():
    batches = Batches()
    for number in range(100):
        batches.prove(f"r{number}")
    batches.held["gone"] = "held"
    batches.forget_old({"r0"}, bound=10)
    assert list(batches.cleared) == ["r0", *(f"r{n}" for n in range(90, 100))]
    assert not batches.held


NODES = ("cx1", "cx2", "cx3", "cx4")
REVISIONS = ("a", "b", "c")


class Group(RuleBasedStateMachine):
    """A group whose nodes come and go, and whose configs change; some configs kill every kotekan."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = Batches()
        self.desired = dict.fromkeys(NODES, "a")
        self.able = dict.fromkeys(NODES, True)
        self.own_rejections: set[tuple[str, str]] = set()
        self.tries: dict[str, int] = {}
        self.live = dict.fromkeys(NODES, "a")
        self.batches.prove("a")

    def acts(self, name: str) -> bool:
        revision = self.desired[name]
        return self.able[name] and self.live[name] != revision and (name, revision) not in self.own_rejections

    def refresh(self) -> None:
        for name in NODES:
            turn = self.batches.turn(name, self.desired[name])
            if self.acts(name) and not turn.go and not turn.held:
                self.batches.wait(name, self.desired[name])
            else:
                self.batches.forget(name)
        first = self.batches.first
        if first is not None and not (self.acts(first) and self.batches.turn(first, self.desired[first]).go):
            self.batches.conclude(Verdict.LEFT)
        if self.batches.needs_first:
            said = [Refusal(name, revision, "no") for name, revision in sorted(self.own_rejections)]
            self.batches.choose(self.desired, said)

    @rule(names=st.sets(st.sampled_from(NODES), min_size=1), revision=st.sampled_from(REVISIONS))
    def wish(self, names: set[str], revision: str) -> None:
        self.desired.update(dict.fromkeys(names, revision))
        self.refresh()

    @rule(name=st.sampled_from(NODES), able=st.booleans())
    def come_or_go(self, name: str, able: bool) -> None:
        self.able[name] = able
        self.refresh()

    @rule()
    def restart_worker(self) -> None:
        heir = Batches()
        heir.restore(self.batches.cleared, self.batches.held)
        self.batches = heir
        self.refresh()

    @precondition(lambda self: self.batches.first is not None)
    @rule(outcome=st.sampled_from(["settles", "tells nothing"]))
    def first_tries(self, outcome: str) -> None:
        name = self.batches.first
        revision = self.desired[name]
        self.tries[revision] = self.tries.get(revision, 0) + 1
        if revision == "c":  # kills every kotekan
            self.own_rejections.add((name, revision))
            self.batches.conclude(Verdict.REJECTED, "no")
        elif outcome == "settles":
            self.live[name] = revision
            self.batches.conclude(Verdict.PROVEN)
        else:
            self.batches.conclude(Verdict.INCONCLUSIVE, "no answer")
        self.refresh()

    @rule(name=st.sampled_from(NODES))
    def another_goes(self, name: str) -> None:
        if self.acts(name) and self.desired[name] in self.batches.cleared:
            self.live[name] = self.desired[name]
        self.refresh()

    @invariant()
    def at_most_two_nodes_ever_try_a_bad_config(self) -> None:
        assert len([key for key in self.own_rejections if key[1] == "c"]) <= 2

    @invariant()
    def only_the_first_goes_with_a_config_that_is_not_proven(self) -> None:
        going = [n for n in NODES if self.batches.turn(n, self.desired[n]).go]
        assert all(n == self.batches.first or self.desired[n] in self.batches.cleared for n in going)

    @invariant()
    def who_could_act_goes_waits_or_is_told_that_it_is_held(self) -> None:
        for name in NODES:
            turn = self.batches.turn(name, self.desired[name])
            if self.acts(name) and not turn.go and not turn.held:
                assert self.batches.first is not None, f"{name} waits for nobody"


def test_a_group_never_risks_more_than_two_nodes_and_nobody_waits_for_nobody():
    run_state_machine_as_test(
        Group, settings=settings(max_examples=200, stateful_step_count=40, deadline=None)
    )
