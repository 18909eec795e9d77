"""What workloads need of the folders beside them; the services are handed in when the server is put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from penstock.clock import Deadline
from penstock.tasks.models import Created, NewTask, Progress, Task


class Tasks(Protocol):
    """The queue, as ``penstock.tasks.service.TaskService`` offers it."""

    async def create(self, new: Sequence[NewTask]) -> list[Created]:
        """Create tasks, or answer those that have their keys already."""

    async def cancel_workload(self, workload: str) -> None:
        """Ask for the end of all its live tasks."""

    async def progress(self, workload: str) -> Progress:
        """Its processes, counted."""

    async def get(self, task: str) -> Task:
        """One task with its attempts."""

    async def head(self, workload: str) -> Task | None:
        """Its head task."""

    async def changes(self, workload: str, after: int, deadline: Deadline) -> tuple[list[Task], int]:
        """Its processes that changed after this sequence, with their attempts, and the new sequence."""

    async def failures(self, workload: str) -> list[Task]:
        """Its failed processes with their attempts, oldest first."""

    async def forget_workload(self, workload: str) -> None:
        """Remove rows and folders of its tasks, which are all final."""


class UploadRow(Protocol):
    """An upload, as ``penstock.uploads.models.Upload`` describes it."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def touched_us(self) -> int: ...


class ReceivedRow(Protocol):
    """An upload and how much of it has arrived, in bytes."""

    @property
    def upload(self) -> UploadRow: ...
    @property
    def offset(self) -> int: ...


class NewUploadRow(Protocol):
    """A file that is declared to be sent."""

    @property
    def role(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class Uploads(Protocol):
    """Resumable uploads, as ``penstock.uploads.service.UploadService`` offers them."""

    on_complete: Callable[[str], Awaitable[object]]
    on_terminated: Callable[[str], Awaitable[object]]

    async def create(
        self,
        owner: str,
        workload: str,
        declared: Sequence[NewUploadRow],
        together: Callable[[Connection], None],
        also_bytes: int = 0,
    ) -> Sequence[UploadRow]:
        """Declare uploads in one transaction with ``together``."""

    async def deliver(self, workload: str, file: Path) -> None:
        """Take a file, whole and durable, as the workload's only upload."""

    async def of_workload(self, workload: str) -> Sequence[ReceivedRow]:
        """A workload's uploads in the order they were declared."""

    def path(self, upload: str) -> Path:
        """Where the bytes of an upload are."""

    async def waiting(self, workload: str) -> bool:
        """Whether an upload is not complete."""

    async def remove_workload(self, workload: str) -> None:
        """Remove a workload's uploads."""

    async def silent_since(self) -> dict[str, int]:
        """Workloads that wait for an upload, and when they got their last byte."""

    async def reconcile(self) -> None:
        """Put uploads in order after a start."""
