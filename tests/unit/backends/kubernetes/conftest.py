"""Works, sites and pods for the tests of the pure parts."""

from __future__ import annotations

from typing import Any

from penstock.agents.protocol import Work
from penstock.backends.kubernetes.manifest import pod_name
from penstock.backends.kubernetes.site import Site
from penstock.names import TOOLS_IMAGE

ATTEMPT = "01hzzzzzzzzzzzzzzzzzzzzzzz-1"
FOLDER = "tasks/01hzzzzzzzzzzzzzzzzzzzzzzz/1"
URL = "file:///workspace/owners/o/data"
SITE = Site(
    deployment="demo",
    site="here",
    claim="workspace",
    claim_folder="",
    node=None,
    user=10001,
    tools_image="registry.example/tools:1",
    server_image="penstock/server:1",
    launcher_image="penstock/launcher:1",
    pull_secret=None,
    url="https://penstock.example",
)


def work(*executors: dict[str, Any], kind: str = "process", terms: dict[str, Any] | None = None, **spec: Any) -> Work:
    """Work whose executors have these fields besides image and command."""
    given = [{"image": TOOLS_IMAGE, "command": ["run", "me"]} | executor for executor in executors or ({},)]
    return Work.model_validate(
        {
            "attempt": ATTEMPT, "kind": kind, "owner": "o", "workload": "w1", "token": "t",
            "spec": {"executors": given, **spec}, "terms": terms or {},
        }
    )  # fmt: skip


def pod_body(containers: dict[str, dict[str, Any]] | None = None, *, deleting: bool = False, **status: Any) -> Any:
    """A pod as the API server shows it; ``containers`` are states by name."""
    found = [{"name": name, "image": "as/resolved:1", "state": state} for name, state in (containers or {}).items()]
    metadata: dict[str, Any] = {
        "name": pod_name(ATTEMPT), "uid": "u1", "resourceVersion": "7", "labels": {"penstock/attempt": ATTEMPT},
    }  # fmt: skip
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": {"phase": "Running", "containerStatuses": found, **status}}
