"""The RO-Crate community's own validator, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.clients.conftest import environment

CHECK_S = 120


def problems(folder: Path) -> Any:
    """What is wrong with the crate in ``folder`` as a Process Run Crate 0.5, which is an RO-Crate 1.1."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [environment("rocrate"), Path(__file__).parent / "clients" / "drive_rocrate.py", folder]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=CHECK_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
