"""CANCELING, ACKNOWLEDGED, EXPIRED: ends and removes all of a workload; and what nobody owns, after a start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from penstock.workloads import store, store_drops
from penstock.workloads.halt import Halt
from penstock.workloads.interfaces import Tasks, Uploads
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import REMOVING, State, Workload
from penstock.workloads.places import Places, remove_tree
from penstock.workloads.threads import Threads

_log = structlog.get_logger(__name__)
Known = Mapping[str, tuple[str, State]]
UNFOLDED = REMOVING | {State.UPLOADING, State.SUCCEEDED, State.CANCELED}  # these have no folder below workloads/


class Removal:
    """Each step waits until no task of the workload runs: what runs could write again what was removed."""

    def __init__(self, lifecycle: Lifecycle, places: Places, threads: Threads, tasks: Tasks, uploads: Uploads) -> None:
        self._lifecycle = lifecycle
        self._places = places
        self._threads = threads
        self._tasks = tasks
        self._uploads = uploads

    async def cancel(self, workload: Workload, _halt: Halt) -> None:
        """End its tasks, remove what it got and made."""
        await self._uploads.remove_workload(workload.id)
        if await self._settled(workload.id):
            await self._threads.run(self._remove_folders, workload)
            await self._lifecycle.move(workload.id, [State.CANCELING], State.CANCELED, workload.reason)

    async def remove(self, workload: Workload, _halt: Halt) -> None:
        """Remove everything but the tombstone."""
        await self._uploads.remove_workload(workload.id)
        if await self._settled(workload.id):
            await self._threads.run(self._remove_folders, workload)
            await self._tasks.forget_workload(workload.id)
            await self._lifecycle.bury(workload.id, lambda c: store_drops.forget_workload(c, workload.id))

    async def reconcile(self) -> None:
        """Remove folders of workloads that are not, or not any more, in a state that has them."""
        # First the folders, then the rows: another server may make workloads meanwhile, and rows come before folders.
        working, results = await self._threads.run(self._list)
        known = await self._lifecycle.database.read(store.owners)
        await self._threads.run(_remove_strangers, working, results, known)

    async def _settled(self, workload: str) -> bool:
        await self._tasks.cancel_workload(workload)
        head, progress = await self._tasks.head(workload), await self._tasks.progress(workload)
        return (head is None or head.state.final) and progress.queued == 0 and progress.running == 0

    def _remove_folders(self, workload: Workload) -> None:
        results = self._places.results(workload.owner, workload.id)
        remove_tree(results)
        remove_tree(self._places.workload(workload.id))
        for empty in (results.parent, results.parent.parent):
            with suppress(OSError):  # there is more in it, or another workload is just putting something there
                empty.rmdir()

    def _list(self) -> tuple[list[Path], list[Path]]:
        owners = _folders(self._places.owners)
        return [*_folders(self._places.workloads)], [one for owner in owners for one in _folders(owner / "results")]


def _remove_strangers(working: list[Path], results: list[Path], known: Known) -> None:
    for folder in working:
        if folder.name not in known or known[folder.name][1] in UNFOLDED:
            _remove_stranger(folder)
    for folder in results:
        if folder.name not in known or known[folder.name][0] != folder.parent.parent.name:
            _remove_stranger(folder)


def _remove_stranger(folder: Path) -> None:
    try:
        remove_tree(folder)
    except OSError as error:  # it is nobody's, so nobody's server may wait for it
        _log.warning("A folder that belongs to nothing stays.", folder=str(folder), reason=error.strerror)


def _folders(parent: Path) -> Iterator[Path]:
    if parent.is_dir():
        yield from [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]
