"""Publishing declared outputs exactly once: by rename, after the fenced finish is durable (design.md, section 4).

Those for remote URLs are set aside by the same rename, and sent from there (``outgoing``): until the finish is durable
and fenced, nothing leaves.

Every step can be done again after a kill: a source that is gone and a target that is there were published before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from penstock.errors import InvalidInput
from penstock.names import check_relative_path, split_attempt
from penstock.staging.urls import WORKSPACE, Kind, is_remote, locate
from penstock.tasks.models import FileType, Published

RECEIVED = "received"  # outputs that came through the server, from a site without the workspace

OUTGOING = "outgoing"  # the folder, and the topic under which the server that leads is told to look into it
_UNREADY = ".part"


@dataclass(frozen=True)
class Publisher:
    """Where published files may go: the workspace, and the folders that a bare ``serve`` was told to allow."""

    workspace: Path
    allowed: tuple[Path, ...] = ()

    def attempt_folder(self, attempt: str) -> Path:
        """``tasks/<task>/<number>`` of the workspace."""
        task, number = split_attempt(attempt)
        return self.workspace / "tasks" / task / str(number)

    def publish(self, attempt: str, outputs: Sequence[Published]) -> None:
        """Move every output with a source to its URL's place; OSError if that cannot be done.

        What is for a remote URL is moved out of the attempt's directory, which the agent removes soon, to be sent.
        """
        folder = self.attempt_folder(attempt)
        all_aside = self.outgoing(attempt).exists()
        for number, output in enumerate(outputs):
            if is_remote(output.url) and all_aside:
                continue
            if is_remote(output.url):
                self._set_aside(folder, output, self._unready(attempt) / str(number))
            elif output.type is FileType.DIRECTORY:
                make_folder(self.target(output.url), self.workspace)
            elif output.source is not None:
                self._publish_one(folder / check_relative_path(output.source), self.target(output.url))
        if self._unready(attempt).exists():
            self._unready(attempt).rename(self.outgoing(attempt))
            _sync(self.workspace / OUTGOING)

    def outgoing(self, attempt: str) -> Path:
        """Where outputs wait to be sent, each under its number; there only when all are."""
        return self.workspace / OUTGOING / attempt

    def sendings(self, attempt: str, outputs: Sequence[Published]) -> list[tuple[Path, str]]:
        """What is to be sent where, once all is set aside; a file that is gone was sent before a kill."""
        folder = self.outgoing(attempt)
        numbered = [(folder / str(number), one) for number, one in enumerate(outputs)] if folder.exists() else []
        return [(path, one.url) for path, one in numbered if is_remote(one.url) and one.source is not None]

    def clear(self, attempt: str) -> None:
        """Forget what waited to be sent."""
        for folder in (self.outgoing(attempt), self._unready(attempt)):
            shutil.rmtree(folder, ignore_errors=True)

    def waiting(self) -> list[str]:
        """Attempts of which something waits to be sent, or did before a kill."""
        folder = self.workspace / OUTGOING
        names = [one.name.removesuffix(_UNREADY) for one in folder.iterdir()] if folder.exists() else []
        return sorted(set(names))

    def _unready(self, attempt: str) -> Path:
        return self.workspace / OUTGOING / f"{attempt}{_UNREADY}"

    def _set_aside(self, folder: Path, output: Published, target: Path) -> None:
        if output.source is not None:
            self._publish_one(folder / check_relative_path(output.source), target)

    def target(self, url: str) -> Path:
        """The place on disk of a ``file://`` URL; InvalidInput if nothing may be published there."""
        place = locate(url, [str(folder) for folder in self.allowed])
        if place.kind is Kind.WORKSPACE:
            return self._inside(self.workspace, PurePosixPath(place.path).relative_to(WORKSPACE))
        if place.kind is Kind.PATH:
            return self._inside(Path(place.within), PurePosixPath(place.path).relative_to(place.within))
        raise InvalidInput(f"Nothing can be published to {url!r}.", hint="Use file:///workspace/….")

    def discard(self, attempt: str) -> None:
        """Remove what an attempt's pod has sent here; at other sites the agent removes the attempt's folder."""
        folder = self.attempt_folder(attempt)
        if (folder / RECEIVED).is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # another attempt of the task has a folder, too
                folder.parent.rmdir()

    def _inside(self, root: Path, relative: os.PathLike[str]) -> Path:
        target = root / relative
        if not target.parent.resolve().is_relative_to(root.resolve()):
            raise InvalidInput(f"{target.name!r} would be published outside of its folder, through a link.")
        return target

    def _publish_one(self, source: Path, target: Path) -> None:
        if not source.exists() and target.exists():
            return  # published before a kill
        make_folder(target.parent, self.workspace)
        try:
            source.replace(target)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and target.exists():
                return  # published by another server in this moment
            if error.errno != 18:  # EXDEV: an allowed path on another file system
                raise
            _copy(source, target)
        _sync(target.parent)


def needs_publishing(outputs: Sequence[Published]) -> bool:
    """Whether anything is still to be put into its place."""
    return any(output.source is not None or output.type is FileType.DIRECTORY for output in outputs)


def make_folder(folder: Path, root: Path) -> None:
    """``folder`` with its parents, those below ``root`` with mode 2750."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        if one.is_relative_to(root):
            one.chmod(0o2750)


def _copy(source: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, beside)
    _sync(beside)
    beside.replace(target)
    source.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
