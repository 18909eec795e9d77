"""``/livez``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
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


@router.get("/metrics")
async def figures(inside: Inside) -> Response:
    """Prometheus (docs/metrics.md)."""
    now = await inside.database.read(metrics.census)
    return Response(generate_latest(REGISTRY) + metrics.exposition(now, now_us()), media_type=CONTENT_TYPE_LATEST)
