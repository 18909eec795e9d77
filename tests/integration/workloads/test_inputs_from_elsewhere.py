"""Workloads whose inputs come from a real object store, with their owner's credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.transfers.gateway import ACCESS, SECRET, Gateway
from tests.integration.workloads.conftest import Site, serving
from tests.started import started

from penstock.settings import Settings


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one file in a bucket."""
    with started(Gateway(tmp_path_factory.mktemp("s3"))) as one:
        (one.bucket("reads") / "a b.txt").write_text("from the store\n")
        yield one


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """A server that may speak to this machine."""
    settings.allow_private_urls = True
    async with serving(settings) as running:
        await running.register()
        yield running


async def store(site: Site, gateway: Gateway, secret: str = SECRET) -> None:
    """Ada's credentials for the bucket."""
    values = {"access_key_id": ACCESS, "secret_access_key": secret}
    body = {"scheme": "s3", "bucket": "reads", "endpoint": gateway.url, "values": values}
    answer = await site.client.put("/api/v1/credentials/lab", json=body)
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text


async def create(site: Site, url: str) -> Any:
    """The answer to a workload with one input by URL."""
    inputs = [{"role": "text", "url": url}]
    return await site.client.post("/api/v1/workloads", json={"pipeline": "lines", "inputs": inputs})


async def test_an_input_comes_from_a_bucket(site: Site, gateway: Gateway) -> None:
    await store(site, gateway)
    made = (await create(site, "s3://reads/a b.txt")).json()
    await site.until(made["id"], "QUEUED", "RUNNING")
    placed = site.workspace / "workloads" / made["id"] / "inputs" / "text" / "a b.txt"
    assert placed.read_text() == "from the store\n"


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("s3://reads/none.txt", SECRET, "s3://reads/none.txt cannot be fetched: it does not exist"),
        ("s3://reads/a b.txt", "wrong-and-secret", "access is denied with the credentials 'lab'"),
    ],
)
async def test_what_cannot_be_had_fails_the_workload_in_words(
    site: Site, gateway: Gateway, url: str, secret: str, said: str
) -> None:
    await store(site, gateway, secret)
    made = (await create(site, url)).json()
    ended = await site.until(made["id"], "FAILED")
    assert said in ended["reason"]
    assert "wrong-and-secret" not in ended["reason"]


async def test_credentials_in_a_url_are_refused(site: Site, gateway: Gateway) -> None:
    refused = await create(site, "ftp://me:word@example.org/a.txt")
    assert (refused.status_code, "word" in refused.text) == (400, False)


async def test_another_owner_has_not_got_them(site: Site, gateway: Gateway, tmp_path: Path) -> None:
    await store(site, gateway)
    token = await site.token_of("eve")
    headers = {"Authorization": f"Bearer {token}"}
    listed = await site.client.get("/api/v1/credentials", headers=headers)
    assert listed.json() == {"credentials": []}
