"""``owners/<owner>/data``: results that outlive their workload, and what else an owner has there. Blocks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import Conflict, InvalidInput, NotFound
from penstock.names import check_relative_path
from penstock.workloads.models import Workload
from penstock.workloads.places import Places, remove_tree, sync_tree
from penstock.workloads.results import FILES


@dataclass(frozen=True)
class Kept:
    """A file or folder at the top of an owner's data. ``modified_us`` is the time of its last change."""

    name: str
    bytes: int
    files: int
    modified_us: int


def keep(places: Places, workload: Workload, name: str) -> Kept:
    """Give the workload's results a second name in its owner's data; Conflict where there is something already."""
    target = places.data(workload.owner) / _top(name)
    source = places.results(workload.owner, workload.id) / FILES
    if not source.is_dir():
        raise NotFound("The workload has no results to keep.")
    beside = target.with_name(f".keeping-{workload.id}")
    places.make(beside.parent)
    remove_tree(beside)
    places.make(beside)
    count = 0
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy = beside / path.relative_to(source)
            places.make(copy.parent)
            _link(path, copy)
            count += 1
    sync_tree(beside, count)
    try:
        os.rename(beside, target)  # noqa: PTH104 - Path.rename would replace an empty folder just the same
    except OSError as error:
        remove_tree(beside)
        raise Conflict(
            f"There is something called {name!r} in your data already.", hint="Choose another name."
        ) from error
    return _kept(target)


def listed(places: Places, owner: str) -> list[Kept]:
    """What an owner has, by name."""
    folder = places.data(owner)
    if not folder.is_dir():
        return []
    return [_kept(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def remove(places: Places, owner: str, name: str) -> None:
    """Remove one of them; nothing happens if it is gone."""
    path = places.data(owner) / _top(name)
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _top(name: str) -> str:
    if len(check_relative_path(name).parts) != 1 or name.startswith("."):
        raise InvalidInput(f"{name!r} is not the name of a folder.", hint="Use a plain name without '/'.")
    return name


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or too many links
        shutil.copyfile(source, target, follow_symlinks=False)


def _kept(path: Path) -> Kept:
    sizes = [one.lstat().st_size for one in _files(path)]
    return Kept(path.name, sum(sizes), len(sizes), path.lstat().st_mtime_ns // 1000)


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
    else:
        yield from (one for one in path.rglob("*") if one.is_file() or one.is_symlink())
