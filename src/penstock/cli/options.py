"""Names that no input of a pipeline can have on the command line."""

from __future__ import annotations

OPTIONS = ("output", "param", "name", "version", "keep", "dry_run", "json", "help")  # of `penstock run`
