"""The scripts of the pipeline import each other by name, as they do in a process."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = str(Path(__file__).parents[4] / "pipelines" / "variants" / "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)
