"""``/api/v1/data`` and ``:keep``: results that outlive their workloads."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from penstock.client.http import Server


class Kept(BaseModel):
    """A file or folder of the caller's data; ``url`` names it as an input."""

    model_config = ConfigDict(extra="ignore")

    name: str
    bytes: int
    files: int
    modified_at: str
    url: str


class Data:
    """Calls about what an owner keeps."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def keep(self, workload: str, name: str | None) -> Kept:
        """Let a workload's results outlive it."""
        return Kept.model_validate(self.server.post(f"/api/v1/workloads/{workload}:keep", {"name": name}))

    def list(self) -> list[Kept]:
        """What there is, by name."""
        return [Kept.model_validate(one) for one in self.server.get("/api/v1/data")["data"]]

    def remove(self, name: str) -> None:
        """Remove one; harmless when done again."""
        self.server.request("DELETE", f"/api/v1/data/{quote(name)}")
