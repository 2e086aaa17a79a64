"""Files in the trees of commits."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pygit2
from pygit2.enums import FileMode

from .configfiles import is_config_file


def blob_of(commit: pygit2.Commit, path: str) -> pygit2.Blob | None:
    """Return a file of a commit, None where there is none."""
    try:
        found = commit.tree / path
    except KeyError:
        return None
    return found if isinstance(found, pygit2.Blob) else None


def id_of(commit: pygit2.Commit, path: str) -> pygit2.Oid | None:
    """Return what tells a file of a commit from one with other content, None where there is none."""
    blob = blob_of(commit, path)
    return None if blob is None else blob.id


def has_changed(commit: pygit2.Commit, path: str) -> bool:
    """Return whether a commit changed a file, or anything in a folder, against its first parent."""
    if path == ".":
        return True
    before = _entry(commit.parents[0], path) if commit.parents else None
    return _entry(commit, path) != before


def _entry(commit: pygit2.Commit, path: str) -> tuple[pygit2.Oid, FileMode] | None:
    """Return what stands in a commit's tree for a file or a folder."""
    try:
        found = commit.tree / path
    except (KeyError, ValueError):
        return None
    return found.id, found.filemode


def itself_and_above(name: str) -> Iterator[str]:
    """Yield a name and the folders above it."""
    path = PurePosixPath(name)
    yield name
    yield from map(str, path.parents)


def files_of(
    repository: pygit2.Repository, tree: pygit2.Tree, folder: str = ""
) -> Iterator[tuple[str, pygit2.Blob]]:
    """Yield name and content of the config files in a tree; what lies in other repositories is left out."""
    for found in tree:
        name = f"{folder}{found.name}"
        if isinstance(found, pygit2.Tree):
            yield from files_of(repository, found, f"{name}/")
        elif isinstance(found, pygit2.Blob) and found.filemode != FileMode.LINK and is_config_file(name):
            yield name, found
