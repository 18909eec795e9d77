"""The drop box: a tar that is put under a name of the sender's own choice starts a workload.

``RECEIVING → RECEIVED → TAKEN | REFUSED``. A drop counts from the moment when all of it is durable; it is written once.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import structlog
from sqlalchemy import Connection

from penstock.clock import MICROSECONDS
from penstock.errors import Conflict, InvalidInput, NotFound, PenstockError, TooLarge
from penstock.names import is_id
from penstock.settings import Settings
from penstock.workloads import store_drops as store
from penstock.workloads.anonymous import check_room, check_size
from penstock.workloads.drop_scan import Dropped, scan
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.interfaces import Uploads
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import DropState
from penstock.workloads.places import FILE_MODE, Places, sync
from penstock.workloads.threads import Threads

_KEY = re.compile(r"[A-Za-z0-9_-]{22,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}\.tar")
PIECE_BYTES = 1 << 20
SILENCE_S = 10.0  # a sender that is silent for so long gives way to one that comes again
Submit = Callable[[str, Dropped, Path], Awaitable[None]]
_log = structlog.get_logger(__name__)


class DropBox:
    """``submit`` makes a workload of what was dropped, and notes that in one transaction."""

    def __init__(
        self,
        settings: Settings,
        lifecycle: Lifecycle,
        places: Places,
        threads: Threads,
        submit: Submit,
        uploads: Uploads,
    ) -> None:
        self._settings = settings
        self._database = lifecycle.database
        self._signals = lifecycle.signals
        self._clock = lifecycle.clock
        self._places = places
        self._threads = threads
        self._submit = submit
        self._uploads = uploads
        self._halt = Halt()
        self._taking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on with what had arrived when a server ended."""
        for path in await asyncio.to_thread(lambda: sorted(self._places.drop("x").parent.glob("*.tar"))):
            self._take_later(path.stem)

    async def stop(self) -> None:
        """Wait for what is looked through; where the server ends, it is cut off, and gone on with after a start."""
        if self._signals.draining:
            self._halt.set()
        await asyncio.gather(*self._taking, return_exceptions=True)

    async def receive(self, key: str, name: str, length: int | None, body: AsyncIterator[bytes]) -> None:
        """Take a tar in; when this returns it is durable. Conflict where something is there already."""
        size = self._check(key, name, length)
        check_size(self._settings, size)
        since_us = await self._reserve(key)
        beside = self._places.drop(key).with_suffix(f".{since_us}.part")
        try:
            await self._write(beside, size, body)
            await self._database.write(lambda c: _received(c, key, since_us, beside, self._places.drop(key)))
        except BaseException:
            beside.unlink(missing_ok=True)
            await asyncio.shield(self._database.write(lambda c: store.forget_receiving(c, key, since_us)))
            raise
        self._take_later(key)

    async def _reserve(self, key: str) -> int:
        """Take a key that nobody has, or whose sender is gone; when that was, which fences an earlier one off."""
        now = self._clock()
        found = await self._database.read(lambda c: store.find(c, key))
        if found is not None and found.state is DropState.RECEIVING and self._silent(key, found.created_us):
            await self._database.write(lambda c: store.forget_receiving(c, key, found.created_us))

        def take(connection: Connection) -> bool:
            check_room(connection, self._settings, now)
            return store.reserve(connection, key, now)

        if not await self._database.write(take):
            raise Conflict("Something was put there already; it is not written over.", hint="Choose another name.")
        return now

    def _silent(self, key: str, since_us: int) -> bool:
        try:
            written_s = self._places.drop(key).with_suffix(f".{since_us}.part").stat().st_mtime
        except FileNotFoundError:
            return since_us < self._clock() - SILENCE_S * MICROSECONDS
        return written_s < time.time() - SILENCE_S  # the machine's clock, as files have it

    async def resolve(self, key: str) -> str:
        """The workload that came of a drop; Conflict while there is none, with why. Other names stay what they are."""
        if is_id(key) or not _KEY.fullmatch(key):
            return key
        found = await self._database.read(lambda c: store.find(c, key))
        if found is None:
            return key
        if found.state is DropState.REFUSED:
            raise Conflict(f"What was put into the drop box was refused: {found.reason}")
        if found.workload is None:
            raise Conflict("It is still being looked through.", hint="Ask again.", headers={"Retry-After": "1"})
        return found.workload

    def _check(self, key: str, name: str, length: int | None) -> int:
        if not self._settings.drop_box:
            raise NotFound("There is no drop box here.")
        if not _KEY.fullmatch(key) or is_id(key):
            raise InvalidInput(
                f"{key[:80]!a} cannot be the folder of a drop.",
                hint="Use 22 to 64 of a-z, A-Z, 0-9, '_' and '-', at random: openssl rand -hex 16",
            )
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name[:120]!a} cannot be the name of a drop.", hint="It is like data.tar.")
        if length is None:
            raise InvalidInput("The size is not known before.", hint="Send a file with curl -T FILE.")
        if length > self._settings.drop_box_largest:
            raise TooLarge(
                f"{length} bytes are too many.", hint=f"At most {self._settings.drop_box_largest} are taken."
            )
        return length

    async def _write(self, path: Path, size: int, body: AsyncIterator[bytes]) -> None:
        self._places.check_room(size, self._settings.workspace_reserve)
        self._places.make(path.parent)
        with path.open("wb") as file:
            piece, written = bytearray(), 0
            async for part in body:
                piece += part
                written += len(part)
                if written > size:
                    raise InvalidInput(f"More than the {size} bytes came that were said to.")
                if len(piece) >= PIECE_BYTES:
                    full, piece = piece, bytearray()
                    await asyncio.to_thread(file.write, full)
            await asyncio.to_thread(file.write, piece)
            if written != size:
                raise InvalidInput(f"{written} of {size} bytes came.", hint="Send it again.")
            await asyncio.to_thread(_settle, file)

    def _take_later(self, key: str) -> None:
        task = asyncio.create_task(self._take(key), name=f"drop {key}")
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, key: str) -> None:
        path = self._places.drop(key)
        found = await self._database.read(lambda c: store.find(c, key))
        try:
            if found is not None and found.state is DropState.RECEIVED:
                dropped = await self._threads.run(scan, path, self._halt)
                await self._submit(key, dropped, path)
            elif found is not None and found.workload is not None:  # a server ended in the middle of it
                await self._uploads.deliver(found.workload, path)
        except Halted:
            return
        except (PenstockError, OSError) as error:
            if not await self._refuse(key, error):
                return  # another server has it, which still needs the file
        await self._threads.run(path.unlink, missing_ok=True)

    async def _refuse(self, key: str, error: PenstockError | OSError) -> bool:
        """Note why nothing comes of a drop; False if a workload came of it meanwhile."""
        reason = str(error) if isinstance(error, PenstockError) else f"The server's disk: {error.strerror}."
        move = partial(store.move, key=key, source=DropState.RECEIVED, target=DropState.REFUSED, reason=reason)
        refused = await self._database.write(move)
        if refused:
            _log.info("A drop was refused.", reason=reason)
        return refused


def _received(connection: Connection, key: str, since_us: int, beside: Path, path: Path) -> None:
    """The moment from which on a drop counts: its row and its name appear together, or are made one by ``start``."""
    found = store.find(connection, key)
    if found is None or found.created_us != since_us or found.state is not DropState.RECEIVING:
        raise Conflict("A later request has taken this name over.")
    store.move(connection, key, DropState.RECEIVING, DropState.RECEIVED)
    beside.replace(path)
    sync(path.parent)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fchmod(file.fileno(), FILE_MODE)
    os.fsync(file.fileno())
