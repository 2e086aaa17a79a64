"""The ways in which a kotekan does not do what it was asked: each is something else to an operator."""


class KotekanError(Exception):
    """Base of everything that can go wrong between conche and one kotekan."""


class KotekanRefused(KotekanError):
    """Nothing listens on its port: the process is down or just restarting."""


class KotekanUnreachable(KotekanError):
    """No route, unknown name, or no answer to the connection."""


class KotekanBusy(KotekanError):
    """Connected, but no answer in time. The request may still be carried out."""


class KotekanClosed(KotekanError):
    """The connection ended before the answer was complete. That says nothing about what was done."""


class KotekanGarbled(KotekanError):
    """An answer that no kotekan would give."""


class KotekanHttpError(KotekanError):
    """An HTTP status that the request does not provide for.

    Parameters
    ----------
    what
        The request, such as ``GET /config``.
    status
        HTTP status.
    words
        kotekan's own words, from wherever it puts them.
    """

    def __init__(self, what: str, *, status: int, words: str) -> None:
        super().__init__(f"{what}: HTTP {status}{': ' if words else ''}{words}")
        self.status = status
        self.words = words


class KotekanConflict(KotekanHttpError):
    """402: it is not in the state that the request takes for granted. Read the state again."""


class KotekanRejected(KotekanHttpError):
    """kotekan understood and refused, and is about to die of it: a 400 with JSON to a start, a 500 to an update."""


class KotekanMalformed(KotekanHttpError):
    """kotekan refused before it did anything, and lives: an HTML 400 to a start, any 400 to an update."""


class WriteForbidden(Exception):
    """The gate is shut: nothing may be written to this node now. The words say why."""
