"""The watch over an API server that cuts, forgets and refuses."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.unit.backends.kubernetes.conftest import pod_body

from penstock.backends.kubernetes.access import Access
from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.pods import Pod
from penstock.backends.kubernetes.watch import Watch
from penstock.errors import Conflict, Forbidden, NotFound, Unreachable

Handler = Callable[[httpx.Request], httpx.Response]


def cluster(handler: Handler) -> Cluster:
    """A cluster whose API server is a function."""
    access = Access("https://api", "ns", ssl.create_default_context(), token="t")
    return Cluster(access, None, httpx.MockTransport(handler))


def pod(name: str, version: str) -> dict[str, Any]:
    """A pod's body."""
    body: dict[str, Any] = pod_body()
    body["metadata"] |= {"name": name, "resourceVersion": version}
    return body


class Server:
    """Answers lists and watches from a script; ``asked`` are the versions that watches started from."""

    def __init__(self, lists: list[list[dict[str, Any]]], watches: list[Any]) -> None:
        self.lists = lists
        self.watches = watches
        self.asked: list[str] = []
        self.done = asyncio.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer t"
        if "watch" not in request.url.params:
            items = self.lists.pop(0)
            return httpx.Response(200, json={"items": items, "metadata": {"resourceVersion": "10"}})
        self.asked.append(request.url.params["resourceVersion"])
        if not self.watches:
            self.done.set()
            raise httpx.ReadError("closed")
        told = self.watches.pop(0)
        if isinstance(told, Exception):
            raise told
        if isinstance(told, int):
            return httpx.Response(told, json={"message": "no"})
        return httpx.Response(200, text="".join(json.dumps(one) + "\n" for one in told))


async def watched(server: Server) -> tuple[list[str], list[str]]:
    """Names seen (with versions) and gone while the script lasted."""
    seen: list[str] = []
    gone: list[str] = []

    def see(one: Pod) -> None:
        seen.append(f"{one.name}@{one.version}")

    watch = Watch(cluster(server), "l=x", "penstock/attempt", see, lambda one: gone.append(one.name))
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(server.done.wait(), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return seen, gone


def event(kind: str, name: str, version: str) -> dict[str, Any]:
    """One line of a watch."""
    return {"type": kind, "object": pod(name, version)}


async def test_changes_are_told_in_order_and_a_deleted_pod_with_its_last_words() -> None:
    changes = [event("ADDED", "a", "11"), event("MODIFIED", "a", "12"), event("DELETED", "a", "13")]
    server = Server([[pod("b", "9")]], [changes])
    assert await watched(server) == (["b@9", "a@11", "a@12", "a@13"], ["a"])
    assert server.asked == ["10", "13"]


async def test_a_cut_watch_is_resumed_where_it_was() -> None:
    server = Server([[]], [[event("ADDED", "a", "11")], httpx.ReadError("cut"), 503, [event("MODIFIED", "a", "14")]])
    assert await watched(server) == (["a@11", "a@14"], [])
    assert server.asked == ["10", "11", "11", "11", "14"]


async def test_bookmarks_move_the_place_to_resume_from() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}
    server = Server([[]], [[bookmark]])
    await watched(server)
    assert server.asked == ["10", "99"]


@pytest.mark.parametrize("told", [410, [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]])
async def test_a_history_that_is_gone_means_looking_at_everything_anew(told: object) -> None:
    server = Server([[pod("a", "9"), pod("b", "9")], [pod("b", "12")]], [told])
    seen, gone = await watched(server)
    assert (seen, gone) == (["a@9", "b@9", "b@12"], ["a"])


async def test_every_answer_has_one_meaning() -> None:
    answers = {403: Forbidden, 404: NotFound, 409: Conflict, 429: Unreachable, 500: Unreachable}
    for status, kind in answers.items():

        def answer(_request: httpx.Request, status: int = status) -> httpx.Response:
            return httpx.Response(status, json={"message": "words"})

        with pytest.raises(kind, match="words"):
            await cluster(answer)._json("GET", "/x")


async def test_what_is_there_already_was_made_and_what_is_gone_was_deleted() -> None:
    await cluster(lambda _request: httpx.Response(409, json={})).create("pods", {})
    assert not await cluster(lambda _request: httpx.Response(404, json={})).delete("pods", "x", 0)
