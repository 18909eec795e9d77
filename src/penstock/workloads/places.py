"""Where a workload's files are (design.md, section 5). Every place follows from ids, so a restart finds it again."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from penstock.errors import StorageFull

FOLDER_MODE = 0o2750
FILE_MODE = 0o640
MANY_FILES = 16


@dataclass(frozen=True)
class Places:
    """The workspace of one deployment, by its root."""

    workspace: Path

    @property
    def workloads(self) -> Path:
        """All workloads that run."""
        return self.workspace / "workloads"

    @property
    def owners(self) -> Path:
        """What owners have: results, and data of their own."""
        return self.workspace / "owners"

    def workload(self, workload: str) -> Path:
        """One workload while it runs."""
        return self.workloads / workload

    def inputs(self, workload: str) -> Path:
        """Its inputs, ``<role>/<name>``; what is here was checked."""
        return self.workload(workload) / "inputs"

    def work(self, workload: str) -> Path:
        """Its engine's working directory."""
        return self.workload(workload) / "work"

    def pipeline(self, workload: str) -> Path:
        """Its own copy of the pipeline."""
        return self.workload(workload) / "pipeline"

    def packing(self, workload: str) -> Path:
        """Where its results are put together before they appear under the owner."""
        return self.workload(workload) / "packing"

    def logs(self, workload: str) -> Path:
        """What its failed processes said."""
        return self.workload(workload) / "logs"

    def results(self, owner: str, workload: str) -> Path:
        """Its published results."""
        return self.owners / owner / "results" / workload

    def drop(self, key: str) -> Path:
        """A tar that was put into the drop box, until it is looked through."""
        return self.workspace / "drops" / f"{key}.tar"

    def check_room(self, wanted: int, reserve: int) -> None:
        """StorageFull unless there is room for ``wanted`` bytes besides the reserve."""
        disk = os.statvfs(self.workspace)
        room = max(0, disk.f_bavail * disk.f_frsize - reserve)
        if wanted > room:
            raise StorageFull(f"{wanted} bytes are wanted; the workspace has room for {room}.", hint="Try again later.")

    def data(self, owner: str) -> Path:
        """The owner's own files."""
        return self.owners / owner / "data"

    def make(self, folder: Path) -> Path:
        """``folder`` with its parents, all below the workspace with mode 2750."""
        missing = []
        at = folder
        while not at.is_dir():
            missing.append(at)
            at = at.parent
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            one.chmod(FOLDER_MODE)  # mkdir's own mode is cut down by the umask
        return folder


def member_path(folder: Path, member: str) -> Path:
    """``folder/<role>/<name>``; ``member`` was checked when it was declared."""
    return folder / PurePosixPath(member)


def sync(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path, files: int) -> None:
    """Make all that is below ``folder`` durable: by fsync, or by one sync of everything where ``files`` are many."""
    if files > MANY_FILES:
        os.sync()  # an fsync costs milliseconds each: ten thousand small files would take a minute
        return
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            sync(path)


def write_durably(path: Path, content: bytes) -> None:
    """Make ``path`` appear with all of ``content``, or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.chmod(FILE_MODE)
    sync(beside)
    beside.replace(path)
    sync(path.parent)


def remove_tree(folder: Path) -> None:
    """Remove a folder that may be gone already, or partly."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
