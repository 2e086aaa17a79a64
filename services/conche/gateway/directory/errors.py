"""What can go wrong between the gateway and the directory."""

from conche.errors import FatalError


class DirectoryAway(Exception):
    """The directory can't tell just now who somebody is; the words are for the operator."""


class DirectoryMisconfigured(FatalError):
    """The settings of the directory can't be followed; says which, and what to do."""
