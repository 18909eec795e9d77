"""Waiting by looking again, where nothing tells."""

from __future__ import annotations

import time
from collections.abc import Callable

from penstock.clock import Deadline


def until(holds: Callable[[], object], seconds: float = 60, what: str = "it holds") -> None:
    """Look again until it holds."""
    deadline = Deadline.after(seconds)
    while not holds():
        assert not deadline.passed, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
