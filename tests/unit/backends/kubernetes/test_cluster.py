"""Calls to the API server, however many tasks there are."""

from __future__ import annotations

import asyncio
import ssl

import httpx

from penstock.backends.kubernetes.access import Access
from penstock.backends.kubernetes.cluster import Cluster

MOST = 8


class Crowd(httpx.AsyncBaseTransport):
    """An API server that answers when it is told to, and counts who waits for it."""

    def __init__(self) -> None:
        self.inside = self.most = self.asked = 0
        self.full, self.go_on = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == MOST:
            self.full.set()
        await self.go_on.wait()
        self.inside -= 1
        return httpx.Response(201, json={}, request=request)


async def test_of_many_calls_a_few_are_under_way_at_a_time_and_all_are_made() -> None:
    crowd = Crowd()
    cluster = Cluster(Access("https://api", "ns", ssl.create_default_context(), token="t"), None, crowd)
    calls = [asyncio.create_task(cluster.create("pods", {"metadata": {"name": str(n)}})) for n in range(100)]
    await crowd.full.wait()
    crowd.go_on.set()
    await asyncio.gather(*calls)
    assert (crowd.asked, crowd.most) == (100, MOST)
    await cluster.close()
