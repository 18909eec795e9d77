"""``/api/v1/pipelines``: what the server's catalogue offers."""

from __future__ import annotations

from typing import Any

from penstock.client.http import Server

_ROOT = "/api/v1/pipelines"


def list_pipelines(server: Server) -> list[dict[str, Any]]:
    """Name, title, version and description of every pipeline."""
    listed: list[dict[str, Any]] = server.get(_ROOT)["pipelines"]
    return listed


def get_pipeline(server: Server, name: str, version: str | None = None) -> dict[str, Any]:
    """The whole definition, with the parameters as JSON Schema; UnknownPipeline says what there is."""
    definition: dict[str, Any] = server.get(f"{_ROOT}/{name}", {"version": version} if version else None)
    return definition
