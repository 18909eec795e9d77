"""How a process tells a user that a file cannot be used: the last line of its stderr begins with ``error:``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


class Unusable(Exception):
    """What is wrong, naming the file."""


def tell(main: Callable[[], None]) -> None:
    """Run ``main``; end with its complaint, if it has one, instead of a traceback."""
    try:
        main()
    except Unusable as problem:
        sys.exit(f"error: {problem}")


def name_of(path: str) -> str:
    """The name that the user knows the file by."""
    return Path(path).name
