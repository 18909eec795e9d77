"""What is needed to go on with a run after an interruption: one private file for each, gone when the run is over."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from penstock.client.digests import write_private
from penstock.client.http import Server
from penstock.client.inputs import LocalFile, RemoteFile
from penstock.client.workloads import Account, new_key
from penstock.errors import Conflict

FORGET_S = 90 * 86_400  # no server keeps a workload that nobody acknowledged for so long


class Record(BaseModel):
    """A run that is not over. It holds the account's secret, so its file is 0600."""

    model_config = ConfigDict(extra="ignore")

    workload: str
    server: str
    pipeline: str
    account: Account
    token: str | None = None  # of a workload that was made without one
    files: list[str] = []
    started: float = 0.0  # seconds since the epoch
    over: bool = False  # nothing to resume; kept for the account that opens the downloads


def run_key(
    server: str,
    pipeline: str,
    version: str,
    parameters: Mapping[str, Any],
    inputs: Sequence[LocalFile | RemoteFile],
    name: str | None,
    results_to: str | None = None,
) -> str:
    """The same for the same command on the same files, wherever they lie."""
    listed = sorted(
        (entry.role, entry.name, entry.sha256 if isinstance(entry, LocalFile) else entry.url) for entry in inputs
    )
    parts = [server, pipeline, version, dict(parameters), listed, name, *([results_to] if results_to else [])]
    whole = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:40]


class Records:
    """The records below a user's state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "runs"

    def read(self, key: str) -> Record | None:
        """The record of an unfinished run; None if there is none, or none that can be read."""
        return _read(self._path(key))

    def write(self, key: str, record: Record) -> None:
        """Keep ``record``; it is on disk when this returns. Records that nobody touched for long are dropped."""
        write_private(self._path(key), record.model_dump_json(indent=1))
        self.answered(key)
        for path in [*self._folder.glob("*.json"), *self._folder.glob("*.asked")]:
            if path.stat().st_mtime < time.time() - FORGET_S:
                path.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Forget a run that is over."""
        self._path(key).unlink(missing_ok=True)
        self.answered(key)

    def ask(self, key: str) -> tuple[str, bool]:
        """The key of this run's create, on disk before anything is sent; and whether it is an earlier process's.

        A process that is killed before it has the answer leaves it behind, and the next one is answered the same.
        """
        path = self._asked(key)
        try:
            return path.read_text(), True
        except FileNotFoundError:
            write_private(path, new_key())
            return path.read_text(), False

    def answered(self, key: str) -> None:
        """The create is over, one way or the other: the next one gets a key of its own."""
        self._asked(key).unlink(missing_ok=True)

    def forget_workload(self, workload: str) -> None:
        """Forget the run of a workload that was canceled or removed."""
        found = self.of_workload(workload)
        if found is not None:
            self.remove(found[0])

    def replace_account(self, workload: str, account: Account) -> None:
        """Keep the new secret of a workload that was started from here."""
        found = self.of_workload(workload)
        if found is not None:
            self.write(found[0], found[1].model_copy(update={"account": account}))

    def of_workload(self, workload: str) -> tuple[str, Record] | None:
        """Key and record of a workload that was started from here."""
        for path in sorted(self._folder.glob("*.json")):
            record = _read(path)
            if record is not None and record.workload == workload:
                return path.stem, record
        return None

    def of_files(self, server: str, pipeline: str, files: Sequence[str]) -> Record | None:
        """An unfinished run of the same pipeline on files of the same names: perhaps before they were changed."""
        for path in sorted(self._folder.glob("*.json")):
            record = _read(path)
            if (
                record
                and not record.over
                and (record.server, record.pipeline, record.files) == (server, pipeline, list(files))
            ):
                return record
        return None

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Keep other processes from the same run; Conflict if one is at it."""
        path = self._folder / f"{key}.lock"
        handle = _lock(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)

    def _asked(self, key: str) -> Path:
        return self._folder / f"{key}.asked"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def take_up(server: Server, workload: str) -> bool:
    """Send the token that this workload was made with, if it was made without one of the user's; True."""
    found = Records(server.settings.state).of_workload(workload)
    if found is not None:
        server.use(found[1].token)
    return True


def _read(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_text())
    except (OSError, ValidationError):
        return None


def _lock(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode() or "unknown"
            os.close(handle)
            hint = "Wait for it, or give this one a --name of its own."
            raise Conflict(f"The same run is under way in process {holder}.", hint=hint) from None
        if _is_still(path, handle):
            os.truncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            return handle
        os.close(handle)  # the former holder removed the file between our open and our lock


def _is_still(path: Path, handle: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
