"""Which registry is published: the one that ``nodes.yaml`` gives, else the last good one, with an error."""

from msgspec.structs import replace

from conche.contract import RegisteredNode, Registry

from .epoch import EpochFile
from .nodes import Nodes


class RegistryKeeper:
    """Makes registries of what ``nodes.yaml`` says and never forgets the last good one.

    Parameters
    ----------
    boot
        Of this process.
    epochs
        Gives nodes their epochs.
    """

    def __init__(self, *, boot: str, epochs: EpochFile) -> None:
        self._boot = boot
        self._epochs = epochs
        self._last: Registry | None = None

    def take(
        self, nodes: Nodes, *, last_good: Nodes | None = None, published: Registry | None = None
    ) -> Registry:
        """Return the registry to publish; the epochs in it are on disk.

        Parameters
        ----------
        nodes
            What ``nodes.yaml`` says.
        last_good
            The last of it that a former process understood, where that is kept.
        published
            What a former process published last, as the broker has it; for where it is not.
        """
        if nodes.error is None:
            self._last = self._good(nodes)
        elif self._last is None:
            self._last = self._good(last_good) if last_good is not None else self._taken_over(published)
        return replace(self._last, boot=self._boot, error=nodes.error)

    def _good(self, nodes: Nodes) -> Registry:
        epochs = self._epochs.take({node.key: (node.host, node.port) for node in nodes})
        return Registry(
            boot=self._boot,
            groups={
                group: {
                    name: RegisteredNode(
                        host=node.host, port=node.port, started=node.started, epoch=epochs[node.key]
                    )
                    for name, node in members.items()
                }
                for group, members in nodes.groups.items()
            },
        )

    def _taken_over(self, published: Registry | None) -> Registry:
        """Return what a former process published; where the stack has started since, all its epochs are new."""
        if published is None:
            return Registry(boot=self._boot, groups={})
        if self._epochs.holds_one():
            return published
        epochs = self._epochs.take(
            {
                f"{group}/{name}": (node.host, node.port)
                for group, members in published.groups.items()
                for name, node in members.items()
            }
        )
        groups = {
            group: {name: replace(node, epoch=epochs[f"{group}/{name}"]) for name, node in members.items()}
            for group, members in published.groups.items()
        }
        return replace(published, groups=groups)
