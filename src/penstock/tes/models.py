"""GA4GH TES 1.1 on the wire: what the server answers. What it takes is ``penstock.tasks.models.TaskSpec``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from penstock.tasks.models import Executor, Input, Output, Resources, State


class TesState(StrEnum):
    """tesState: every name that TES 1.1 has; no task of this server is ever UNKNOWN, PAUSED or PREEMPTED."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"


NEVER_USED = frozenset({TesState.UNKNOWN, TesState.PAUSED, TesState.PREEMPTED})


@dataclass(frozen=True)
class Wanted:
    """The query of ListTasks as it was sent."""

    name_prefix: str
    state: TesState | None
    tag_key: Sequence[str]
    tag_value: Sequence[str]
    page_size: int
    page_token: str | None


class View(StrEnum):
    """How much of a task is told."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


class TesExecutorLog(BaseModel):
    """tesExecutorLog."""

    start_time: str | None = None
    end_time: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int


class TesOutputFileLog(BaseModel):
    """tesOutputFileLog; ``size_bytes`` is text in TES 1.1."""

    url: str
    path: str
    size_bytes: str


class TesTaskLog(BaseModel):
    """tesTaskLog: one attempt."""

    logs: list[TesExecutorLog]
    metadata: dict[str, str] | None = None
    start_time: str | None = None
    end_time: str | None = None
    outputs: list[TesOutputFileLog]
    system_logs: list[str] | None = None


class TesTask(BaseModel):
    """tesTask."""

    id: str
    state: State
    name: str | None = None
    description: str | None = None
    inputs: list[Input] | None = None
    outputs: list[Output] | None = None
    resources: Resources | None = None
    executors: list[Executor] | None = None
    volumes: list[str] | None = None
    tags: dict[str, str] | None = None
    logs: list[TesTaskLog] | None = None
    creation_time: str | None = None


class TesCreateTaskResponse(BaseModel):
    """tesCreateTaskResponse."""

    id: str


class TesListTasksResponse(BaseModel):
    """tesListTasksResponse; no token means that this was the last page."""

    tasks: list[TesTask]
    next_page_token: str | None = None


class Organization(BaseModel):
    """Who runs the service."""

    name: str
    url: str


class ServiceType(BaseModel):
    """The artifact's name is lower case in the specification's text, and clients compare it."""

    group: str = "org.ga4gh"
    artifact: str = "tes"
    version: str = "1.1.0"


class TesServiceInfo(BaseModel):
    """tesServiceInfo."""

    id: str
    name: str
    type: ServiceType = ServiceType()
    description: str
    organization: Organization
    documentationUrl: str | None = None  # noqa: N815 - GA4GH service-info's own spelling
    version: str
    storage: list[str]
    tesResources_backend_parameters: list[str]  # noqa: N815 - TES 1.1's own spelling


class OldServiceInfo(BaseModel):
    """ServiceInfo of TES 1.0, at ``/tasks/service-info``: py-tes 0.4 takes no other field."""

    name: str
    doc: str
    storage: list[str]
