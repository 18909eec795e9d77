"""The header Idempotency-Key of ``POST /api/v1/workloads``, over HTTP: one server, two servers, strangers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.integration.workloads.conftest import Site, declared, serving
from tests.integration.workloads.test_two_servers import two  # noqa: F401 - a fixture

from penstock.settings import Settings

BODY = {"pipeline": "lines", "inputs": [declared("a.txt", b"abc")]}
KEY = "2f1c6a0e9b7d4c53a8e1f0b2d4c6e8fa"


async def post(site: Any, key: str, body: object = BODY) -> httpx.Response:
    answer: httpx.Response = await site.client.post("/api/v1/workloads", json=body, headers={"Idempotency-Key": key})
    return answer


async def test_a_repeat_is_answered_with_the_same_workload_and_a_new_secret(site: Any) -> None:
    first, again = await post(site, KEY), await post(site, f'"{KEY}"')
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Location"] == first.headers["Location"]
    one, other = first.json(), again.json()
    secrets = [made["account"].pop("secret") for made in (one, other)]
    assert one == other
    assert secrets[0] != secrets[1]
    await site.send(other["uploads"][0]["url"], b"abc")
    await site.run(one["id"], {"results/x.txt": b"x"})
    url, name = f"/download/{one['id']}/files/results/x.txt", one["account"]["name"]
    site.inside.workloads.downloads.accounts.pause = at_once
    answers = [(await site.client.get(url, auth=(name, secret))).status_code for secret in secrets]
    assert answers == [401, 200]


async def at_once(_seconds: float) -> None:
    return None


async def test_a_repeat_says_what_has_arrived_meanwhile(site: Any) -> None:
    made = (await post(site, KEY)).json()
    await site.send(made["uploads"][0]["url"], b"ab")
    assert (await post(site, KEY)).json()["uploads"][0]["offset"] == 2


async def test_another_body_is_refused_by_what_differs(site: Any) -> None:
    await post(site, KEY)
    answer = await post(site, KEY, {**BODY, "parameters": {"width": 3}})
    assert answer.status_code == 422
    assert answer.json()["code"] == "key-reused"
    assert "another parameters" in answer.json()["detail"]


async def test_what_is_past_its_uploads_is_named(site: Any) -> None:
    made = (await post(site, KEY)).json()
    await site.send(made["uploads"][0]["url"], b"abc")
    answer = await post(site, KEY)
    assert answer.status_code == 409
    assert made["id"] in answer.json()["detail"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, '"', "a,b"])
async def test_what_cannot_be_a_key_is_refused(site: Any, key: str) -> None:
    answer = await post(site, key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_a_stranger_finds_a_workload_by_a_long_key_only(site: Any) -> None:
    site.inside.settings.anonymous_workloads = True
    del site.client.headers["Authorization"]
    assert (await post(site, KEY[:31])).status_code == 400
    first, again = await post(site, KEY), await post(site, KEY)
    other = await post(site, KEY[::-1])
    assert [one.status_code for one in (first, again, other)] == [201, 200, 201]
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    url = f"/api/v1/workloads/{first.json()['id']}"
    tokens = [one.json()["token"] for one in (again, other)]
    told = [await site.client.get(url, headers={"Authorization": f"Bearer {token}"}) for token in tokens]
    assert [one.status_code for one in told] == [200, 404]


async def test_where_nobody_needs_a_token_nobody_is_a_stranger(settings: Settings) -> None:
    opened = settings.model_copy(update={"anonymous_workloads": True, "authentication": "none"})
    async with serving(opened) as site:
        await site.register()
        del site.client.headers["Authorization"]
        made = (await post(site, KEY)).json()
        assert made["token"] is None
        assert (await site.client.get(f"/api/v1/workloads/{made['id']}")).status_code == 200


async def test_a_stranger_and_an_owner_with_one_key_have_a_workload_each(site: Any) -> None:
    site.inside.settings.anonymous_workloads = True
    own = await post(site, KEY)
    del site.client.headers["Authorization"]
    strange = await post(site, KEY)
    assert strange.status_code == 201
    assert own.json()["id"] != strange.json()["id"]


async def test_a_stranger_s_repeat_counts_as_one_workload(site: Any) -> None:
    site.inside.settings.anonymous_workloads = True
    site.inside.settings.anonymous_at_once = 1
    del site.client.headers["Authorization"]
    assert [(await post(site, KEY)).status_code for _ in range(2)] == [201, 200]
    assert (await post(site, KEY[::-1])).status_code == 429


async def test_two_servers_at_once_make_one_workload(two: tuple[Site, Site]) -> None:  # noqa: F811 - the fixture
    answers = await asyncio.gather(*(post(one, KEY) for one in two * 4))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [201]
    assert len({one.json()["id"] for one in answers}) == 1
    listed = (await two[0].client.get("/api/v1/workloads")).json()["workloads"]
    assert len(listed) == 1
