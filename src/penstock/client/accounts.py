"""What opens a workload's downloads: ``/api/v1/workloads/{id}/account`` and ``/links``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from penstock.client.http import Server
from penstock.client.workloads import Account


class AccountState(BaseModel):
    """``state`` is ``active`` or ``revoked``; ``rotated_at`` is when the secret was made (RFC 3339)."""

    model_config = ConfigDict(extra="ignore")

    state: str
    name: str | None = None
    rotated_at: str | None = None


class SignedLink(BaseModel):
    """An address that opens one file until ``expires_at``."""

    model_config = ConfigDict(extra="ignore")

    url: str
    expires_at: str


class Accounts:
    """Calls about the account of a workload; an operator's token reaches everybody's."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def get(self, workload: str) -> AccountState:
        """Whether it is open, and how old its secret is."""
        return AccountState.model_validate(self.server.get(_path(workload)))

    def rotate(self, workload: str) -> Account:
        """A new secret; the old one ends at once."""
        return Account.model_validate(self.server.post(f"{_path(workload)}:rotate"))

    def revoke(self, workload: str) -> None:
        """Close it at once; harmless when done again."""
        self.server.request("DELETE", _path(workload))

    def link(self, workload: str, path: str, lifetime_s: int) -> SignedLink:
        """An address that hands over one file; ``path`` as in ``files/calls.vcf.gz``."""
        body = {"path": path, "lifetime_s": lifetime_s}
        return SignedLink.model_validate(self.server.post(f"/api/v1/workloads/{workload}/links", body))


def _path(workload: str) -> str:
    return f"/api/v1/workloads/{workload}/account"
