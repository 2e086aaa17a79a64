"""The LDAP directory that people log in with: whether a password is right, and what its owner may do."""

from .directory import Directory, directory_of
from .errors import DirectoryAway, DirectoryMisconfigured
from .names import folded

__all__ = ["Directory", "DirectoryAway", "DirectoryMisconfigured", "directory_of", "folded"]
