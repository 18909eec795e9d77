"""The API server: the few calls that a backend makes, each with one meaning for each answer.

Plain httpx: kr8s and kubernetes-asyncio bring objects, caches and informers of which nothing here is used, and their
watches hide the resource versions that a resume needs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from penstock.backends.kubernetes.access import Access
from penstock.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    PenstockError,
    Unreachable,
)

Json = dict[str, Any]
ANSWER_S, CONNECT_S = 30.0, 10.0
WATCH_S = 240  # the server ends a watch after this; it is resumed where it was
# Calls that are under way at a time; others wait here and not in the client's pool, which looks through all of its
# connections for each one that waits.
_AT_ONCE = 8
_BY_STATUS: dict[int, type[PenstockError]] = {
    400: InvalidInput, 401: NotAuthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone,
    422: InvalidInput,
}  # fmt: skip


class Cluster:
    """One namespace of a cluster. There is no limit on the rate of calls: the agent makes few of them."""

    def __init__(
        self, access: Access, namespace: str | None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._access = access
        self.namespace = namespace or access.namespace
        self._client = httpx.AsyncClient(
            base_url=access.url,
            verify=access.trust,
            transport=transport,
            trust_env=False,  # the API server is never behind the proxy that leads out of the network
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S, pool=None),
        )
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def version(self) -> dict[str, str]:
        """``major`` and ``minor``."""
        answer: dict[str, str] = await self._json("GET", "/version")
        return answer

    async def create(self, kind: str, body: Json) -> None:
        """Make an object (``kind`` is its plural); one of that name that is there already is ours."""
        try:
            await self._json("POST", self._path(kind), json=body)
        except Conflict:
            return

    async def delete(self, kind: str, name: str, grace_s: int | None = None) -> bool:
        """Ask for an object's removal; False if it is gone."""
        options: Json = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self._json("DELETE", self._path(kind, name), json=options)
        except NotFound:
            return False
        return True

    async def look(self, path: str, selector: str = "") -> tuple[list[Json], str]:
        """The objects below a path, such as ``/api/v1/nodes``, and the version from which to watch; Forbidden."""
        answer = await self._json("GET", path, params={"labelSelector": selector} if selector else None)
        return answer["items"], answer["metadata"]["resourceVersion"]

    async def pod(self, name: str) -> Json:
        """One pod; NotFound."""
        found: Json = await self._json("GET", self._path("pods", name))
        return found

    async def log(self, name: str, container: str) -> bytes:
        """What a container has printed."""
        answer = await self._request("GET", f"{self._path('pods', name)}/log", params={"container": container})
        return answer.content

    async def list_all(self, path: str) -> list[Json]:
        """The objects below a path; Forbidden where this agent has no such right."""
        return (await self.look(path))[0]

    async def watch(self, path: str, selector: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """Changes after ``version``: type and object. Gone when they are not kept any more; ends now and then."""
        query = {
            "watch": "1", "labelSelector": selector, "resourceVersion": version, "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }  # fmt: skip
        timeout = httpx.Timeout(WATCH_S + ANSWER_S, connect=CONNECT_S)
        request = self._client.build_request("GET", path, params=query, headers=self._credentials(), timeout=timeout)
        try:
            answer = await self._client.send(request, stream=True)
            try:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise _error(answer)
                async for line in answer.aiter_lines():
                    yield _change(json.loads(line))
            finally:
                await answer.aclose()
        except (httpx.TransportError, json.JSONDecodeError) as error:
            raise Unreachable(f"The watch was cut: {error or type(error).__name__}.") from error

    @property
    def pods(self) -> str:
        """The path of the namespace's pods."""
        return self._path("pods")

    def _path(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def _credentials(self) -> dict[str, str]:
        bearer = self._access.bearer()
        return {"Authorization": f"Bearer {bearer}"} if bearer else {}

    async def _json(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401
        return (await self._request(method, path, **more)).json()

    async def _request(
        self, method: str, path: str, *, json: Json | None = None, params: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            async with self._turns:
                answer = await self._client.request(method, path, json=json, params=params, headers=self._credentials())
        except httpx.TransportError as error:
            raise Unreachable(f"The API server does not answer: {error or type(error).__name__}.") from error
        if answer.status_code >= 400:
            raise _error(answer)
        return answer


def _change(event: Json) -> tuple[str, Json]:
    if event["type"] == "ERROR":
        code = event["object"].get("code", 500)
        raise _BY_STATUS.get(code, Unreachable)(event["object"].get("message", "The watch failed."))
    return event["type"], event["object"]


def _error(answer: httpx.Response) -> PenstockError:
    try:
        words = answer.json().get("message", "")
    except (ValueError, AttributeError):
        words = ""
    words = words or f"{answer.status_code} {answer.reason_phrase}"
    return _BY_STATUS.get(answer.status_code, Unreachable)(f"The API server refused: {words}")
