"""Who may download what: the one place that decides (design.md, section 6)."""

from __future__ import annotations

import asyncio
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import Conflict, NotFound
from penstock.workloads.accounts import Accounts
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.links import Links
from penstock.workloads.models import HAS_RESULTS, Link, Workload
from penstock.workloads.places import Places
from penstock.workloads.results import ARCHIVE, FILES, MANIFEST

ARCHIVE_TYPE = "application/zstd"


@dataclass(frozen=True)
class Download:
    """A file to send. ``relative`` is its path below ``owners/<owner>/results/<id>``; ``sha256`` where it is known."""

    path: Path
    owner: str
    workload: str
    relative: str
    media_type: str
    sha256: str | None
    stat: os.stat_result


class Downloads:
    """A caller is let in first (``by_account``, ``by_owner`` or ``by_link``); then there is something to find."""

    def __init__(self, lifecycle: Lifecycle, places: Places, accounts: Accounts, links: Links) -> None:
        self._lifecycle = lifecycle
        self._places = places
        self.accounts = accounts
        self.links = links

    async def by_account(self, workload: str, name: str, secret: str) -> Workload:
        """The workload that this account opens; NotAuthenticated, the same for a wrong secret and a wrong id."""
        await self.accounts.check(workload, name, secret)
        return await self._lifecycle.whole(workload)

    async def by_owner(self, workload: str, owner: str) -> Workload:
        """The owner's workload; NotAuthenticated for any other, Gone for one that was removed."""
        try:
            return await self._lifecycle.owned(owner, workload)
        except NotFound:
            await self.accounts.refuse(workload)
            raise

    async def by_link(self, workload: str, link: Link) -> Workload:
        """The workload, for the one file that the link is for."""
        await self.links.check(workload, link)
        return await self._lifecycle.whole(workload)

    async def refuse(self, workload: str) -> None:
        """Raise what everybody gets who may not come in."""
        await self.accounts.refuse(workload)

    async def find(self, workload: Workload, path: str) -> Download:
        """The file at ``path`` below ``/download/<id>/``; Conflict before there are results, NotFound."""
        if workload.state not in HAS_RESULTS:
            raise Conflict(f"The workload is {workload.state.value}: it has no results.", hint="Wait until it ends.")
        if workload.results and path == ARCHIVE:
            return await self._download(workload, path, ARCHIVE_TYPE)
        if workload.results and path == MANIFEST:
            return await self._download(workload, path, "text/plain; charset=utf-8")
        prefix, _, name = path.partition("/")
        for result in workload.results:
            if prefix == FILES and result.name == name:
                return await self._download(workload, path, _media_type(name), result.sha256)
        raise NotFound(f"The workload's results have no file {path!r}.")

    async def _download(
        self, workload: Workload, relative: str, media_type: str, sha256: str | None = None
    ) -> Download:
        path = self._places.results(workload.owner, workload.id) / relative
        try:
            stat = await asyncio.to_thread(path.stat)
        except FileNotFoundError as error:  # it was removed a moment ago
            raise NotFound(f"The workload's results have no file {relative!r}.") from error
        return Download(path, workload.owner, workload.id, relative, media_type, sha256, stat)


def _media_type(name: str) -> str:
    kind, encoding = mimetypes.guess_type(name)
    if encoding is not None:  # it is sent as it is stored, so a browser must not take it for its content
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    return kind or "application/octet-stream"
