"""What the journal has, against what happened: nothing that did not, nothing twice, and the last of each node."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from conche.contract import Event, EventKind, JournalEntry, LastPush, NodeStatus, Reply
from conche.renderer.commits import Commit


def untrue(
    entries: Sequence[JournalEntry],
    *,
    sent: Iterable[str],
    commits: Iterable[Commit],
    updates: Mapping[str, int],
) -> list[str]:
    """Return what the journal tells that did not happen, or tells twice.

    Parameters
    ----------
    entries
        Of the journal, the oldest first.
    sent
        Ids of all commands that were sent.
    commits
        Of the config directory.
    updates
        How often values were posted to each node, by the simulator's books.
    """
    by_id = {
        one.trailers["Command-Id"].partition("/")[2]: one for one in commits if "Command-Id" in one.trailers
    }
    wrong = [f"{b.number} after {a.number}" for a, b in pairwise(entries) if b.number <= a.number]
    known, told, pushed = set(sent), Counter[tuple[EventKind, str]](), Counter[str]()
    for entry in entries:
        event, key = entry.event, f"{entry.group}/{entry.node}"
        if event.kind is EventKind.PUSH and event.action == "update" and event.ok:
            pushed[key] += 1
        if entry.service != "renderer" or event.command is None:
            continue
        commit = by_id.get(event.command)
        if event.command not in known:
            wrong.append(f"{event.kind} of {event.command}, which nobody sent")
        if event.commit is not None and (commit is None or commit.id != event.commit):
            wrong.append(f"{event.kind} of {event.command}: commit {event.commit}, which is not its own")
        told[event.kind, event.command] += event.kind is EventKind.CONFIG
    wrong += [f"{kind} of {name} told {count} times" for (kind, name), count in told.items() if count > 1]
    return wrong + [
        f"{key}: {count} updates told, {updates.get(key, 0)} made"
        for key, count in pushed.items()
        if count > updates.get(key, 0)
    ]


def untold_pushes(entries: Iterable[JournalEntry], statuses: Mapping[str, NodeStatus]) -> list[str]:
    """Return the nodes whose last push, by their status, is not the last that the journal tells of them."""
    last = {
        f"{entry.group}/{entry.node}": entry.event for entry in entries if entry.event.kind is EventKind.PUSH
    }
    return [
        f"{key}: {status.last_push}, told is {last.get(key)}"
        for key, status in statuses.items()
        if status.last_push is not None and not _tells(last.get(key), status.last_push, status.live)
    ]


def _tells(event: Event | None, push: LastPush, live: str | None) -> bool:
    return event is not None and (event.action, event.ok, event.after) == (push.kind, push.ok, live)


def miscounted(entries: Iterable[JournalEntry], made: Mapping[str, int]) -> list[str]:
    """Return the nodes of which a journal that was there tells another number of pushes than were made."""
    told = Counter(f"{entry.group}/{entry.node}" for entry in entries if entry.event.kind is EventKind.PUSH)
    return [
        f"{key}: {told[key]} pushes told, {made.get(key, 0)} made"
        for key in sorted(made.keys() | told.keys())
        if told[key] != made.get(key, 0)
    ]


def untold_commands(entries: Iterable[JournalEntry], replies: Mapping[str, Reply]) -> list[str]:
    """Return the commands that a journal which was there has not told as they were taken, answered and committed."""
    told: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    for entry in entries:
        if entry.service == "renderer" and entry.event.command is not None:
            told[entry.event.command].append(entry)
    wrong = []
    for name, reply in replies.items():
        found = [(one.event.kind, one.event.ok, one.event.commit) for one in told[name]]
        expected = [(EventKind.COMMAND, None, None), (EventKind.REPLY, reply.ok, reply.commit)]
        if reply.commit is not None:
            expected.insert(1, (EventKind.CONFIG, None, reply.commit))
        if found != expected:
            wrong.append(f"{name}: told {found}, was {expected}")
    return wrong
