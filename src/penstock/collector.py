"""The garbage collector: finds what belongs to nothing, in the workspace and in the store, and removes it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from penstock.tasks.tables import tasks
from penstock.uploads.store import uploads
from penstock.workloads.models import DropState, State
from penstock.workloads.removal import UNFOLDED
from penstock.workloads.store import workloads
from penstock.workloads.store_drops import drops

YOUNG_S = 600.0  # what is younger may belong to something that is just being made


@dataclass(frozen=True)
class Orphan:
    """Something that nobody owns. ``path`` is below the workspace."""

    path: str
    bytes: int
    reason: str


@dataclass(frozen=True)
class Known:
    """What the store knows: ids, and for workloads owner and state."""

    uploads: Collection[str]
    drops: Collection[str]
    tasks: Collection[str]
    workloads: dict[str, tuple[str, State]]


def known(connection: Connection) -> Known:
    """Read what is known, in one transaction."""
    open_drops = drops.c.state.in_([DropState.RECEIVING.value, DropState.RECEIVED.value])
    rows = connection.execute(select(workloads.c.id, workloads.c.owner, workloads.c.state))
    return Known(
        uploads=set(connection.execute(select(uploads.c.id)).scalars()),
        drops=set(connection.execute(select(drops.c.key).where(open_drops)).scalars()),
        tasks=set(connection.execute(select(tasks.c.id)).scalars()),
        workloads={row.id: (row.owner, State(row.state)) for row in rows},
    )


def find(workspace: Path, there: Known, now_s: float | None = None) -> list[Orphan]:
    """What lies in the workspace and belongs to nothing that is known; what is young is passed over."""
    oldest = (time.time() if now_s is None else now_s) - YOUNG_S
    found = [*_uploads(workspace, there), *_workloads(workspace, there), *_results(workspace, there)]
    return [
        Orphan(str(path.relative_to(workspace)), _size(path), reason)
        for path, reason in sorted(found)
        if _changed(path) <= oldest
    ]


def remove(workspace: Path, orphans: Collection[Orphan]) -> None:
    """Remove what was found; what is gone meanwhile is gone."""
    for orphan in orphans:
        path = workspace / orphan.path
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _uploads(workspace: Path, there: Known) -> Iterator[tuple[Path, str]]:
    for path in _inside(workspace / "incoming"):
        if path.name not in there.uploads:
            yield path, "no such upload"
    for path in _inside(workspace / "drops"):
        if path.name.partition(".")[0] not in there.drops:
            yield path, "no such drop, or it was looked through"
    for path in _inside(workspace / "tasks"):
        if path.name not in there.tasks:
            yield path, "no such task"


def _workloads(workspace: Path, there: Known) -> Iterator[tuple[Path, str]]:
    for path in _inside(workspace / "workloads"):
        if path.name not in there.workloads:
            yield path, "no such workload"
        elif there.workloads[path.name][1] in UNFOLDED:
            yield path, f"the workload is {there.workloads[path.name][1].value} and has no folder then"


def _results(workspace: Path, there: Known) -> Iterator[tuple[Path, str]]:
    for owner in _inside(workspace / "owners"):
        if not any(owner.iterdir()):
            yield owner, "an empty folder of an owner"
        for path in _inside(owner / "results"):
            if there.workloads.get(path.name, ("", None))[0] != owner.name:
                yield path, "results of no workload of this owner"
        for path in _inside(owner / "data"):
            if path.name.startswith(".keeping-"):
                yield path, "a copy that was cut off"


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from list(folder.iterdir())


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return time.time()


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(one.lstat().st_size for one in path.rglob("*") if not one.is_dir())
    return 0
