"""What a workload is given: local files (checked before anything is sent), one bundle of many small ones, URLs."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from penstock.client.digests import PIECE
from penstock.errors import InputChanged, InvalidInput

MANY, SMALL = 16, 1 << 20  # more than this many files, smaller than this on average: one upload
BUNDLE_ROLE, BUNDLE_NAME = "bundle", "inputs.tar"
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class LocalFile:
    """A file to upload, as it was when it was looked at. ``size`` in bytes; ``sha256`` is empty until it is read."""

    role: str
    path: Path
    size: int
    mtime_ns: int
    sha256: str = ""

    @property
    def name(self) -> str:
        """What the pipeline sees it as."""
        return self.path.name

    def with_digest(self, sha256: str) -> LocalFile:
        """The same file with its digest."""
        return replace(self, sha256=sha256)

    def check_unchanged(self) -> None:
        """InputChanged if the file is no longer the one whose digest the server was told."""
        try:
            now = self.path.stat()
        except OSError as error:
            raise InputChanged(f"{self.path} can no longer be read: {error.strerror}.") from error
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            hint = "The same command starts anew with the file as it is now."
            raise InputChanged(f"{self.path} was changed since its digest was taken.", hint=hint)

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from ``offset`` on; InputChanged where the file was changed."""
        self.check_unchanged()
        with self.path.open("rb") as file:
            file.seek(offset)
            left = self.size - offset
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
        self.check_unchanged()


@dataclass(frozen=True)
class RemoteFile:
    """A file that the server fetches itself, by URL."""

    role: str
    url: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.url.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]


class Source(Protocol):
    """Something of known size that can be read from any byte on, again and again."""

    @property
    def size(self) -> int:
        """Bytes."""

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from ``offset`` on."""


@dataclass(frozen=True)
class Bundle:
    """A tar of files as ``<role>/<name>``. It is never written to disk: equal files give equal bytes, so that an
    upload that was cut goes on in the middle.
    """

    files: tuple[LocalFile, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole tar."""
        return sum(len(_header(file)) + _padded(file.size) for file in self.files) + 2 * _BLOCK

    def sha256(self) -> str:
        """The tar's digest in hexadecimal; reads every file."""
        total = hashlib.sha256()
        for piece in self.pieces(0):
            total.update(piece)
        return total.hexdigest()

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The tar's bytes from ``offset`` on; files before it are not read again."""
        for file in self.files:
            header = _header(file)
            yield from _from(offset, header)
            offset = max(0, offset - len(header))
            if offset < file.size:
                yield from file.pieces(offset)
            offset = max(0, offset - file.size)
            padding = bytes(_padded(file.size) - file.size)
            yield from _from(offset, padding)
            offset = max(0, offset - len(padding))
        yield from _from(offset, bytes(2 * _BLOCK))


def look_at(role: str, path: Path) -> LocalFile:
    """A file that can be uploaded, without reading it; InvalidInput says why it cannot be."""
    try:
        status = path.stat()
    except OSError as error:
        raise InvalidInput(f"Input {role!r}: cannot find {path}: {error.strerror}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise InvalidInput(f"Input {role!r}: {path} is a directory.", hint="Name the files in it.")
    if not stat.S_ISREG(status.st_mode):
        hint = "Its size must be known before it is sent: write it to a file first."
        raise InvalidInput(f"Input {role!r}: {path} is not a regular file.", hint=hint)
    if status.st_size == 0:
        raise InvalidInput(f"Input {role!r}: {path} is empty.")
    if not os.access(path, os.R_OK):
        raise InvalidInput(f"Input {role!r}: no permission to read {path}.")
    return LocalFile(role, path, status.st_size, status.st_mtime_ns)


def pack(files: Sequence[LocalFile]) -> Bundle | None:
    """One bundle of all files if they are many and small, else None."""
    if len(files) <= MANY or sum(file.size for file in files) >= SMALL * len(files):
        return None
    return Bundle(tuple(sorted(files, key=lambda file: (file.role, file.name))))


def _header(file: LocalFile) -> bytes:
    entry = tarfile.TarInfo(f"{file.role}/{file.name}")
    entry.size = file.size
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _from(offset: int, piece: bytes) -> Iterator[bytes]:
    if offset < len(piece):
        yield piece[offset:]
