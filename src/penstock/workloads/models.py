"""The workload: what is asked for, what is stored, what is shown. Sizes are bytes, times microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_INPUTS = 10_000
BUNDLE_ROLE, BUNDLE_NAME = "bundle", "inputs.tar"


class State(StrEnum):
    """Where a workload is (design.md, section 4)."""

    UPLOADING = "UPLOADING"
    PREPARING = "PREPARING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PACKING = "PACKING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    EXPIRED = "EXPIRED"


FINISHED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED})
REMOVING = frozenset({State.ACKNOWLEDGED, State.EXPIRED})
WORKING = frozenset({State.PREPARING, State.QUEUED, State.RUNNING, State.PACKING})
CANCELABLE = WORKING | {State.UPLOADING}
CONDUCTED = WORKING | REMOVING | {State.CANCELING}  # the states that the server itself leaves
HAS_RESULTS = frozenset({State.SUCCEEDED, State.FAILED})


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GivenInput(_Wire):
    """One input of a submission: a file to be uploaded (name, size, sha256) or a URL."""

    role: str
    name: str | None = None
    size: int | None = None
    sha256: str | None = None
    url: str | None = None


class GivenBundle(_Wire):
    """A plain tar with all declared files as ``<role>/<name>``, sent as the only upload."""

    size: int
    sha256: str


class Submission(_Wire):
    """The body of a workload's create."""

    pipeline: str
    version: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[GivenInput] = []
    bundle: GivenBundle | None = None
    name: str | None = Field(None, max_length=200)
    results_to: str | None = Field(
        None,
        max_length=1024,
        description="Folder of a bucket (s3://bucket/folder/) that the results are sent to, too, once they are packed.",
    )


class InputFile(BaseModel):
    """An input after it was checked: ``size`` and ``sha256`` of a file that is uploaded, or ``url``."""

    model_config = ConfigDict(frozen=True)

    role: str
    name: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    source: str | None = Field(None, description="Its name in the tar that was put into the drop box.")

    @property
    def remote(self) -> bool:
        """Whether it is fetched from elsewhere."""
        return self.url is not None and not self.url.startswith("file:")

    @property
    def member(self) -> str:
        """Its path below ``inputs/``, and in a bundle."""
        return f"{self.role}/{self.name}"


class Result(BaseModel):
    """One file of the results; ``name`` is its path below ``files/``."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Workload:
    """A workload as stored. ``inputs`` and ``results`` are empty in lists.

    ``bytes`` and ``files`` count what it has here: its inputs until it ends, its results then. ``warned_us`` is when
    its owner was told that it expires soon; ``sent_us`` when all results had arrived at ``results_to``.
    """

    id: str
    owner: str
    name: str
    pipeline: str
    version: str
    parameters: dict[str, Any]
    state: State
    reason: str
    sequence: int
    created_us: int
    updated_us: int
    expires_us: int | None
    warned_us: int | None = None
    bytes: int = 0
    files: int = 0
    results_to: str | None = None
    sent_us: int | None = None
    inputs: tuple[InputFile, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(frozen=True)
class Event:
    """One change of state."""

    at_us: int
    state: State
    reason: str


@dataclass(frozen=True)
class Account:
    """What opens one workload's downloads; the secret itself is nowhere.

    ``crypt`` is the hash, as crypt(3) writes it, of a secret that a client of the drop box chose; else it is empty.
    """

    workload: str
    name: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    created_us: int = 0
    crypt: str = field(default="", repr=False)


@dataclass(frozen=True)
class Link:
    """A signed address of one file. ``path`` is below ``/download/<id>/``."""

    path: str
    expires_s: int
    signature: str = field(repr=False)


class DropState(StrEnum):
    """How far something is that was put into the drop box."""

    RECEIVING = "RECEIVING"
    RECEIVED = "RECEIVED"
    TAKEN = "TAKEN"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class Drop:
    """Something that was put into the drop box; ``workload`` is what came of it."""

    key: str
    state: DropState
    reason: str
    workload: str | None
    created_us: int


@dataclass(frozen=True)
class Usage:
    """What an owner has here."""

    workloads: int
    bytes: int
    files: int


@dataclass(frozen=True)
class Tombstone:
    """All that is left of a removed workload."""

    id: str
    owner: str
    created_us: int
    removed_us: int
