"""An owner's storage credentials: ``/api/v1/credentials``."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from penstock.client.http import Server

PATH = "/api/v1/credentials"


class StorageCredential(BaseModel):
    """A credential without its values; ``changed_at`` is when they were last set (RFC 3339)."""

    model_config = ConfigDict(extra="ignore")

    name: str
    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    created_at: str
    changed_at: str


class Credentials:
    """Calls about the caller's own."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def list(self) -> list[StorageCredential]:
        """All, by name."""
        return [StorageCredential.model_validate(one) for one in self.server.get(PATH)["credentials"]]

    def set(self, name: str, what: dict[str, str], values: dict[str, str]) -> StorageCredential:
        """Store one, in the place of one of the same name; ``what`` are scheme, bucket, endpoint and so on."""
        answer = self.server.request("PUT", f"{PATH}/{quote(name, safe='')}", json={**what, "values": values})
        return StorageCredential.model_validate(answer.json())

    def remove(self, name: str) -> None:
        """Remove one."""
        self.server.request("DELETE", f"{PATH}/{quote(name, safe='')}")
