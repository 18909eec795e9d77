"""Hostile bodies and queries are refused with a reason, and nothing else suffers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.app import build_services, create_app, running
from penstock.bodies import LARGEST_BODY, LONGEST_QUERY
from penstock.settings import Settings

TASKS = "/ga4gh/tes/v1/tasks"
EXECUTOR = {"image": "i", "command": ["true"]}
NESTED = 1 << 19


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An application without tokens."""
    settings = Settings(data=tmp_path / "data", authentication="none")
    app = create_app(settings)
    inside = app.state.services = build_services(settings)
    async with running(inside):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as one:
            yield one


async def _post(client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]) -> tuple[int, str]:
    answer = await client.post(TASKS, content=content, headers={"Content-Type": "application/json"})
    assert answer.json()["status_code"] == answer.status_code
    return answer.status_code, str(answer.json()["msg"])


async def test_a_mebibyte_of_nested_arrays_is_400(client: httpx.AsyncClient) -> None:
    for text in (b"[" * NESTED + b"]" * NESTED, b"[" * (2 * NESTED), b'{"a":' * 100_000):
        assert (await _post(client, text))[0] == 400


async def test_a_body_above_the_limit_is_413(client: httpx.AsyncClient) -> None:
    status, told = await _post(client, b" " * (LARGEST_BODY + 1))
    assert (status, str(LARGEST_BODY) in told) == (413, True)


async def test_a_body_that_does_not_say_its_length_is_counted(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range((LARGEST_BODY >> 20) + 1):
            yield b" " * (1 << 20)

    assert (await _post(client, endless()))[0] == 413


async def test_ten_thousand_executors_are_400_naming_the_limit(client: httpx.AsyncClient) -> None:
    answer = await client.post(TASKS, json={"executors": [EXECUTOR] * 10_000})
    assert (answer.status_code, "at most 64" in answer.json()["msg"]) == (400, True)


async def test_an_endless_query_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.get(TASKS, params={"name_prefix": "x" * LONGEST_QUERY})
    assert (answer.status_code, "at most" in answer.json()["msg"]) == (400, True)
    assert (await client.get(TASKS, params={"tag_key": ["k"] * 1000})).status_code == 400


PATHS = ["/a/../b", "/..", "/a\0b", "/a\nb", "/a\udc80", f"/{'x' * 4096}", f"/{'a/' * 2048}", "relative", "/a//b"]


@pytest.mark.parametrize("field", ["input", "output", "volume", "workdir", "stdin", "stdout", "stderr"])
async def test_a_path_that_cannot_be_is_400(client: httpx.AsyncClient, field: str) -> None:
    for path in PATHS:
        named: dict[str, dict[str, Any]] = {
            "input": {"inputs": [{"path": path, "content": "x"}]},
            "output": {"outputs": [{"path": path, "url": "file:///workspace/owners/local/x"}]},
            "volume": {"volumes": [path]},
        }
        executor = EXECUTOR if field in named else {**EXECUTOR, field: path}
        text = json.dumps({"executors": [executor], **named.get(field, {})})
        assert (await _post(client, text.encode()))[0] == 400, path


async def test_what_is_no_task_is_400(client: httpx.AsyncClient) -> None:
    for text in (b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"executors": NaN}', b"1e999"):
        assert (await _post(client, text))[0] == 400, text
