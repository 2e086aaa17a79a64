"""What others have said, as far as a table depends on it."""

from dataclasses import dataclass, field

from conche.contract import DesiredConfig, FpgaStatus, Registry
from conche.settings import Eop

from .targets import concerned


@dataclass
class Known:
    """What others have said.

    Parameters
    ----------
    settings
        May name a frame0, which comes first.
    fpga
        What the FPGA master says, as its service said it last.
    fpga_is_there
        Whether that service is online: what it said counts only then.
    registry
        The nodes.
    desired
        What they should run, by group and node.
    """

    settings: Eop
    fpga: FpgaStatus | None = None
    fpga_is_there: bool = False
    registry: Registry | None = None
    desired: dict[tuple[str, str], DesiredConfig] = field(default_factory=dict)

    @property
    def frame0_ns(self) -> int | None:
        """UNIX time of the first frame [ns], the last that was good if need be; None where none was ever.

        None too where one is reported and not believed: it is more likely another than the last.
        """
        if self.settings.frame0_ns is not None:
            return self.settings.frame0_ns
        if self.fpga is None or self.is_rejected:
            return None
        return self.fpga.frame0_ns if self.fpga.frame0_ns is not None else self.fpga.last_frame0_ns

    @property
    def is_rejected(self) -> bool:
        """Whether the FPGA master reports a frame0 that is not believed, and that matters."""
        if self.settings.frame0_ns is not None or self.fpga is None:
            return False
        return self.fpga.frame0_ns is None and self.fpga.reported_frame0_ns is not None

    @property
    def frame0_trouble(self) -> str | None:
        """Why frame0 is not known, or only as it was, in words."""
        if self.settings.frame0_ns is not None:
            return None
        if self.fpga is None:
            return "frame0 is not known: the fpga service has said nothing; begin it, or set eop.frame0_ns"
        if self.is_rejected:
            return (
                f"the FPGA master reports a frame0 that is not believed ({self.fpga.error}): no new table is made "
                "with the one before"
            )
        if not self.fpga_is_there and self.frame0_ns is not None:
            return "the fpga service is not online: frame0 is taken to be what it was last"
        if self.fpga.frame0_ns is not None:
            return None
        why = f"the FPGA master is {self.fpga.state}{f' ({self.fpga.error})' if self.fpga.error else ''}"
        if self.fpga.last_frame0_ns is not None:
            return f"{why}: frame0 is taken to be what it was last"
        return f"frame0 is not known: {why}; set fpga.url or eop.frame0_ns"

    @property
    def is_enough(self) -> bool:
        """Whether frame0 is known, and what every node should run."""
        if self.frame0_ns is None or self.registry is None:
            return False
        if self.settings.frame0_ns is None and not self.fpga_is_there:
            return False
        return all((g, node) in self.desired for g, nodes in self.registry.groups.items() for node in nodes)

    def concerned(self) -> set[str]:
        """Return ``group/node`` of all nodes that have the block."""
        if self.registry is None:
            return set()
        return concerned(self.registry, self.desired, endpoint=self.settings.endpoint)
