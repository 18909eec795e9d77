"""Removing a directory that a sandbox wrote: whatever its depth, names and permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def clear(folder: Path) -> None:
    """Remove ``folder`` and all in it; nothing if it is not there.

    Directories are moved up before they are emptied, so that no path gets long, however deep an executor has nested
    them; links are removed, never followed.
    """
    waiting = [str(folder)]
    moved = 0
    while waiting:
        here = waiting.pop()
        if not _open_up(here):
            continue
        with os.scandir(here) as entries:
            found = list(entries)
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)
            elif here == str(folder):
                waiting.append(entry.path)
            else:
                moved += 1
                waiting.append(_move_up(entry.path, f"{folder}/.removing-{moved}"))
        if here != str(folder):
            Path(here).rmdir()
    if folder.is_dir():
        folder.rmdir()


def _open_up(path: str) -> bool:
    """Make a directory one that can be listed and emptied; False when there is none."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_IMODE(mode) & 0o700 != 0o700:
        Path(path).chmod(0o700)
    return True


def _move_up(path: str, target: str) -> str:
    _open_up(path)  # moving a directory changes its "..": it must be writable
    while Path(target).exists():
        target += "x"
    Path(path).rename(target)
    return target
