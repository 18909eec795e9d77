"""``ftp://``: files and directories fetched with resume (REST), and sent under another name, then renamed.

RFC 959, and RFC 3659 for listings that machines can read. FTP has no encryption: what is secret does not go by it.
"""

from __future__ import annotations

import contextlib
import ftplib
from collections.abc import Iterator
from pathlib import Path

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.addresses import resolve
from penstock.staging.arrival import LARGEST, Arrival, Fetched, arrive, insist
from penstock.staging.storage import Storage
from penstock.staging.urls import remote, shown

_SILENCE_S = 60.0
_CHUNK = 1 << 18
_PORT = 21
_UNFINISHED = ".penstock-unfinished"


class FtpPlace:
    """What one ``ftp://`` URL names. Every call makes a connection of its own."""

    def __init__(self, url: str, storage: Storage | None, *, allow_private: bool, largest: int = LARGEST) -> None:
        where = remote(url)
        host, _, port = (
            where.place.rpartition(":") if where.place.rpartition(":")[2].isdecimal() else (where.place, "", "")
        )
        self._url, self._shown = url, shown(url)
        self._host, self._port = host.strip("[]"), int(port or _PORT)
        self._path = f"/{where.path}"
        self._login = (
            (storage.secret["username"], storage.secret["password"]) if storage else ("anonymous", "penstock@")
        )
        self._allow_private = allow_private
        self._largest = largest

    def fetch(self, target: Path, deadline: Deadline) -> Fetched:
        """The file."""
        return arrive(self._url, target, deadline, self._go_on, largest=self._largest)

    def names(self, deadline: Deadline) -> list[str]:
        """The files below the directory, as paths relative to it."""
        return insist(self._list, deadline)

    def send(self, source: Path, deadline: Deadline) -> None:
        """The file appears at once: it is renamed when all of it has come."""
        insist(lambda: self._put(source, deadline), deadline)

    def _go_on(self, arrival: Arrival) -> None:
        with self._connected("fetched") as ftp:
            ftp.voidcmd("TYPE I")
            size = ftp.size(self._path)
            arrival.expect(size or 0)
            state = f"{size} {_modified(ftp, self._path)}"
            if arrival.size and state != arrival.validator:
                arrival.restart()
            arrival.validator = state
            if size is None or arrival.size < size or size == 0:
                ftp.retrbinary(f"RETR {self._path}", arrival.take, _CHUNK, rest=arrival.size or None)
            if size is not None and arrival.size != size:
                raise Unreachable(f"{self._shown} ended after {arrival.size} of {size} bytes.")

    def _list(self) -> list[str]:
        found: list[str] = []
        with self._connected("listed") as ftp:
            waiting = [""]
            while waiting:
                folder = waiting.pop()
                for name, facts in list(ftp.mlsd(f"{self._path.rstrip('/')}/{folder}".rstrip("/") or "/", ["type"])):
                    inner = f"{folder}/{name}".lstrip("/")
                    if facts.get("type") == "dir":
                        waiting.append(inner)
                    elif facts.get("type") == "file":
                        found.append(inner)
        return sorted(found)

    def _put(self, source: Path, deadline: Deadline) -> None:
        with self._connected("sent") as ftp, source.open("rb") as file:
            self._make_folders(ftp)
            unfinished = f"{self._path}{_UNFINISHED}"
            ftp.storbinary(f"STOR {unfinished}", file, _CHUNK, callback=lambda _: self._check(deadline))
            ftp.rename(unfinished, self._path)

    def _make_folders(self, ftp: ftplib.FTP) -> None:
        parts = self._path.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            with contextlib.suppress(ftplib.error_perm):  # it is there already; if not, STOR says what is wrong
                ftp.mkd("/" + "/".join(parts[:depth]))

    def _check(self, deadline: Deadline) -> None:
        if deadline.passed:
            raise Unreachable(f"{self._shown} was not sent in time.")

    @contextlib.contextmanager
    def _connected(self, done: str) -> Iterator[ftplib.FTP]:
        """A connection to an address that was looked at; errors of the protocol become ours."""
        ftp = ftplib.FTP(timeout=_SILENCE_S, encoding="utf-8")  # noqa: S321 - the URL says FTP
        try:
            ftp.connect(self._address(), self._port)
            ftp.login(*self._login)
            yield ftp
            with contextlib.suppress(ftplib.Error, OSError, EOFError):
                ftp.quit()
        except ftplib.error_perm as error:
            raise InvalidInput(f"{self._shown} cannot be {done}: {_said(error)}.") from error
        except (ftplib.Error, EOFError, OSError) as error:
            raise Unreachable(f"{self._shown} cannot be {done}: {_said(error)}.") from error
        finally:
            ftp.close()

    def _address(self) -> str:
        try:
            return resolve(self._host, self._port, allow_private=self._allow_private)[0]
        except InvalidInput as error:
            raise InvalidInput(f"{self._shown} is refused: {error.message}", hint=error.hint) from error


def _modified(ftp: ftplib.FTP, path: str) -> str:
    try:
        return ftp.voidcmd(f"MDTM {path}")
    except ftplib.error_perm:  # not every server has it
        return ""


def _said(error: Exception) -> str:
    return str(error).rstrip(".") or "the connection was closed"
