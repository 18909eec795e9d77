"""All transfers of one attempt, several at a time: the one interface over every scheme."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.staging import http
from penstock.staging.arrival import LARGEST, Fetched
from penstock.staging.storage import Storage, find
from penstock.staging.urls import OBJECT_STORES, WEB, join, remote, shown

_AT_ONCE = 4
Transfer = Mapping[str, str]
T = TypeVar("T")


class Place(Protocol):
    """What a URL names. InvalidInput: wrong for good. Unreachable: it may work another time."""

    def fetch(self, target: Path, deadline: Deadline) -> Fetched:
        """The file there, into the new file ``target``."""

    def names(self, deadline: Deadline) -> list[str]:
        """The files below the directory there, as relative paths, sorted."""

    def send(self, source: Path, deadline: Deadline) -> None:
        """``source`` appears there, whole and at once."""


@dataclass(frozen=True)
class Means:
    """What transfers may do, and with which credentials. ``largest`` is in bytes, for each file that is fetched."""

    allow_private: bool = False
    largest: int = LARGEST
    storage: Sequence[Storage] = ()

    def place(self, url: str) -> Place:
        """What ``url`` names."""
        scheme = remote(url).scheme
        if scheme in WEB:
            return _WebPlace(url, self)
        storage = find(url, self.storage)
        if scheme in OBJECT_STORES:
            from penstock.staging.objects import ObjectPlace  # takes 50 ms, which most transfers need not pay

            return ObjectPlace(url, storage, allow_private=self.allow_private, largest=self.largest)
        from penstock.staging.ftp import FtpPlace

        return FtpPlace(url, storage, allow_private=self.allow_private, largest=self.largest)


class _WebPlace:
    def __init__(self, url: str, means: Means) -> None:
        self._url = url
        self._means = means

    def fetch(self, target: Path, deadline: Deadline) -> Fetched:
        means = self._means
        return http.fetch(self._url, target, deadline, allow_private=means.allow_private, largest=means.largest)

    def names(self, deadline: Deadline) -> list[str]:  # noqa: ARG002 - a Place has it
        raise InvalidInput(f"{shown(self._url)} cannot be fetched as a directory: HTTP has no listings.")

    def send(self, source: Path, deadline: Deadline) -> None:
        http.send(self._url, source, deadline, allow_private=self._means.allow_private)


def fetch_all(
    transfers: Iterable[Transfer],
    deadline: Deadline,
    *,
    allow_private: bool,
    largest: int = LARGEST,
    storage: Sequence[Storage] = (),
    special: Callable[[Transfer, Deadline], bool] = lambda _transfer, _deadline: False,
) -> list[str]:
    """Fetch each to its target; lines for the system log. ``special`` takes those that are its own, and says so."""
    means = Means(allow_private, largest, storage)

    def one(transfer: Transfer) -> str:
        if special(transfer, deadline):
            return ""
        if transfer.get("type") == "DIRECTORY":
            return _fetch_directory(transfer["url"], Path(transfer["target"]), deadline, means)
        fetched = means.place(transfer["url"]).fetch(Path(transfer["target"]), deadline)
        return f"fetched {shown(transfer['url'])}: {fetched.size_bytes} bytes, sha256 {fetched.sha256}"

    return [line for line in _at_once(one, list(transfers)) if line]


def send_all(sendings: Iterable[tuple[Path, str]], deadline: Deadline, means: Means) -> None:
    """Send each source to its URL and remove it; one that is gone was sent before."""

    def one(sending: tuple[Path, str]) -> None:
        source, url = sending
        if source.exists():
            means.place(url).send(source, deadline)
            source.unlink(missing_ok=True)

    _at_once(one, list(sendings))


def _fetch_directory(url: str, target: Path, deadline: Deadline, means: Means) -> str:
    """Every file below ``url``. The digest is that of the list which sha256sum would print of them."""
    names = means.place(url).names(deadline)
    target.mkdir(parents=True, exist_ok=True)

    def one(name: str) -> Fetched:
        file = target / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return means.place(join(url, name)).fetch(file, deadline)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInput(f"{shown(url)} has {name!r} both as a file and as a directory.") from error

    fetched = _at_once(one, names)
    listed = "".join(f"{one.sha256}  {name}\n" for name, one in zip(names, fetched, strict=True))
    size = sum(one.size_bytes for one in fetched)
    digest = hashlib.sha256(listed.encode()).hexdigest()
    return f"fetched {shown(url)}: {len(names)} files, {size} bytes, sha256 of their list {digest}"


G = TypeVar("G")


def _at_once(job: Callable[[G], T], given: Sequence[G]) -> list[T]:
    """Do all, a few at a time. The first that fails is told without waiting for the others."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        waiting: list[Future[T]] = [pool.submit(job, one) for one in given]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        for one in done:
            one.result()
        return [one.result() for one in waiting]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
