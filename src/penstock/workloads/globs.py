"""Globs of ``results.files``: ``*`` within a segment, ``**`` over any number of folders; hidden names only if named."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.names import check_relative_path


def find_results(root: Path, patterns: Sequence[str]) -> list[str]:
    """The plain files below ``root`` that match, as sorted relative paths. Links are neither taken nor followed."""
    wanted = [_parts(pattern) for pattern in patterns]
    return sorted(path for path in _files(root, "") if matches_any(path, wanted))


def matches_any(path: str, wanted: Sequence[tuple[str, ...]]) -> bool:
    """Whether the path, or a folder that it is in, matches one of the patterns."""
    parts = tuple(path.split("/"))
    return any(_matches(parts, pattern) or _below(parts, pattern) for pattern in wanted)


def _parts(pattern: str) -> tuple[str, ...]:
    return check_relative_path(pattern.rstrip("/")).parts


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(mode):
                yield path
            elif stat.S_ISDIR(mode):
                yield from _files(Path(entry.path), path + "/")


def _below(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """A pattern that matches a folder takes all of it but what is hidden."""
    return any(
        _matches(parts[:depth], pattern) and not any(part.startswith(".") for part in parts[depth:])
        for depth in range(1, len(parts))
    )


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return _matches(parts, rest) or bool(parts and not parts[0].startswith(".") and _matches(parts[1:], pattern))
    return bool(parts) and _segment(parts[0], first) and _matches(parts[1:], rest)


def _segment(name: str, pattern: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, pattern)
