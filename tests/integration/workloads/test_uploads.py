"""Resumable uploads over real sockets: what is said to be there is there, whatever happens to the connection."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HEAD = {"Tus-Resumable": "1.0.0"}
WAIT_S = 30.0


async def offset(site: Any, url: str) -> int:
    answer = await site.client.head(url, headers=HEAD)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


async def test_an_upload_goes_on_where_it_stopped(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    assert await offset(site, url) == 0
    first = await site.send(url, CONTENT[:1000])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "1000")
    assert await offset(site, url) == 1000
    last = await site.send(url, CONTENT[1000:], 1000)
    assert last.headers["Upload-Offset"] == str(len(CONTENT))
    await site.until(created["id"], "QUEUED")
    placed = site.workspace / "workloads" / created["id"] / "inputs/text/a.txt"
    assert placed.read_bytes() == CONTENT


async def test_progress_shows_what_has_arrived(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT, "b.txt": b"b"})
    await site.send(created["uploads"][0]["url"], CONTENT[:1000])
    body = await site.until(created["id"], "UPLOADING")
    assert [one["received"] for one in body["inputs"]] == [1000, 0]
    assert [one["offset"] for one in body["uploads"]] == [1000, 0]


async def test_a_wrong_offset_is_a_conflict_that_names_the_right_one(site: Any) -> None:
    url = (await site.create({"a.txt": CONTENT}))["uploads"][0]["url"]
    await site.send(url, CONTENT[:10])
    for wrong in (0, 9, 11):
        answer = await site.send(url, b"x", wrong)
        assert (answer.status_code, "offset 10" in answer.text) == (409, True)
    assert await offset(site, url) == 10


async def test_more_than_was_declared_is_refused(site: Any) -> None:
    url = (await site.create({"a.txt": b"12345"}))["uploads"][0]["url"]
    assert (await site.send(url, b"123456")).status_code == 413

    async def unknown_length() -> AsyncIterator[bytes]:
        for piece in (b"123", b"456"):
            yield piece

    answer = await site.send(url, unknown_length())
    assert answer.status_code == 413
    assert await offset(site, url) <= 5


async def test_requests_that_are_not_tus_are_refused(site: Any) -> None:
    url = (await site.create({"a.txt": b"12345"}))["uploads"][0]["url"]
    good = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    table = (
        (415, {**good, "Content-Type": "text/plain"}),
        (412, {**good, "Tus-Resumable": "0.2.2"}),
        (412, {name: good[name] for name in ("Upload-Offset", "Content-Type")}),
        (400, {**good, "Upload-Offset": "-1"}),
        (400, {**good, "Upload-Offset": "x"}),
    )
    for status, headers in table:
        answer = await site.client.patch(url, content=b"1", headers=headers)
        assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await site.client.head(url)).headers["Tus-Version"] == "1.0.0"


async def test_the_server_says_what_it_can(site: Any) -> None:
    answer = await site.client.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,expiration,termination"


async def test_an_unfinished_upload_says_when_it_expires(site: Any) -> None:
    url = (await site.create({"a.txt": b"12345"}))["uploads"][0]["url"]
    open_one = await site.client.head(url, headers=HEAD)
    assert parsedate_to_datetime(open_one.headers["Upload-Expires"]).year >= 2024
    assert open_one.headers["Cache-Control"] == "no-store"
    assert open_one.headers["Upload-Length"] == "5"
    assert "Upload-Expires" not in (await site.send(url, b"12345")).headers


async def test_a_complete_upload_still_tells_its_offset(site: Any) -> None:
    created = await site.submit({"a.txt": b"12345"})
    await site.until(created["id"], "QUEUED")
    url = created["uploads"][0]["url"]
    assert await offset(site, url) == 5
    assert (await site.send(url, b"", 5)).status_code == 204
    assert (await site.send(url, b"x", 5)).status_code == 413


async def test_giving_an_upload_up_cancels_its_workload(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    await site.send(url, CONTENT[:10])
    assert (await site.client.delete(url, headers=HEAD)).status_code == 204
    assert "given up" in (await site.until(created["id"], "CANCELED"))["reason"]
    assert (await site.client.head(url, headers=HEAD)).status_code == 404


async def test_a_complete_upload_cannot_be_given_up(site: Any) -> None:
    created = await site.submit({"a.txt": b"1"})
    answer = await site.client.delete(created["uploads"][0]["url"], headers=HEAD)
    assert answer.status_code == 409


async def test_somebody_elses_upload_does_not_exist(site: Any) -> None:
    url = (await site.create({"a.txt": CONTENT}))["uploads"][0]["url"]
    eve = {"Authorization": f"Bearer {await site.token_of('eve')}", **HEAD}
    assert (await site.client.head(url, headers=eve)).status_code == 404
    async with httpx.AsyncClient() as nobody:
        assert (await nobody.head(url, headers=HEAD)).status_code == 401


async def test_a_full_disk_is_told_and_costs_nothing_that_arrived(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = (await site.create({"a.txt": CONTENT}))["uploads"][0]["url"]
    await site.send(url, CONTENT[:1000])

    def full(_descriptor: int, _data: object, _position: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        assert (await site.send(url, CONTENT[1000:], 1000)).status_code == 507
    assert await offset(site, url) == 1000
    assert (await site.send(url, CONTENT[1000:], 1000)).status_code == 204


async def test_many_small_files_come_in_one_bundle(site: Any) -> None:

    files = {f"{number}.txt": f"{number}\n".encode() for number in range(300)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"text/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    tar = packed.getvalue()
    bundle = {"size": len(tar), "sha256": hashlib.sha256(tar).hexdigest()}
    created = await site.create(files, bundle=bundle)
    (upload,) = created["uploads"]
    assert (upload["role"], upload["name"]) == ("bundle", "inputs.tar")
    await site.send(upload["url"], tar)
    body = await site.until(created["id"], "QUEUED", "FAILED")
    assert body["state"] == "QUEUED", body["reason"]
    folder: Path = site.workspace / "workloads" / created["id"] / "inputs/text"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert list(site.inside.uploads.folder.iterdir()) == []
