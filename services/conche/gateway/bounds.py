"""How long and how many; tests have shorter ones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is waited for, and how much is taken.

    Parameters
    ----------
    idle_s
        A connection on which no whole head of a request comes for so long is closed [s]; those of a proxy are used
        again and again.
    body_s
        A body that is not all there by then is refused [s]; a guess: 16 MB over a slow line.
    handler_s
        An answer that is not there by then won't come [s]: a command is waited for at most 70 s.
    linger_s
        How long the rest of a refused body is thrown away, so that its sender reads the answer [s].
    shutdown_s
        How long requests under way are waited for at the end [s].
    connections
        More are closed at once; a guess: 500 streams, and people.
    """

    idle_s: float = 60.0
    body_s: float = 30.0
    handler_s: float = 90.0
    linger_s: float = 2.0
    shutdown_s: float = 2.0
    connections: int = 2_000
