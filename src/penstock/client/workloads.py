"""``/api/v1/workloads`` as typed objects. Unknown fields are ignored, so that a newer server is understood."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from penstock.client.http import Server
from penstock.client.inputs import Bundle, LocalFile, RemoteFile

WAIT_S = 30.0  # of one long-poll
_ROOT = "/api/v1/workloads"


class State(StrEnum):
    """States of a workload (design.md, section 4)."""

    UPLOADING = "UPLOADING"
    PREPARING = "PREPARING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PACKING = "PACKING"
    CANCELING = "CANCELING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    EXPIRED = "EXPIRED"

    @property
    def final(self) -> bool:
        """Whether nothing runs any more."""
        return self in FINAL


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.ACKNOWLEDGED, State.EXPIRED})


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Upload(_Wire):
    """Where one input is to be sent; ``offset`` is how many bytes the server has."""

    role: str
    name: str
    size: int
    url: str
    offset: int = 0


class Account(_Wire):
    """What opens one workload's downloads."""

    name: str
    secret: str = Field(repr=False)


class Created(_Wire):
    """A new workload; ``token`` is what a server hands out that takes workloads without one."""

    id: str
    state: State
    uploads: list[Upload] = []
    account: Account
    token: str | None = Field(None, repr=False)


class Rule(_Wire):
    """The processes of one rule, counted."""

    total: int | None = None
    done: int = 0
    running: int = 0
    queued: int = 0
    failed: int = 0


class Progress(Rule):
    """All processes of a workload, counted; ``total`` is None until the engine knows it."""

    rules: dict[str, Rule] = {}


class Given(_Wire):
    """An input as the server has it; ``received`` in bytes."""

    role: str
    name: str | None = None
    size: int | None = None
    url: str | None = None
    received: int | None = None


class Result(_Wire):
    """A result file; ``name`` is its relative path, ``size`` in bytes."""

    name: str
    size: int
    sha256: str
    url: str


class Workload(_Wire):
    """A workload as its owner sees it. Times are RFC 3339."""

    id: str
    name: str | None = None
    owner: str | None = None
    pipeline: str
    version: str | None = None
    parameters: dict[str, Any] = {}
    state: State
    reason: str | None = None
    sequence: int = 0
    created_at: str | None = None
    updated_at: str | None = None
    expires_at: str | None = None
    results_to: str | None = None
    results_sent_at: str | None = None
    inputs: list[Given] = []
    uploads: list[Upload] = []
    progress: Progress = Progress()
    results: list[Result] = []

    @property
    def unsent(self) -> bool:
        """Whether it succeeded, but its results did not get where they were to be sent."""
        return self.state == State.SUCCEEDED and self.results_to is not None and self.results_sent_at is None


class Event(_Wire):
    """A change of state and why."""

    at: str
    state: str
    reason: str | None = None


class Process(_Wire):
    """A process of a workload, from the engines' list of changes."""

    id: str
    key: str | None = None
    name: str | None = None
    state: str
    reason: str | None = None
    sequence: int = 0
    exit_code: int | None = None
    stderr: str | None = None


class Processes(_Wire):
    """The processes of a workload in the order of their last change, and the id of its head task."""

    tasks: list[Process] = []
    head: str | None = None


def new_key() -> str:
    """A key for one create that nobody else has: 256 random bits."""
    return secrets.token_urlsafe(32)


class Workloads:
    """Calls about workloads."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def create(
        self,
        pipeline: str,
        parameters: Mapping[str, Any],
        inputs: Sequence[LocalFile | RemoteFile],
        *,
        version: str | None = None,
        bundle: Bundle | None = None,
        name: str | None = None,
        results_to: str | None = None,
        key: str | None = None,
    ) -> Created:
        """Declare a workload; its inputs are then sent to ``Created.uploads``.

        The same call with the same ``key`` answers the same workload, with a new secret: for who lost the answer.
        """
        body: dict[str, Any] = {"pipeline": pipeline, "parameters": dict(parameters)}
        body["inputs"] = [_declared(entry) for entry in inputs]
        if bundle is not None:
            body["bundle"] = {"size": bundle.size, "sha256": bundle.sha256()}
        told = {"version": version, "name": name, "results_to": results_to}
        body |= {field: value for field, value in told.items() if value is not None}
        return Created.model_validate(self.server.post(_ROOT, body, headers={"Idempotency-Key": key or new_key()}))

    def get(self, workload: str, *, after: int | None = None, wait_s: float = 0.0) -> Workload:
        """The workload now, or, with ``after``, as soon as its sequence is higher, at most ``wait_s`` seconds later."""
        query = {} if after is None else {"after": after, "wait": wait_s}
        return Workload.model_validate(self.server.get(f"{_ROOT}/{workload}", query, wait_s=wait_s))

    def newest(self, *, state: str | None = None, most: int = 50) -> Iterator[Workload]:
        """The caller's workloads, newest first, at most ``most``."""
        token: str | None = None
        while most > 0:
            query = {"state": state, "page_size": min(most, 100), "page_token": token}
            page = self.server.get(_ROOT, {key: value for key, value in query.items() if value is not None})
            found = [Workload.model_validate(entry) for entry in page["workloads"][:most]]
            yield from found
            most -= len(found)
            token = page.get("next_page_token")
            if not token:
                return

    def events(self, workload: str) -> list[Event]:
        """What happened to it, oldest first."""
        answer = self.server.get(f"{_ROOT}/{workload}/events")
        return [Event.model_validate(entry) for entry in answer["events"]]

    def processes(self, workload: str) -> Processes:
        """Its tasks as they are now."""
        answer = self.server.get("/api/v1/tasks", {"parent": workload, "after": 0, "wait": 0})
        return Processes.model_validate(answer)

    def cancel(self, workload: str) -> Workload:
        """Ask for its end; it is CANCELED a little later."""
        return Workload.model_validate(self.server.post(f"{_ROOT}/{workload}:cancel"))

    def acknowledge(self, workload: str) -> None:
        """Have everything of it removed from the server; harmless when done again."""
        self.server.post(f"{_ROOT}/{workload}:acknowledge")


def _declared(entry: LocalFile | RemoteFile) -> dict[str, Any]:
    if isinstance(entry, RemoteFile):
        return {"role": entry.role, "url": entry.url}
    return {"role": entry.role, "name": entry.name, "size": entry.size, "sha256": entry.sha256}
