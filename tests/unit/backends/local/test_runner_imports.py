"""The runner starts for every task: what it imports is what every task pays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import penstock

SLOW = {"asyncio", "contextlib", "dataclasses", "inspect", "pathlib", "pydantic", "socket", "subprocess", "typing"}


def test_the_runner_imports_no_slow_module() -> None:
    source = str(Path(penstock.__path__[0]).parent)
    script = (
        f"import sys; sys.path.insert(0, {source!r}); before = set(sys.modules)\n"
        "import penstock.backends.local.runner; print(*sorted(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert SLOW.isdisjoint(found.stdout.split())
    assert "penstock.backends.attempt.collect" in found.stdout.split()
