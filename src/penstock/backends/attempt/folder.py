"""An attempt's directory in the workspace: ``tasks/<task>/<number>``. Blocking."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from penstock.backends.attempt.clear import clear
from penstock.names import split_attempt


def place(workspace: Path, attempt: str) -> Path:
    """Where the attempt's directory is."""
    task, number = split_attempt(attempt)
    return workspace / "tasks" / task / str(number)


def make(path: Path, *, again: bool = False) -> None:
    """Make it, for its user and group; OSError if it is there already (unless ``again``) or cannot be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(exist_ok=again)
    for folder in (path.parent, path):
        folder.chmod(0o2750)


def write_secret(path: Path, secret: str) -> None:
    """A new file that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


def remove(path: Path) -> None:
    """Remove it with all in it; the task's own folder goes with the last attempt."""
    clear(path)
    with contextlib.suppress(OSError):  # other attempts of the task, or it is gone already
        path.parent.rmdir()
