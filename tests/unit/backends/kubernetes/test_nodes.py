"""The room of a cluster whose nodes come and go."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from tests.unit.backends.kubernetes.test_room import READY, node, settings
from tests.unit.backends.kubernetes.test_watch import cluster

from penstock.backends.kubernetes.nodes import Nodes
from penstock.backends.kubernetes.room import Space, of_nodes
from penstock.backends.kubernetes.taken import Taken

SETTINGS = settings(slots=500)
OURS = "penstock/attempt"
NOT_READY = [{"type": "Ready", "status": "Unknown"}]


def lost(name: str, **amounts: str) -> dict[str, Any]:
    """A node that is not heard of."""
    body = node(name, **amounts)
    return body | {"status": body["status"] | {"conditions": NOT_READY}}


class Api:
    """Nodes that change with each event of a script; ``done`` when all of it was told."""

    def __init__(self, *nodes: dict[str, Any], script: list[tuple[str, dict[str, Any]] | int]) -> None:
        self.nodes = {one["metadata"]["name"]: one for one in nodes}
        self.script = script
        self.surveys = 0
        self.done = asyncio.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "watch" in request.url.params:
            assert request.url.path == "/api/v1/nodes"
            return self._next()
        self.surveys += request.url.path == "/api/v1/pods"
        items = [*self.nodes.values()] if request.url.path == "/api/v1/nodes" else []
        return httpx.Response(200, json={"items": items, "metadata": {"resourceVersion": "10"}})

    def _next(self) -> httpx.Response:
        if not self.script:
            self.done.set()
            raise httpx.ReadError("closed")
        told = self.script.pop(0)
        if isinstance(told, int):
            return httpx.Response(told, json={"message": "no"})
        kind, body = told
        if kind == "DELETED":
            self.nodes.pop(body["metadata"]["name"])
        elif kind != "BOOKMARK":
            self.nodes[body["metadata"]["name"]] = body
        return httpx.Response(200, text=json.dumps({"type": kind, "object": body}) + "\n")


def made(api: Api) -> tuple[Nodes, Taken]:
    """As the agent has them when it has surveyed the cluster once."""
    space = of_nodes([*api.nodes.values()], [], SETTINGS, OURS)
    taken = Taken(space.total)
    return Nodes(cluster(api), SETTINGS, OURS, space, taken), taken


async def watched(api: Api) -> tuple[Space, Taken]:
    """What is known at the end of the script."""
    nodes, taken = made(api)
    running = asyncio.create_task(nodes.run())
    finished = asyncio.create_task(api.done.wait())
    await asyncio.wait([running, finished], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return nodes.space, taken


async def test_a_node_that_comes_brings_its_room() -> None:
    space, taken = await watched(Api(node("a"), script=[("ADDED", node("b"))]))
    assert (space.total.cpu_cores, space.total.slots) == (8, 220)
    assert taken.total == space.total


async def test_a_lost_node_takes_its_room_with_it() -> None:
    space, taken = await watched(Api(node("a"), node("b"), script=[("MODIFIED", lost("b"))]))
    assert (space.total.cpu_cores, taken.total.cpu_cores) == (4, 4)


async def test_a_node_that_is_removed_or_cordoned_takes_its_room_with_it() -> None:
    three = (node("a"), node("b"), node("c"))
    script = [("DELETED", node("b")), ("MODIFIED", node("c", unschedulable=True))]
    space, _ = await watched(Api(*three, script=[*script]))
    assert space.total.cpu_cores == 4


async def test_a_node_that_comes_back_brings_its_room_again() -> None:
    script = [("MODIFIED", lost("b")), ("MODIFIED", node("b"))]
    space, _ = await watched(Api(node("a"), node("b"), script=[*script]))
    assert space.total.cpu_cores == 8


async def test_a_task_for_the_largest_node_waits_for_it_while_it_is_lost() -> None:
    script = [("MODIFIED", lost("b", cpu="16", memory="64Gi"))]
    space, _ = await watched(Api(node("a"), node("b", cpu="16", memory="64Gi"), script=[*script]))
    assert space.total.cpu_cores == 4
    space.check(16, 60)


async def test_news_that_change_nothing_are_not_looked_into() -> None:
    heartbeat = node("a")
    heartbeat["status"]["conditions"] = [*READY, {"type": "DiskPressure", "status": "False"}]
    api = Api(node("a"), script=[("MODIFIED", heartbeat), ("MODIFIED", node("a")), ("BOOKMARK", node("a"))])
    await watched(api)
    assert api.surveys == 1


async def test_when_no_node_is_left_the_last_room_stays_until_one_comes() -> None:
    api = Api(node("a"), script=[("MODIFIED", lost("a")), ("MODIFIED", node("a", cpu="2"))])
    space, _ = await watched(api)
    assert space.total.cpu_cores == 2


async def test_an_api_server_that_forgets_or_fails_is_asked_anew() -> None:
    space, _ = await watched(Api(node("a"), script=[410, 500, ("ADDED", node("b"))]))
    assert space.total.cpu_cores == 8


async def test_without_the_right_to_watch_the_room_stays_as_it_was() -> None:
    api = Api(node("a"), script=[403, ("ADDED", node("b"))])
    space, _ = await watched(api)
    assert (space.total.cpu_cores, len(api.script)) == (4, 1)
