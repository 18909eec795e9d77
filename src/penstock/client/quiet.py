"""Somebody who watches a run and shows nothing: for programs that report at the end."""

from __future__ import annotations

from penstock.client.workloads import Workload
from penstock.errors import PenstockError


class Quiet:
    """A ``runs.Watcher`` that says nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def done(self, text: str) -> None:
        """Nothing."""

    def begin(self, what: str, size: int, files: int) -> None:
        """Nothing."""

    def advance(self, size: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def workload(self, workload: Workload) -> None:
        """Nothing."""

    def waiting(self, error: PenstockError, left_s: float) -> None:
        """Nothing."""
