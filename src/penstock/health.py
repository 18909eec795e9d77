"""``/livez``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, generate_latest
from sqlalchemy import text

from penstock.clock import now_us
from penstock.errors import Draining
from penstock.services import Services, services
from penstock.tasks import metrics

router = APIRouter(tags=["health"])
Inside = Annotated[Services, Depends(services)]


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(inside: Inside) -> dict[str, str]:
    """The server takes requests: its store answers and it is not about to stop."""
    if inside.signals.draining:
        raise Draining("This server is about to stop.")
    await inside.database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())
    return {"status": "ready"}


WORKLOADS = Gauge("penstock_workloads", "Workloads that are here, by state.", ["state"])
BYTES = Gauge(
    "penstock_workload_bytes", "What workloads hold, by state: inputs until they end, results then.", ["state"]
)
FILES = Gauge("penstock_workload_files", "Files of workloads, by state.", ["state"])
FREE = Gauge("penstock_workspace_free_bytes", "What may still be written to the workspace's disk.")


async def _measure_workloads(inside: Services) -> None:
    for gauge in (WORKLOADS, BYTES, FILES):
        gauge.clear()
    for state, workloads, size, files in await inside.workloads.counts():
        WORKLOADS.labels(state.value).set(workloads)
        BYTES.labels(state.value).set(size)
        FILES.labels(state.value).set(files)
    disk = os.statvfs(inside.settings.workspace_path)
    FREE.set(disk.f_bavail * disk.f_frsize)


@router.get("/metrics")
async def figures(inside: Inside) -> Response:
    """Prometheus (docs/metrics.md)."""
    await _measure_workloads(inside)
    now = await inside.database.read(metrics.census)
    return Response(generate_latest(REGISTRY) + metrics.exposition(now, now_us()), media_type=CONTENT_TYPE_LATEST)
