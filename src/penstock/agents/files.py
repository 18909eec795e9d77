"""Files of attempts at sites that do not mount the workspace: declared inputs out, outputs into the attempt's folder.

Only the attempt's own token opens them, and it dies with the attempt: what a fenced attempt sends reaches nothing.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from penstock.access.models import Principal
from penstock.backends.attempt import folder
from penstock.backends.attempt.stage import open_in_workspace
from penstock.errors import Fenced, Forbidden, InvalidInput, NotFound, StorageFull
from penstock.names import split_attempt
from penstock.settings import Settings
from penstock.staging.urls import Kind, locate
from penstock.tasks.models import FileType, Input
from penstock.tasks.publish import RECEIVED, make_folder
from penstock.tasks.service import TaskService

_CHUNK = 1 << 20


class AttemptFiles:
    """Inputs and outputs of live attempts."""

    def __init__(self, tasks: TaskService, settings: Settings) -> None:
        self._tasks = tasks
        self._settings = settings
        self._workspace = settings.workspace_path

    async def input(self, attempt: str, number: int, caller: Principal) -> tuple[Input, Path | None]:
        """A declared input, and where it lies; None for content. NotFound names what is not there."""
        _check(attempt, caller)
        task = await self._tasks.get(split_attempt(attempt)[0])
        inputs = task.spec.inputs or []
        if not 0 <= number < len(inputs):
            raise NotFound(f"The task has no input {number}.")
        given = inputs[number]
        if given.content is not None:
            return given, None
        return given, await asyncio.to_thread(self._find, given)

    async def receive(self, attempt: str, number: int, caller: Principal, body: AsyncIterator[bytes]) -> int:
        """Store an output, durable when this returns; its size. It takes the place of one sent before."""
        _check(attempt, caller)
        if number < 0:
            raise InvalidInput(f"{number} is not the number of an output.")
        if shutil.disk_usage(self._workspace).free < self._settings.workspace_reserve:
            raise StorageFull("The workspace has no room for outputs.")
        target = folder.place(self._workspace, attempt) / RECEIVED / str(number)
        await asyncio.to_thread(make_folder, target.parent, self._workspace)
        part = target.with_name(f"{number}.part")
        with part.open("wb") as file:
            async for chunk in body:
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            size = file.tell()
        if await self._tasks.owner_of_attempt(attempt) is None:
            folder.remove(folder.place(self._workspace, attempt))
            raise Fenced(f"The attempt {attempt} has ended.")
        part.rename(target)
        return size

    def _find(self, given: Input) -> Path:
        located = locate(given.url or "")
        if located.kind is not Kind.WORKSPACE:
            raise InvalidInput(f"The input {given.url!r} does not lie in the workspace.")
        try:
            host, descriptor = open_in_workspace(str(self._workspace), located.path)
        except OSError as error:
            raise NotFound(f"The input {given.url} cannot be used: {error.strerror}.") from error
        os.close(descriptor)
        found = Path(host)
        if found.is_dir() != (given.type is FileType.DIRECTORY):
            raise InvalidInput(f"The input {given.url} is not what its type says: {given.type.value}.")
        return found


def archive(root: Path) -> Iterator[bytes]:
    """The directory as a tar, piece by piece. Links that lead out of it, and special files, are left out."""
    pipe = _Pipe()
    with tarfile.open(fileobj=pipe, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            information = tar.gettarinfo(path, str(path.relative_to(root)))
            if information is None or not _stays(information, path, root):
                continue
            if information.isreg():
                with path.open("rb") as file:
                    tar.addfile(information)
                    yield from _padded(pipe, file, information.size)
            else:
                tar.addfile(information)
            yield pipe.take()
    yield pipe.take()


def _padded(pipe: _Pipe, file: io.BufferedReader, size: int) -> Iterator[bytes]:
    """A file's bytes as an archive holds them: of the announced size, in whole blocks."""
    yield pipe.take()
    left = size
    while left and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk
    yield b"\0" * (left + -size % tarfile.BLOCKSIZE)


def _stays(information: tarfile.TarInfo, path: Path, root: Path) -> bool:
    if information.islnk():  # a second name of a file that is in the archive already: send it again
        information.type, information.size = tarfile.REGTYPE, path.stat().st_size
    if information.issym():
        return not path.readlink().is_absolute() and path.resolve().is_relative_to(root.resolve())
    return information.isreg() or information.isdir()


class _Pipe(io.RawIOBase):
    """Collects what an archive writes until it is taken."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:  # type: ignore[override]  # a tar writes bytes only
        self._waiting += data
        return len(data)

    def tell(self) -> int:
        return 0  # where a file begins matters to those who read it again

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def _check(attempt: str, caller: Principal) -> None:
    if caller.attempt != attempt:
        raise Forbidden(f"Only the attempt {attempt} itself may have its files.")
