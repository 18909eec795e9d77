"""Backups: one file with all rows of the store and the server's key, and a manifest with their digests.

A backup of SQLite can be restored into PostgreSQL and the other way round. The workspace is not in it: its files are
large, complete once they are there, and copied by whatever copies the disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard
from sqlalchemy import Connection

import penstock
from penstock.clock import iso, now_us
from penstock.database import rows
from penstock.errors import Conflict, InvalidInput

FORMAT = 1
MANIFEST, ROWS, KEY = "manifest.json", "rows.jsonl.zst", "key"
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. ``files``: SHA-256 by name; ``counts``: rows by table."""

    schema: str
    counts: dict[str, int]
    files: dict[str, str]
    release: str = penstock.__version__
    created: str = ""
    format: int = FORMAT


def write_rows(connection: Connection, path: Path) -> dict[str, int]:
    """Write all rows to a file of their own; may be done again from the start."""
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as target:
        return rows.dump(connection, target)


def read_rows(connection: Connection, path: Path) -> dict[str, int]:
    """Insert the rows of a file."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as source:
        return rows.load(connection, io.BufferedReader(source))


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder on the disk of ``beside`` that nobody else reads."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{beside.name}.", dir=beside.parent) as folder:
        yield Path(folder)


def pack(target: Path, folder: Path, schema: str, counts: dict[str, int]) -> Manifest:
    """Make the backup from what is in ``folder``: it appears whole, durable and for its owner only, or not at all."""
    names = [name for name in (ROWS, KEY) if (folder / name).exists()]
    files = {name: _digest(folder / name) for name in names}
    manifest = Manifest(schema, counts, files, created=iso(now_us()))
    (folder / MANIFEST).write_text(json.dumps(vars(manifest), indent=2))
    whole = folder / "whole"
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name in (MANIFEST, *names):
                archive.add(folder / name, name, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())
    whole.replace(target)
    return manifest


def unpack(source: Path, folder: Path) -> Manifest:
    """Take a backup apart into ``folder`` and check every digest; InvalidInput names what is wrong with it."""
    try:
        with tarfile.open(source) as archive:
            for name in (MANIFEST, ROWS, KEY):
                member = archive.extractfile(name) if name in archive.getnames() else None
                if member is not None:
                    _copy(member, folder / name)
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, tarfile.TarError, ValueError, TypeError) as error:
        raise InvalidInput(f"{source} is no backup: {error}") from error
    if manifest.format != FORMAT:
        raise InvalidInput(f"{source} has format {manifest.format}.", hint=f"This release reads {FORMAT}.")
    for name, wanted in manifest.files.items():
        if not (folder / name).exists() or _digest(folder / name) != wanted:
            raise InvalidInput(f"{name} in {source} is not what was written.", hint="Take another backup.")
    return manifest


def check_counts(manifest: Manifest, counts: dict[str, int]) -> None:
    """Conflict if what was inserted is not all that was written."""
    inserted = {name: count for name, count in counts.items() if count}
    written = {name: count for name, count in manifest.counts.items() if count}
    if inserted != written:
        raise Conflict(f"The backup has {written}, inserted were {inserted}.")


def write_key(path: Path, key: bytes) -> None:
    """Put the server's key into its place, 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
        os.fsync(file.fileno())
    beside.replace(path)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _copy(source: IO[bytes], target: Path) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := source.read(PIECE_BYTES):
            file.write(piece)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def told(manifest: Manifest) -> dict[str, Any]:
    """What a program is told about a backup."""
    return {"schema": manifest.schema, "release": manifest.release, "created": manifest.created, **manifest.counts}
