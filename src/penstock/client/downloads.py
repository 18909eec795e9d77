"""Results come file by file into a folder of their own, cut transfers go on where they ended, and only when every
digest is right are they moved to where the user wants them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

import httpx

from penstock.client.digests import hash_file
from penstock.client.http import Server
from penstock.client.patience import UNANSWERED, Patience
from penstock.client.workloads import Account, Result
from penstock.errors import NotAuthenticated, PenstockError, SetupError, Unreachable
from penstock.names import check_relative_path

Report = Callable[[int], None]
TRIES = 2  # of a file whose digest is wrong: the first may have been continued on a spoilt beginning


class Download:
    """The results of one workload on their way into ``output``."""

    def __init__(
        self, server: Server, workload: str, account: Account | None, patience: Patience, report: Report
    ) -> None:
        self._server = server
        self._workload = workload
        self._account = (account.name, account.secret) if account else None
        self._patience = patience
        self._report = report

    def manifest(self) -> dict[str, str]:
        """SHA-256 by relative path, from the workload's ``manifest.sha256``."""
        return parse_manifest(self._patience.insist(self._manifest_text))

    def fetch(self, result: Result, digest: str, folder: Path) -> None:
        """Bring one file into ``folder`` and verify it."""
        target = folder / check_relative_path(result.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            self._fill(result, target)
            if hash_file(target) == digest:
                return
            self._report(-target.stat().st_size)
            target.unlink()
        raise PenstockError(f"{result.name} does not have the digest that the manifest names.", hint="Try again.")

    def _manifest_text(self) -> str:
        try:
            return self._read_manifest()
        except NotAuthenticated:
            if self._account is None:
                raise
            self._account = None  # rotated or revoked from elsewhere: the owner's token opens all the same
            return self._read_manifest()

    def _read_manifest(self) -> str:
        with self._stream("manifest.sha256", 0) as response:
            response.read()
            return response.text

    def _fill(self, result: Result, target: Path) -> None:
        """Append to ``target`` until it is as long as the result."""
        trial = self._patience.begin()
        self._report(_length(target))
        while _length(target) < result.size or not target.exists():
            try:
                came = self._append(result, target)
            except UNANSWERED as error:
                trial.failed(error)
            else:
                if came:
                    trial.advanced()
                elif _length(target) < result.size:
                    trial.failed(Unreachable(f"The transfer of {result.name} was cut."))

    def _append(self, result: Result, target: Path) -> bool:
        """One request for the rest; whether anything came."""
        start = _length(target)
        with self._stream(f"files/{quote(result.name)}", start) as response:
            if response.status_code != 206 and start:  # the whole file is sent, or there is nothing left to send
                self._report(-start)
                start = 0
            with target.open("r+b" if start else "wb") as file:
                file.seek(start)
                for piece in response.iter_bytes():  # as it arrives: what a larger piece gathers is lost by a cut
                    self._patience.check()
                    file.write(piece)
                    self._report(len(piece))
        return _length(target) > start

    def _stream(self, name: str, start: int) -> AbstractContextManager[httpx.Response]:
        headers = {"Accept-Encoding": "identity"}  # ranges count the bytes as they are stored
        if start:
            headers["Range"] = f"bytes={start}-"
        return self._server.stream(f"/download/{self._workload}/{name}", headers=headers, account=self._account)


def parse_manifest(text: str) -> dict[str, str]:
    """SHA-256 by path from the format of sha256sum; a line that begins with a backslash has its name escaped."""
    listed = {}
    for line in text.splitlines():
        digest, _, name = line.removeprefix("\\").partition("  ")
        if len(digest) != 64 or not name:
            raise PenstockError(f"The manifest has a line that is none: {line[:100]!r}.")
        listed[name.replace("\\\\", "\\") if line.startswith("\\") else name] = digest
    return listed


def staging_folder(output: Path, workload: str) -> Path:
    """Where results lie until all of them are verified: on the file system that they will be moved on."""
    return output / f".penstock-{workload}"


def publish(staging: Path, output: Path, names: list[str]) -> None:
    """Move the verified files to where they belong, each by one rename, and remove the staging folder."""
    try:
        for name in names:
            target = output / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(target)
    except OSError as error:
        raise SetupError(f"Cannot put results into {output}: {error}.") from error
    shutil.rmtree(staging)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
