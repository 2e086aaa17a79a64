"""What a change of the config directory would give: everything that it concerns is rendered before it is written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .batch import render_all
from .edits import Edit, EditRefused, contents
from .nodes import FILE as NODES_FILE
from .nodes import Node, read_nodes
from .problems import some_of
from .render import Rendered, Rendering
from .sandbox import is_too_slow
from .worklist import Worklist


@dataclass(frozen=True)
class Trial:
    """What an edit would give.

    Parameters
    ----------
    edit
        The edit.
    files
        Those of its files that are not so already.
    before
        What its files hold now; what somebody writes meanwhile is not written over.
    nodes
        The nodes that there would be.
    after
        By ``group/node``, what every node that it concerns would be given, targets included.
    """

    edit: Edit
    files: Mapping[str, bytes | None]
    before: Mapping[str, bytes | None]
    nodes: Mapping[str, Node]
    after: Mapping[str, Rendered]

    @property
    def targets(self) -> set[str]:
        """``group/node`` of the nodes that it is meant for."""
        return {node.key for node in self.edit.targets}


def try_out(edit: Edit, *, rendering: Rendering, work: Worklist) -> Trial:
    """Render what an edit concerns, as if it were written.

    Raises
    ------
    EditRefused
        ``nodes.yaml`` could not be understood any more, or a template takes too long.
    """
    before = contents(edit.files, rendering=rendering)
    files = {name: data for name, data in edit.files.items() if before[name] != data}
    overlaid = rendering.overlaid(files)
    nodes = {node.key: node for node in _nodes(overlaid, work, rewritten=NODES_FILE in files)}
    touched = rendering.files.names_of(files)
    concerned = {node.key: node for node in work.concerned(nodes.values(), touched)}
    concerned |= {node.key: node for node in edit.targets}
    rendered = render_all(overlaid, list(concerned.values()), give_up=_is_now_too_slow(edit, work))
    if rendered and is_too_slow(rendered[-1].error) and len(rendered) < len(concerned):
        one = rendered[-1]
        raise EditRefused(f"no config for {one.node.key}: {one.error}; nothing was changed")
    return Trial(edit, files, before, nodes, {one.node.key: one for one in rendered})


def _is_now_too_slow(edit: Edit, work: Worklist) -> Callable[[Rendered], bool]:
    """Return what tells nodes whose templates would take too long: many of them would hold up everything."""
    targets = {node.key for node in edit.targets}

    def tell(one: Rendered) -> bool:
        key = one.node.key
        return is_too_slow(one.error) and (key in targets or not _was_broken(key, work))

    return tell


def _nodes(overlaid: Rendering, work: Worklist, *, rewritten: bool) -> Iterable[Node]:
    if not rewritten:
        return work.nodes()
    nodes = read_nodes(overlaid.files)
    if nodes.error is not None:
        raise EditRefused(nodes.error)
    return nodes


def check(trial: Trial, work: Worklist) -> None:
    """Refuse an edit that would break a node, or that concerns nodes for which it is not meant.

    Raises
    ------
    EditRefused
        Names them, and says what is wrong.
    """
    broken = broken_by(trial, work)
    if broken:
        error = trial.after[broken[0]].error
        raise EditRefused(f"no config for {some_of(broken)}: {error}; nothing was changed")
    if not trial.edit.shared and (others := _others(trial, work)):
        send = "" if trial.edit.endpoint is not None else "send it with shared: true, or "
        raise EditRefused(
            f"{some_of(trial.files)} would change {some_of(others)} too, which use it: {send}give the node a "
            "file of its own"
        )


def broken_by(trial: Trial, work: Worklist) -> list[str]:
    """Return the nodes that would have no config: targets, and others that have one now."""
    return [
        key
        for key, rendered in trial.after.items()
        if rendered.error is not None and (key in trial.targets or not _was_broken(key, work))
    ]


def _was_broken(key: str, work: Worklist) -> bool:
    done = work.done(key)
    return done is not None and done.error is not None


def _others(trial: Trial, work: Worklist) -> list[str]:
    return [key for key in changed_by(trial, work) if key not in trial.targets]


def changed_by(trial: Trial, work: Worklist) -> list[str]:
    """Return the nodes that would have to run something else, or whose error would be another."""
    found = []
    for key, rendered in trial.after.items():
        done = work.done(key)
        revision = rendered.fingerprint.revision if rendered.fingerprint else None
        if done is None or (done.revision, done.error) != (revision, rendered.error):
            found.append(key)
    return found
