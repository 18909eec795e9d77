"""``/api/v1/pipelines``: what the catalogue offers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from penstock.pipelines.models import Pipeline
from penstock.services import Services, services

router = APIRouter(prefix="/api/v1/pipelines", tags=["pipelines"])
Available = Annotated[Services, Depends(services)]


@router.get("")
def list_pipelines(available: Available) -> dict[str, list[dict[str, Any]]]:
    """Every pipeline, without its parameters."""
    return {"pipelines": [_entry(pipeline) for pipeline in available.pipelines.list()]}


@router.get("/{name}")
def get_pipeline(name: str, available: Available, version: str | None = None) -> dict[str, Any]:
    """The whole definition, with the parameters as JSON Schema, and its digest."""
    pipeline = available.pipelines.get(name, version)
    return {**pipeline.definition.model_dump(mode="json"), "digest": pipeline.digest}


def _entry(pipeline: Pipeline) -> dict[str, Any]:
    return {key: getattr(pipeline.definition, key) for key in ("name", "title", "version", "description")}
