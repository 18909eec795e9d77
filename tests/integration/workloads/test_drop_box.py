"""The drop box: a tar that is put there starts a workload; what is wrong with it is told, and harms nothing."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.workloads.conftest import WAIT_S, declared, serving

from penstock.clock import Deadline
from penstock.errors import Conflict
from penstock.settings import Settings
from penstock.workloads import store_drops
from penstock.workloads.models import DropState

HASH = "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49dFL1U4wX/"
ACCOUNT = ("ada", "pw")
MANIFEST = f"pipeline: lines\ninputs: {{text: a.txt}}\naccount: {{name: ada, hash: {HASH}}}\n"
KEY = "0123456789abcdef0123456789abcdef"


def tar(files: dict[str, bytes | str], *more: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
        for one in more:
            archive.addfile(one, io.BytesIO(b"\0" * one.size))
    return packed.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


GOOD: dict[str, bytes | str] = {"workload.yml": MANIFEST, "a.txt": b"text"}


@pytest.fixture
def settings(tmp_path: Path, catalogue: Path) -> Settings:
    """A server with an open drop box."""
    return Settings(data=tmp_path / "data", authentication="tokens", catalogue=[catalogue], drop_box=True)


async def put(site: Any, content: Any, key: str = KEY, name: str = "x.tar", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=site.url, timeout=WAIT_S) as nobody:
        return await nobody.put(f"/upload/{key}/{name}", content=content, headers=headers)


async def look(site: Any, key: str = KEY, auth: tuple[str, str] | None = ACCOUNT) -> httpx.Response:
    """What ``/download/<key>/`` answers once the drop was looked through."""
    deadline = Deadline.after(WAIT_S)
    async with httpx.AsyncClient(base_url=site.url, timeout=WAIT_S) as nobody:
        while True:
            answer = await nobody.get(f"/download/{key}/", auth=auth)
            if "looked through" not in answer.text:
                return answer
            assert not deadline.passed
            await asyncio.sleep(0)


async def workload_of(site: Any, key: str = KEY) -> str:
    await look(site, key)
    return str(await site.inside.workloads.drops.resolve(key))


async def until(site: Any, workload: str, *states: str) -> Any:
    owner = await site.inside.workloads.owner_of(workload)
    after, deadline = 0, Deadline.after(WAIT_S)
    while not deadline.passed:
        seen = (await site.inside.workloads.look(owner, workload, after, deadline)).workload
        if seen.state.value in states:
            return seen
        after = seen.sequence
    pytest.fail(f"it is {seen.state}: {seen.reason}")


async def test_a_tar_starts_a_workload_and_its_account_opens_the_results(site: Any) -> None:
    answer = await put(site, tar(GOOD))
    assert (answer.status_code, answer.text) == (201, f"Received. Its results: {site.url}/download/{KEY}/\n")
    workload = await workload_of(site)
    await until(site, workload, "QUEUED")
    placed = site.workspace / "workloads" / workload / "inputs/text/a.txt"
    assert placed.read_bytes() == b"text"
    await site.begin(workload)
    site.write(workload, {"results/n.tsv": b"1\n"})
    await site.end(workload)
    await until(site, workload, "SUCCEEDED")
    async with httpx.AsyncClient(base_url=f"{site.url}/download/{KEY}", auth=ACCOUNT) as ada:
        assert (await ada.get("/files/results/n.tsv")).content == b"1\n"
        packed = (await ada.get("/results.tar")).content
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            assert "results/n.tsv" in archive.getnames()
        assert (await ada.delete("/")).status_code == 204
    deadline = Deadline.after(WAIT_S)
    while list((site.workspace / "owners").iterdir()):
        assert not deadline.passed
        await asyncio.sleep(0)
    assert (await look(site)).status_code == 401


async def test_other_accounts_and_strangers_get_nothing_of_a_drop(site: Any) -> None:
    await put(site, tar(GOOD))
    await workload_of(site)
    for auth in (None, ("ada", "wrong"), ("eve", "pw"), ("ada", HASH)):
        assert (await look(site, auth=auth)).status_code == 401


async def test_names_by_tar_dot_and_in_folders_work(site: Any) -> None:
    manifest = MANIFEST.replace("a.txt", "[./deep/a.txt]".replace("./", ""))
    content = tar({"./workload.yml": manifest, "./deep/a.txt": b"1"}, entry("./", tarfile.DIRTYPE))
    await put(site, content)
    workload = await workload_of(site)
    await until(site, workload, "QUEUED")
    assert (site.workspace / "workloads" / workload / "inputs/text/a.txt").read_bytes() == b"1"


async def test_it_is_closed_by_default(tmp_path: Path, catalogue: Path) -> None:
    async with serving(Settings(data=tmp_path / "other", catalogue=[catalogue])) as site:
        assert (await put(site, tar(GOOD))).status_code == 404
        assert not (site.workspace / "drops").exists()


async def test_what_is_there_is_not_written_over(site: Any) -> None:
    assert (await put(site, tar(GOOD))).status_code == 201
    assert (await put(site, tar({**GOOD, "a.txt": b"other"}))).status_code == 409
    assert (await put(site, tar(GOOD), name="y.tar")).status_code == 409
    workload = await workload_of(site)
    await until(site, workload, "QUEUED")
    assert (site.workspace / "workloads" / workload / "inputs/text/a.txt").read_bytes() == b"text"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH", "POST"])
async def test_nothing_but_a_put_works_there(site: Any, method: str) -> None:
    await put(site, tar(GOOD))
    async with httpx.AsyncClient(base_url=site.url) as nobody:
        assert (await nobody.request(method, f"/upload/{KEY}/x.tar")).status_code == 405


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("short", "x.tar"),
        ("a" * 21, "x.tar"),
        ("a" * 65, "x.tar"),
        ("01m7z3teraw1cm25c9wzjw1wgn", "x.tar"),
        (KEY + "%2F..", "x.tar"),
        (KEY + "%00", "x.tar"),
        (KEY + "%0A", "x.tar"),
        (KEY, "x.tar.gz"),
        (KEY, ".tar"),
        (KEY, "..%2F..%2Fx.tar"),
        (KEY, "-x.tar"),
        (KEY, "x;rm -rf.tar"),
        (KEY, "$(id).tar"),
        (KEY, "x\u202e.tar"),
        (KEY, "y" * 200 + ".tar"),
    ],
)
async def test_names_that_are_not_plain_are_refused(site: Any, key: str, name: str) -> None:
    answer = await put(site, tar(GOOD), key, name)
    assert answer.status_code in (400, 404), answer.text
    assert not (site.workspace / "drops").exists()


async def test_a_tar_that_is_too_large_is_refused_before_it_is_sent(site: Any) -> None:
    site.inside.settings.drop_box_largest = 100
    assert (await put(site, tar(GOOD))).status_code == 413
    site.inside.settings.drop_box_largest = 1 << 50
    site.inside.settings.anonymous_largest = 100
    assert (await put(site, tar(GOOD))).status_code == 413
    assert not (site.workspace / "drops").exists()


async def test_there_is_an_end_to_how_many_are_taken(site: Any) -> None:
    site.inside.settings.anonymous_at_once = 2
    for number in range(2):
        assert (await put(site, tar(GOOD), f"{number}" * 32)).status_code == 201
        await workload_of(site, f"{number}" * 32)
    answer = await put(site, tar(GOOD))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "600")


async def test_how_many_came_within_an_hour_is_counted_in_the_store(site: Any) -> None:
    site.inside.settings.anonymous_workloads = True
    site.inside.settings.anonymous_per_hour = 2
    assert (await put(site, tar(GOOD), "0" * 32)).status_code == 201
    await workload_of(site, "0" * 32)
    body = {"pipeline": "lines", "inputs": [declared("a.txt", b"a")]}
    del site.client.headers["Authorization"]
    made = await site.client.post("/api/v1/workloads", json=body)
    assert made.status_code == 201, made.text
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    await site.client.post(f"/api/v1/workloads/{made.json()['id']}:cancel", headers=token)
    assert (await site.client.post("/api/v1/workloads", json=body)).status_code == 429
    assert (await put(site, tar(GOOD), "1" * 32)).status_code == 429


async def test_a_body_of_unknown_length_is_refused(site: Any) -> None:
    async def pieces() -> Any:
        yield tar(GOOD)

    assert (await put(site, pieces())).status_code == 400


async def test_what_was_cut_counts_as_nothing_and_can_be_sent_again(site: Any) -> None:
    content = tar({**GOOD, "a.txt": b"x" * 3_000_000})
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rpartition(":")[2]))
    writer.write(f"PUT /upload/{KEY}/x.tar HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode())
    writer.write(content[:2_000_000])
    await writer.drain()
    drops, deadline = site.workspace / "drops", Deadline.after(WAIT_S)
    while not (drops.exists() and list(drops.iterdir())):
        assert not deadline.passed
        await asyncio.sleep(0)
    writer.transport.abort()
    while list(drops.iterdir()):
        assert not deadline.passed
        await asyncio.sleep(0)
    while (answer := await put(site, content)).status_code == 409:
        assert not deadline.passed
    assert answer.status_code == 201
    await until(site, await workload_of(site), "QUEUED")


async def test_what_had_arrived_before_a_kill_is_gone_on_with(site: Any) -> None:
    """The server dies between the answer and the look: what it leaves is made here, then it is started."""
    drops = site.inside.workloads.drops
    half, whole = "h" * 32, "w" * 32
    for key in (half, whole):
        await site.inside.database.write(partial(store_drops.reserve, key=key, at_us=1))
    path = drops._places.drop(whole)
    drops._places.make(path.parent)
    path.write_bytes(tar(GOOD))
    part = drops._places.drop(half).with_suffix(".1.part")
    part.write_bytes(tar(GOOD)[:700])
    os.utime(part, (1, 1))
    move = partial(store_drops.move, key=whole, source=DropState.RECEIVING, target=DropState.RECEIVED)
    await site.inside.database.write(move)
    await drops.start()
    await until(site, await workload_of(site, whole), "QUEUED")
    assert (await put(site, tar(GOOD), half)).status_code == 201
    await until(site, await workload_of(site, half), "QUEUED")


async def test_a_drop_that_two_servers_look_through_is_one_workload(site: Any) -> None:
    await put(site, tar(GOOD))
    await asyncio.gather(*(site.inside.workloads.drops._take(KEY) for _ in range(3)))
    await until(site, await workload_of(site), "QUEUED")
    operator = {"Authorization": f"Bearer {await site.inside.access.issue('root', ['admin'])}"}
    listed = (await site.client.get("/api/v1/workloads?owner=*", headers=operator)).json()["workloads"]
    assert len(listed) <= 1


async def test_a_server_that_was_slower_leaves_the_drop_to_the_faster_one(site: Any, monkeypatch: Any) -> None:
    drops = site.inside.workloads.drops

    async def too_late(key: str, *_: Any) -> None:
        taken = partial(store_drops.move, source=DropState.RECEIVED, target=DropState.TAKEN, workload="0" * 26)
        await site.inside.database.write(partial(taken, key=key))
        raise Conflict("Another server was faster.")

    monkeypatch.setattr(drops, "_submit", too_late)
    await put(site, tar(GOOD))
    await asyncio.gather(*drops._taking)
    assert drops._places.drop(KEY).read_bytes() == tar(GOOD)
