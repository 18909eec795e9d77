"""``penstock admin backup`` and ``restore``."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Connection

import penstock.app  # noqa: F401 - loads every table
from penstock import backup
from penstock.backup import KEY, ROWS, Manifest
from penstock.database import restoring
from penstock.database.migrate import schema_of
from penstock.database.opening import is_postgres, open_database
from penstock.errors import SetupError
from penstock.locks import FolderLock
from penstock.settings import Settings

Target = Annotated[Path, typer.Argument(help="File to write; one that is there is replaced.")]
Source = Annotated[Path, typer.Argument(help="File that `backup` wrote.")]
Replace = Annotated[bool, typer.Option(help="Whether a store that has rows is overwritten.")]


def make(target: Target) -> None:
    """Write all rows of the store and the server's key to one file, of one moment; the server may run."""
    settings = Settings()
    with backup.scratch(target.absolute()) as folder:
        manifest = asyncio.run(_make(settings, target.absolute(), folder))
    _tell("wrote", target, manifest)


async def _make(settings: Settings, target: Path, folder: Path) -> Manifest:
    database = open_database(settings)
    try:
        await database.start()
        schema = await database.read(schema_of)
        counts = await database.snapshot(partial(backup.write_rows, path=folder / ROWS))
    finally:
        await database.close()
    if settings.key_path.exists():
        backup.write_key(folder / KEY, settings.key_path.read_bytes())
    return backup.pack(target, folder, schema or "", counts)


def restore(source: Source, replace: Replace = False) -> None:
    """Put a backup's rows and key into their places; every server of the store must have stopped."""
    settings = Settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    url = settings.store_url()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(backup.scratch(settings.data.absolute() / "restore"))
        manifest = backup.unpack(source, folder)
        _check_key(settings, folder, replace=replace)
        load = partial(_load, path=folder / ROWS, manifest=manifest)
        if is_postgres(url):
            asyncio.run(restoring.into_postgres(url, manifest.schema, load, replace=replace))
        else:
            stack.enter_context(FolderLock(settings.data, "server.lock")).acquire()
            restoring.into_sqlite(url, manifest.schema, load, replace=replace)
        if (folder / KEY).exists():
            backup.write_key(settings.key_path, (folder / KEY).read_bytes())
    _tell("restored", source, manifest)


def _load(connection: Connection, path: Path, manifest: Manifest) -> None:
    backup.check_counts(manifest, backup.read_rows(connection, path))


def _check_key(settings: Settings, folder: Path, *, replace: bool) -> None:
    key, present = folder / KEY, settings.key_path
    if replace or not key.exists() or not present.exists() or key.read_bytes() == present.read_bytes():
        return
    raise SetupError(f"{present} holds another key than the backup.", hint="Add --replace to overwrite it.")


def _tell(what: str, file: Path, manifest: Manifest) -> None:
    count = sum(manifest.counts.values())
    Console().print(f"{what} {count} rows of schema {manifest.schema}: {file}", highlight=False, soft_wrap=True)
