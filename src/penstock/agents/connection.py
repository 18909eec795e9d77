"""How an agent reaches the server: the client's HTTP set-up, called from threads."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel

from penstock.agents.protocol import (
    Hello,
    LeaseAnswer,
    LeaseRequest,
    Orders,
    Renewal,
    Reports,
    ReportsAnswer,
    Welcome,
)
from penstock.client.http import Server

Answer = TypeVar("Answer", bound=BaseModel)


class Connection:
    """The calls of the protocol. Fenced, NotFound, and all of status 500 and above are what a caller has to expect."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def hello(self, hello: Hello) -> Welcome:
        """Register."""
        return await self._call("hello", hello, Welcome)

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        """Long-poll for work."""
        return await self._call("lease", request, LeaseAnswer, request.wait)

    async def renew(self, renewal: Renewal) -> Orders:
        """Renew all leases."""
        return await self._call("renew", renewal, Orders)

    async def report(self, reports: Reports) -> ReportsAnswer:
        """Report a batch."""
        return await self._call("report", reports, ReportsAnswer)

    async def _call(self, name: str, body: BaseModel, answer: type[Answer], wait_s: float = 0.0) -> Answer:
        sent = body.model_dump(mode="json")
        response = await asyncio.to_thread(self._server.request, "POST", f"/agent/v1/{name}", json=sent, wait_s=wait_s)
        return answer.model_validate_json(response.content)
