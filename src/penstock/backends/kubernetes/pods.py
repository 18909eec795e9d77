"""A pod as the API server shows it → the part that says what became of an attempt. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from penstock.clock import MICROSECONDS

Json = dict[str, Any]


@dataclass(frozen=True)
class Container:
    """One container's state; times in microseconds, where known to the second only."""

    state: Literal["waiting", "running", "terminated"]
    reason: str = ""
    message: str = ""
    exit_code: int = 0
    started_us: int | None = None
    image: str = ""


@dataclass(frozen=True)
class Pod:
    """``disruption``: why the cluster takes it away; ``unschedulable``: why it has no node yet."""

    name: str
    uid: str
    attempt: str
    phase: str
    version: str
    reason: str = ""
    message: str = ""
    deleting: bool = False
    disruption: str = ""
    unschedulable: str = ""
    containers: dict[str, Container] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.phase in ("Succeeded", "Failed") or (
            bool(self.containers) and all(one.state == "terminated" for one in self.containers.values())
        )


def parse_pod(body: Json, label: str) -> Pod:
    """``label`` names the label that holds the attempt's id."""
    metadata, status = body["metadata"], body.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    scheduled, disrupted = conditions.get("PodScheduled", {}), conditions.get("DisruptionTarget", {})
    waits = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=metadata.get("labels", {}).get(label, ""),
        phase=status.get("phase", "Pending"),
        version=metadata["resourceVersion"],
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        deleting="deletionTimestamp" in metadata,
        disruption=_words(disrupted) if disrupted.get("status") == "True" else "",
        unschedulable=scheduled.get("message", "") if waits else "",
        containers=dict(_containers(status)),
    )


def _containers(status: Json) -> Iterable[tuple[str, Container]]:
    for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        yield one["name"], _container(one)


def _container(status: Json) -> Container:
    image = status.get("image", "")
    for name in ("terminated", "running", "waiting"):
        state = status.get("state", {}).get(name)
        if state is not None:
            return Container(
                name,
                reason=state.get("reason", ""),
                message=state.get("message", ""),
                exit_code=state.get("exitCode", 0),
                started_us=_time(state.get("startedAt")),
                image=image,
            )
    return Container("waiting", image=image)


def _time(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp() * MICROSECONDS)


def _words(condition: Json) -> str:
    return f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
