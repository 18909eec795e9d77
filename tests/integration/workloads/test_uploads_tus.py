"""tus 1.0: creation, creation-with-upload and checksum, as standard clients use them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from tests.integration.workloads.test_uploads_connections import patching, until_idle, until_writing

CONTENT = bytes(range(256)) * 400
TUS = {"Tus-Resumable": "1.0.0"}
BODY = {**TUS, "Content-Type": "application/offset+octet-stream"}


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def metadata(workload: str, role: str = "text", filename: str = "a.txt") -> str:
    return f"workload {b64(workload)},role {b64(role)},filename {b64(filename)},filetype {b64('text/plain')}"


def checksum(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {b64(hashlib.new(algorithm, content).digest())}"


async def create(site: Any, workload: str, content: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    told = {**(BODY if content else TUS), "Upload-Length": str(len(CONTENT)), "Upload-Metadata": metadata(workload)}
    return await site.client.post("/uploads", content=content, headers={**told, **(headers or {})})


async def offset(site: Any, url: str) -> int:
    return int((await site.client.head(url, headers=TUS)).headers["Upload-Offset"])


@pytest.fixture
async def created(site: Any) -> dict[str, Any]:
    """A workload that waits for one file."""
    body: dict[str, Any] = await site.create({"a.txt": CONTENT})
    return body


async def test_a_creation_finds_the_upload_that_the_workload_declared(site: Any, created: dict[str, Any]) -> None:
    for _ in range(2):  # the same again is the same upload
        answer = await create(site, created["id"])
        assert answer.status_code == 201, answer.text
        assert created["uploads"][0]["url"].endswith(answer.headers["Location"])
        assert answer.headers["Upload-Offset"] == "0"
        assert "Upload-Expires" in answer.headers
    assert (await site.send(answer.headers["Location"], CONTENT)).status_code == 204
    await site.until(created["id"], "QUEUED")


async def test_a_creation_may_bring_the_beginning_or_all_of_it(site: Any, created: dict[str, Any]) -> None:
    answer = await create(site, created["id"], CONTENT[:1000])
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "1000")
    assert (await site.send(answer.headers["Location"], CONTENT[1000:], 1000)).status_code == 204
    whole = await site.create({"a.txt": CONTENT})
    answer = await create(site, whole["id"], CONTENT, {"Upload-Checksum": checksum(CONTENT)})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(CONTENT)))
    await site.until(whole["id"], "QUEUED")


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        (409, {"Upload-Length": "7"}),
        (400, {"Upload-Length": ""}),
        (400, {"Upload-Length": "-1"}),
        (400, {"Upload-Length": "1" * 30}),
        (400, {"Upload-Metadata": ""}),
        (400, {"Upload-Metadata": "workload !!!"}),
        (400, {"Upload-Metadata": f"filename {b64('a.txt')}"}),
        (404, {"Upload-Metadata": metadata("01aaaaaaaaaaaaaaaaaaaaaaaa")}),
        (412, {"Tus-Resumable": "0.2.2"}),
    ],
)
async def test_a_creation_that_fits_nothing_is_refused(
    site: Any, created: dict[str, Any], status: int, changed: dict[str, str]
) -> None:
    answer = await create(site, created["id"], headers=changed)
    assert answer.status_code == status, answer.text


async def test_another_owners_upload_is_not_there(site: Any, created: dict[str, Any]) -> None:
    eve = {"Authorization": f"Bearer {await site.token_of('eve')}"}
    assert (await create(site, created["id"], headers=eve)).status_code == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_a_piece_with_the_right_checksum_is_kept(site: Any, created: dict[str, Any], algorithm: str) -> None:
    url = created["uploads"][0]["url"]
    for start in (0, 50_000):
        piece = CONTENT[start : start + 50_000] if start == 0 else CONTENT[start:]
        headers = {**BODY, "Upload-Offset": str(start), "Upload-Checksum": checksum(piece, algorithm)}
        assert (await site.client.patch(url, content=piece, headers=headers)).status_code == 204
    await site.until(created["id"], "QUEUED")


async def test_nothing_of_a_piece_with_a_wrong_checksum_is_kept(site: Any, created: dict[str, Any]) -> None:
    url = created["uploads"][0]["url"]
    await site.send(url, CONTENT[:1000])
    headers = {**BODY, "Upload-Offset": "1000", "Upload-Checksum": checksum(b"something else")}
    answer = await site.client.patch(url, content=CONTENT[1000:], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (460, "checksum-mismatch")
    assert await offset(site, url) == 1000
    assert (await site.send(url, CONTENT[1000:], 1000)).status_code == 204
    await site.until(created["id"], "QUEUED")


async def test_nothing_of_a_cut_piece_with_a_checksum_is_kept(site: Any, created: dict[str, Any]) -> None:
    url = created["uploads"][0]["url"]
    extra = f"Upload-Checksum: {checksum(CONTENT)}"
    async with patching(url, site.token, 0, len(CONTENT), extra) as sender:
        await sender.send(CONTENT[:70_000])
        await until_writing(site)
        sender.cut()
    await until_idle(site)
    assert await offset(site, url) == 0


@pytest.mark.parametrize("wrong", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "crc32 x", "sha256 %%%", "sha256"])
async def test_a_checksum_that_cannot_be_checked_is_refused(site: Any, created: dict[str, Any], wrong: str) -> None:
    headers = {**BODY, "Upload-Offset": "0", "Upload-Checksum": wrong}
    answer = await site.client.patch(created["uploads"][0]["url"], content=CONTENT, headers=headers)
    assert answer.status_code == (460 if wrong == "sha256" else 400)
    assert await offset(site, created["uploads"][0]["url"]) == 0


async def test_the_options_name_the_algorithms(site: Any) -> None:
    answer = await site.client.options("/uploads")
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"
