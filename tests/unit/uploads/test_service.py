"""Uploads over a real database and a real disk."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.database.engine import Database
from penstock.errors import Conflict, NotFound, StorageFull, TooLarge
from penstock.names import new_id
from penstock.settings import Settings
from penstock.signals import Signals
from penstock.uploads import store
from penstock.uploads.models import Upload
from penstock.uploads.service import UploadService

MIB = 1 << 20


@dataclass(frozen=True)
class File:
    """A file that is declared."""

    name: str
    size: int
    role: str = "text"
    sha256: str = "0" * 64


@pytest.fixture
async def uploads(tmp_path: Path, database: Database) -> AsyncIterator[UploadService]:
    one = UploadService(Settings(data=tmp_path / "data"), database, Signals(), free=lambda _folder: 1 << 40)
    yield one
    one.close()


async def declare(uploads: UploadService, *sizes: int, workload: str = "w") -> list[Upload]:
    files = [File(f"{number}.txt", size) for number, size in enumerate(sizes)]
    return await uploads.create("ada", workload, files, lambda _connection: None)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_uploads_keep_the_order_they_were_declared_in(uploads: UploadService) -> None:
    await declare(uploads, *range(1, 200))
    received = await uploads.of_workload("w")
    assert [one.upload.size for one in received] == list(range(1, 200))


async def test_what_was_received_is_on_disk_when_it_is_answered(uploads: UploadService) -> None:
    (upload,) = await declare(uploads, 10)
    assert await uploads.receive(upload, 0, None, pieces(b"01", b"23")) == 4
    assert uploads.path(upload.id).read_bytes() == b"0123"
    assert await uploads.receive(upload, 4, 6, pieces(b"456789")) == 10
    assert (await uploads.get("ada", upload.id)).complete


async def test_a_workload_is_told_once_all_its_uploads_are_complete(uploads: UploadService) -> None:
    told: list[str] = []

    async def complete(workload: str) -> None:
        assert not await uploads.waiting(workload)
        told.append(workload)

    uploads.on_complete = complete
    first, second, _empty = await declare(uploads, 1, 1, 0)
    await uploads.receive(first, 0, 1, pieces(b"a"))
    assert told == []
    await uploads.receive(second, 0, 1, pieces(b"b"))
    assert told == ["w"]


async def test_a_complete_upload_is_noted_before_anybody_is_told(uploads: UploadService, database: Database) -> None:
    async def killed(_workload: str) -> None:
        raise KeyboardInterrupt

    uploads.on_complete = killed
    (upload,) = await declare(uploads, 1)
    with pytest.raises(KeyboardInterrupt):
        await uploads.receive(upload, 0, 1, pieces(b"a"))
    found = await database.read(lambda c: store.find(c, upload.id))
    assert found is not None
    assert found.complete


async def test_too_much_is_refused_and_what_fits_before_is_kept(uploads: UploadService) -> None:
    (upload,) = await declare(uploads, 5)
    with pytest.raises(TooLarge):
        await uploads.receive(upload, 0, 6, pieces(b"012345"))
    assert not uploads.path(upload.id).exists()
    with pytest.raises(TooLarge):
        await uploads.receive(upload, 0, None, pieces(b"012", b"345"))
    assert uploads.path(upload.id).read_bytes() == b"012"


async def test_a_body_that_breaks_off_with_an_error_keeps_what_arrived(uploads: UploadService) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"012"
        raise ConnectionResetError

    (upload,) = await declare(uploads, 5)
    with pytest.raises(ConnectionResetError):
        await uploads.receive(upload, 0, 5, broken())
    assert await uploads.offset(upload) == 3


async def test_a_cancelled_request_keeps_what_arrived_and_lets_go(uploads: UploadService) -> None:
    arrived = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"012"
        arrived.set()
        await asyncio.Event().wait()

    (upload,) = await declare(uploads, 5)
    request = asyncio.create_task(uploads.receive(upload, 0, 5, endless()))
    await arrived.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert await uploads.receive(upload, 3, 2, pieces(b"34")) == 5
    assert uploads.path(upload.id).read_bytes() == b"01234"


async def test_a_wrong_offset_changes_nothing(uploads: UploadService) -> None:
    (upload,) = await declare(uploads, 5)
    with pytest.raises(Conflict, match="offset 0, not 3"):
        await uploads.receive(upload, 3, 2, pieces(b"34"))
    assert not uploads.path(upload.id).exists()


async def test_memory_does_not_grow_with_the_upload(uploads: UploadService) -> None:
    size = 64 * MIB

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // 65536):
            yield bytes(65536)

    (upload,) = await declare(uploads, size)
    tracemalloc.start()
    try:
        await uploads.receive(upload, 0, size, body())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert uploads.path(upload.id).stat().st_size == size
    assert peak < 8 * MIB


async def test_room_is_checked_before_anything_is_made(uploads: UploadService, tmp_path: Path) -> None:
    made: list[str] = []
    reserve = Settings().workspace_reserve
    with pytest.raises(StorageFull) as caught:
        await uploads.create("ada", "w", [File("a", 1 << 40)], lambda _c: made.append("w"))
    assert str(1 << 40) in str(caught.value)
    assert str((1 << 40) - reserve) in str(caught.value)
    assert made == []
    assert list(uploads.folder.iterdir()) == []


async def test_what_an_archive_holds_needs_room_too(uploads: UploadService) -> None:
    with pytest.raises(StorageFull):
        await uploads.create("ada", "w", [File("a", 1)], lambda _c: None, also_bytes=1 << 40)


async def test_a_workload_and_its_uploads_are_made_together_or_not_at_all(uploads: UploadService) -> None:
    def fail(_connection: object) -> None:
        raise RuntimeError("power is gone")

    with pytest.raises(RuntimeError):
        await uploads.create("ada", "w", [File("a", 1)], fail)
    assert await uploads.of_workload("w") == []


async def test_removing_a_workloads_uploads_leaves_the_others(uploads: UploadService) -> None:
    (mine,), (other,) = await declare(uploads, 5), await declare(uploads, 5, workload="v")
    for upload in (mine, other):
        await uploads.receive(upload, 0, 3, pieces(b"012"))
    await uploads.remove_workload("w")
    await uploads.remove_workload("w")
    assert [path.name for path in uploads.folder.iterdir()] == [other.id]
    with pytest.raises(NotFound):
        await uploads.get("ada", mine.id)


async def test_a_request_that_begins_while_its_upload_is_removed_leaves_no_file(
    uploads: UploadService, database: Database
) -> None:
    async def body() -> AsyncIterator[bytes]:
        await database.write(lambda c: store.remove_workload(c, "w"))
        yield b"012"

    (upload,) = await declare(uploads, 5)
    await uploads.receive(upload, 0, 3, body())
    assert list(uploads.folder.iterdir()) == []


async def test_a_start_puts_the_folder_in_order(uploads: UploadService, database: Database) -> None:
    whole, part = await declare(uploads, 3, 3)
    uploads.path(whole.id).write_bytes(b"012")
    uploads.path(part.id).write_bytes(b"01")
    (uploads.folder / new_id()).write_bytes(b"stray")
    await uploads.reconcile()
    assert {path.name for path in uploads.folder.iterdir()} == {whole.id, part.id}
    assert [one.upload.complete for one in await uploads.of_workload("w")] == [True, False]
    assert [one.offset for one in await uploads.of_workload("w")] == [3, 2]


async def test_silence_is_counted_from_the_last_byte_of_any_upload(tmp_path: Path, database: Database) -> None:
    now = 100
    uploads = UploadService(Settings(data=tmp_path / "data"), database, Signals(), clock=lambda: now)
    first, second = await declare(uploads, 2, 2)
    await declare(uploads, 0, workload="v")
    assert await uploads.silent_since() == {"w": 100}
    now = 200
    await uploads.receive(first, 0, 2, pieces(b"ab"))
    assert await uploads.silent_since() == {"w": 200}
    now = 300

    async def looked_at() -> AsyncIterator[bytes]:
        assert await uploads.silent_since() == {"w": 300}
        yield b"ab"

    await uploads.receive(second, 0, 2, looked_at())
    assert await uploads.silent_since() == {}
    uploads.close()


async def test_files_are_private_to_the_group(uploads: UploadService) -> None:
    mask = os.umask(0)
    try:
        (upload,) = await declare(uploads, 5)
        await uploads.receive(upload, 0, 1, pieces(b"0"))
    finally:
        os.umask(mask)
    assert uploads.path(upload.id).stat().st_mode & 0o777 == 0o640
    assert uploads.folder.stat().st_mode & 0o7777 == 0o2750
