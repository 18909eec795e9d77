"""The task as everybody inside speaks of it: the TES 1.1 request, its terms, its state, its attempts' logs.

Field names and meanings of TaskSpec and below are those of the GA4GH TES 1.1 specification. Sizes: ``*_gb`` are
10^9 bytes and may be fractions; times are integer microseconds UTC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from penstock.tasks.leniency import Cores, file_unless_said, none_unless_said

MOST_EXECUTORS = 64
LARGEST_CONTENT = 1 << 20  # characters; TES 1.1 asks for 128 KiB at least
# What is indexed has to fit an index entry: PostgreSQL's are at most 2,704 bytes, and a character may take four.
LONGEST_NAME = 512
LONGEST_TAG_KEY, LONGEST_TAG_VALUE = 128, 512
TagKey = Annotated[str, Field(max_length=LONGEST_TAG_KEY)]
TagValue = Annotated[str, Field(max_length=LONGEST_TAG_VALUE)]


class State(StrEnum):
    """Task states by their TES names; PREEMPTED and PAUSED are never used (design.md, section 4)."""

    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    CANCELING = "CANCELING"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        """Whether nothing can change it any more."""
        return self in FINAL


FINAL = frozenset({State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR, State.CANCELED})
LIVE = frozenset(State) - FINAL


class Kind(StrEnum):
    """Head tasks run a workload's engine and are admitted as a class of their own."""

    PROCESS = "process"
    HEAD = "head"


class FileType(StrEnum):
    """What an input or output is."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Sent(_Model):
    """What clients send: no text is longer than this, and each can be written as UTF-8 (no lone surrogates)."""

    model_config = ConfigDict(str_max_length=LARGEST_CONTENT)


class Input(_Sent):
    """A file or directory that appears at ``path`` before the first executor starts; ``content`` wins over ``url``."""

    name: str | None = None
    description: str | None = None
    url: str | None = None
    path: str
    type: FileType = FileType.FILE
    content: str | None = None
    streamable: bool | None = None

    _file = field_validator("type", mode="before")(file_unless_said)
    _none = field_validator("url", mode="before")(none_unless_said)

    @model_validator(mode="after")
    def _content_wins(self) -> Self:
        """Clients made from the protocol buffers send an empty ``content`` with every ``url``."""
        if self.content == "" and self.url is not None:
            self.content = None
        return self


class Output(_Sent):
    """What is published from ``path`` to ``url``; with wildcards in ``path``, ``path_prefix`` is cut off each match."""

    name: str | None = None
    description: str | None = None
    url: str
    path: str
    path_prefix: str | None = None
    type: FileType = FileType.FILE

    _file = field_validator("type", mode="before")(file_unless_said)
    _none = field_validator("path_prefix", mode="before")(none_unless_said)


class Resources(_Sent):
    """What a task needs; None leaves it to the deployment."""

    cpu_cores: Cores | None = Field(None, ge=0, allow_inf_nan=False)
    preemptible: bool | None = None
    ram_gb: float | None = Field(None, ge=0, allow_inf_nan=False)
    disk_gb: float | None = Field(None, ge=0, allow_inf_nan=False)
    zones: list[str] | None = None
    backend_parameters: dict[str, Any] | None = None
    backend_parameters_strict: bool | None = None


class Executor(_Sent):
    """One command of a task. No shell is implied."""

    image: str
    command: list[str] = Field(min_length=1)
    workdir: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    env: dict[str, str] | None = None
    ignore_error: bool | None = None

    _none = field_validator("workdir", "stdin", "stdout", "stderr", mode="before")(none_unless_said)


class TaskSpec(_Sent):
    """What a client asks for: the body of TES CreateTask."""

    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    description: str | None = None
    inputs: list[Input] | None = None
    outputs: list[Output] | None = None
    resources: Resources | None = None
    executors: list[Executor] = Field(min_length=1)
    volumes: list[str] | None = None
    tags: dict[TagKey, TagValue] | None = None


SiteTag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
SiteTags = Annotated[dict[SiteTag, SiteTag], Field(max_length=16)]


class Mount(_Model):
    """A live, writable directory of the workspace in a head task's sandbox; only the server itself asks for one."""

    url: str
    path: str


class Terms(_Model):
    """How a task is to be run: the backend parameters, parsed, with their defaults, and what the server adds."""

    priority: int = Field(0, ge=-100, le=100)
    attempts: int = Field(3, ge=1, le=20)
    retry_on_exit: list[int] = []
    time_limit_s: int | None = Field(None, ge=1)
    network: Literal["none", "egress"] = "none"
    memory_volumes: list[str] = []
    allow_root: bool = False
    credentials: list[str] = []
    tags: SiteTags = {}
    mounts: list[Mount] = []
    warnings: list[str] = []
    cpu_cores: float = 1.0
    ram_gb: float = 1.0
    disk_gb: float = 0.0


class ExecutorLog(_Model):
    """What one executor did. ``stdout`` and ``stderr`` are tails of at least 64 KiB."""

    start_us: int
    end_us: int | None = None
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    cpu_s: float = 0.0
    peak_bytes: int = 0


class Published(_Model):
    """One output file. ``source`` is where it lies, durable, below the attempt's directory until it is published."""

    source: str | None = None
    url: str
    path: str
    size_bytes: int
    type: FileType = FileType.FILE


class AttemptLog(_Model):
    """One attempt as its agent reported it; becomes an entry of TES ``logs``."""

    executors: list[ExecutorLog] = []
    outputs: list[Published] = []
    system_logs: list[str] = []


class Outcome(StrEnum):
    """How an attempt ended (design.md, section 4, table of causes)."""

    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    LOST = "LOST"


class Attempt(_Model):
    """One try at a task, as stored."""

    id: str
    task: str
    number: int
    site: str
    state: Literal["leased", "started", "finished", "lost"]
    outcome: Outcome | None = None
    reason: str = ""
    created_us: int
    started_us: int | None = None
    ended_us: int | None = None
    log: AttemptLog = AttemptLog()


class Task(_Model):
    """A task as stored, with its attempts where they were asked for."""

    id: str
    owner: str
    kind: Kind
    workload: str | None
    key: str | None
    state: State
    reason: str
    sequence: int
    created_us: int
    started_us: int | None
    ended_us: int | None
    spec: TaskSpec
    terms: Terms
    attempts: list[Attempt] = []


class Progress(_Model):
    """Processes of a workload by what became of them; ``total`` is what the engine expects, if it said so."""

    total: int | None = None
    done: int = 0
    running: int = 0
    queued: int = 0
    failed: int = 0
    rules: dict[str, dict[str, int]] = {}


class NewTask(_Model):
    """What ``TaskService.create`` takes. ``key`` makes the create idempotent within the workload."""

    owner: str
    spec: TaskSpec
    terms: Terms = Terms()
    kind: Kind = Kind.PROCESS
    workload: str | None = None
    key: str | None = None


class Created(_Model):
    """What ``TaskService.create`` answers: a new task, or the one that has the key already."""

    id: str
    key: str | None
    state: State
    created: bool
