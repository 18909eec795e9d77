"""Receives declared files in pieces: what is answered as received is on disk (tus 1.0; design.md, section 6)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from penstock.clock import A_DAY, MICROSECONDS, Deadline, now_us
from penstock.database.engine import Database
from penstock.errors import Conflict, NotFound, StorageFull
from penstock.names import new_id
from penstock.settings import Settings
from penstock.signals import Signals
from penstock.uploads import files, store
from penstock.uploads.checksums import Checksum
from penstock.uploads.limits import no_room, too_long
from penstock.uploads.metadata import Claim
from penstock.uploads.models import Declared, Received, Upload
from penstock.uploads.sessions import Session, Sessions
from penstock.uploads.writers import Writers

T = TypeVar("T")
PIECE_BYTES = 1 << 20  # held in memory for each request that is sending, at most
STALE_S = 2.0  # a sender that is silent for this long gives way to a new request for the same upload
DRAIN_TOPIC = "uploads:drain"


async def _nobody(_workload: str) -> None:
    return None


class UploadService:
    """``on_complete`` and ``on_terminated`` are told a workload's id; whoever wires the services sets them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        signals: Signals,
        *,
        clock: Callable[[], int] = now_us,
        free: Callable[[Path], int] = files.free_bytes,
        stale_s: float = STALE_S,
    ) -> None:
        self._settings = settings
        self._database = database
        self._signals = signals
        self._clock = clock
        self._free = free
        self.sessions = Sessions(stale_s)
        self._writers = Writers(self.folder, self.sessions, signals)
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="uploads")
        self.on_complete: Callable[[str], Awaitable[object]] = _nobody
        self.on_terminated: Callable[[str], Awaitable[object]] = _nobody

    @property
    def folder(self) -> Path:
        """Where bytes arrive: ``<workspace>/incoming``."""
        return self._settings.workspace_path / "incoming"

    def path(self, upload: str) -> Path:
        """The file of the upload with this id; there is none before its first byte."""
        return self.folder / upload

    async def create(
        self,
        owner: str,
        workload: str,
        declared: Sequence[Declared],
        together: Callable[[Connection], None],
        also_bytes: int = 0,
    ) -> list[Upload]:
        """Declare a workload's uploads, in one transaction with ``together``; StorageFull if they have no room.

        ``also_bytes`` is what the workload will need besides, such as the content of an archive once it is unpacked.
        """
        now = self._clock()
        new = _declared(owner, workload, declared, now)

        def change(connection: Connection) -> None:
            self._check_room(connection, sum(one.size for one in declared) + also_bytes)
            together(connection)
            store.add(connection, new)

        await self._in_thread(files.make_folder, self.folder)
        await self._database.write(change)
        return new

    async def deliver(self, workload: str, file: Path) -> None:
        """Take ``file``, whole and durable, as the workload's only upload; nothing happens if it was taken."""
        for upload in await self._database.read(lambda connection: store.of_workload(connection, workload)):
            if not upload.complete:
                await self._in_thread(files.link, file, self.path(upload.id))
                await self._note(upload, upload.size)

    async def get(self, owner: str, upload: str) -> Upload:
        """The owner's upload; NotFound for any other."""
        found = await self._database.read(lambda connection: store.find(connection, upload))
        if found is None or found.owner != owner:
            raise NotFound(f"There is no upload {upload!r}.")
        return found

    async def offset(self, upload: Upload) -> int:
        """How many bytes are on disk for certain."""
        return upload.size if upload.complete else await self._in_thread(files.durable_size, self.path(upload.id))

    async def of_workload(self, workload: str) -> list[Received]:
        """A workload's uploads and what has arrived of each, durable or not."""
        found = await self._database.read(lambda connection: store.of_workload(connection, workload))
        return await self._in_thread(lambda: [Received(upload, self._arrived(upload)) for upload in found])

    def expires_us(self, upload: Upload) -> int | None:
        """When an upload that gets no more bytes is given up; None once it is complete."""
        return None if upload.complete else upload.touched_us + self._settings.upload_expiry_s * MICROSECONDS

    async def claim(self, owner: str, claim: Claim, size: int) -> Upload:
        """The declared upload that a creation by tus is for; NotFound, or Conflict where its size is another."""
        for upload in await self._database.read(lambda connection: store.of_workload(connection, claim.workload)):
            if (upload.owner, upload.role, upload.name) == (owner, claim.role, claim.filename):
                if upload.size != size:
                    raise Conflict(f"Upload-Length is {size}, {upload.size} bytes were declared.")
                return upload
        raise NotFound(
            f"There is no upload {claim.role}/{claim.filename} of a workload {claim.workload!r}.",
            hint="Create the workload first: that declares its uploads.",
        )

    async def receive(
        self,
        upload: Upload,
        offset: int,
        length: int | None,
        body: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> int:
        """Append ``body``, which ends early where the client goes away; the new offset, durable.

        With a ``checksum`` all of it is kept, or nothing (ChecksumMismatch). Conflict unless ``offset`` is the current
        one; TooLarge if body (of ``length`` bytes, if that is known) goes
        beyond what was declared; Locked if another request is sending the same upload; StorageFull.
        """
        async with self._writers.sole(upload.id) as session:
            at = await self.offset(await self.get(upload.owner, upload.id))
            if offset != at:
                raise Conflict(f"The upload is at offset {at}, not {offset}.", hint="Go on from there.")
            if length is not None and at + length > upload.size:
                raise too_long(upload)
            if at == upload.size:
                return at
            draining = asyncio.create_task(self._until_drain())
            try:
                return await self._write(session, upload, body, checksum)
            finally:
                draining.cancel()

    async def terminate(self, upload: Upload) -> None:
        """Give an unfinished upload up, and with it its workload, which cannot become complete any more."""
        if (await self.get(upload.owner, upload.id)).complete:
            raise Conflict("The upload is complete and belongs to its workload.", hint="Cancel the workload instead.")
        await self.on_terminated(upload.workload)

    async def remove_workload(self, workload: str) -> None:
        """Remove a workload's uploads and their bytes; nothing happens if there are none."""
        for upload in await self._database.read(lambda connection: store.of_workload(connection, workload)):
            await self.sessions.end(upload.id)
        gone = await self._database.write(lambda connection: store.remove_workload(connection, workload))
        await self._in_thread(files.remove_all, [self.path(upload) for upload in gone])

    async def waiting(self, workload: str) -> bool:
        """Whether an upload of the workload is not complete."""
        return await self._database.read(lambda connection: store.any_unfinished(connection, workload))

    async def silent_since(self) -> dict[str, int]:
        """Workloads that wait for an upload, and when they got their last byte; now, for those that get some."""
        since = await self._database.read(store.silent_since)
        for upload in await self._database.read(store.unfinished):
            if upload.id in self.sessions.active():
                since[upload.workload] = self._clock()
        return since

    async def reconcile(self) -> None:
        """After a start: finish what was complete but not noted, and remove files that belong to no upload."""
        await self._in_thread(files.make_folder, self.folder)
        # First the files, then the rows: another server may declare uploads meanwhile, and a row comes before its file.
        present = await self._in_thread(files.names, self.folder)
        known = await self._database.read(store.known)
        await self._in_thread(files.remove_all, [self.path(name) for name in sorted(set(present) - known)])
        for upload in await self._database.read(store.unfinished):
            if await self.offset(upload) == upload.size:
                await self._note(upload, upload.size)

    def close(self) -> None:
        """Let go of the threads."""
        self._writers.close()
        self._threads.shutdown()

    async def _write(
        self, session: Session, upload: Upload, body: AsyncIterator[bytes], checksum: Checksum | None
    ) -> int:
        with await self._in_thread(files.Appender, self.path(upload.id)) as appender:
            start, right = appender.position, checksum is None
            try:
                async with session.reading():
                    await self._pour(session, upload, checksum.passing(body) if checksum else body, appender)
                if checksum is not None:
                    checksum.check()
                right = True
            finally:
                if not right:
                    await self._in_thread(appender.cut_back, start)
                # Whatever ended the request: what was written up to here is kept, and said to be kept.
                await self._in_thread(appender.sync)
                await self._note(upload, appender.position)
            return appender.position

    async def _pour(
        self, session: Session, upload: Upload, body: AsyncIterator[bytes], appender: files.Appender
    ) -> None:
        piece = bytearray()
        try:
            async for part in body:
                session.arrivals += 1
                if appender.position + len(piece) + len(part) > upload.size:
                    raise too_long(upload)
                piece += part
                if len(piece) >= PIECE_BYTES:
                    full, piece = piece, bytearray()
                    await self._append(appender, full)
        finally:
            await self._append(appender, piece)

    async def _append(self, appender: files.Appender, piece: bytearray) -> None:
        try:
            await self._in_thread(appender.append, piece)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("The workspace's disk is full; what arrived so far is kept.") from error
            raise

    async def _note(self, upload: Upload, position: int) -> None:
        now = self._clock()
        note = store.complete if position == upload.size else store.touch
        if not await self._database.write(lambda connection: note(connection, upload.id, now)):
            if await self._database.read(lambda connection: store.find(connection, upload.id)) is None:
                await self._in_thread(files.remove, self.path(upload.id))  # it was removed while this request began
        elif position == upload.size:
            await self._tell(upload)

    async def _tell(self, upload: Upload) -> None:
        if not await self.waiting(upload.workload):
            await self.on_complete(upload.workload)

    async def _until_drain(self) -> None:
        while not self._signals.draining:
            await self._signals.wait(DRAIN_TOPIC, self._signals.count(DRAIN_TOPIC), Deadline.after(A_DAY))
        self.sessions.drain()

    def _check_room(self, connection: Connection, wanted: int) -> None:
        if wanted == 0:
            return
        promised = sum(upload.size - self._arrived(upload) for upload in store.unfinished(connection))
        room = max(0, self._free(self.folder) - self._settings.workspace_reserve - promised)
        if wanted > room:
            raise no_room(wanted, room, promised, self._settings.workspace_reserve)

    def _arrived(self, upload: Upload) -> int:
        return upload.size if upload.complete else files.size(self.path(upload.id))

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Run a blocking call to its end even where the request is cancelled: no thread writes on behind our back."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *arguments))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with suppress(OSError):
                await asyncio.wait([work])
            raise


def _declared(owner: str, workload: str, declared: Sequence[Declared], now: int) -> list[Upload]:
    ids = sorted(new_id() for _ in declared)  # ids of one millisecond are in no order, and lists go by them
    return [
        Upload(upload, owner, workload, one.role, one.name, one.size, one.sha256, one.size == 0, now, now)
        for upload, one in zip(ids, declared, strict=True)
    ]
