"""The sandbox's file tree as the runner sees it from outside, without ever being led astray by a link.

An executor may leave any link it likes below its root: ``out.txt -> /etc/shadow``, ``out -> ../../..``. The runner
works outside of the sandbox, where such a link would lead into this machine's own files. So paths are walked here by
hand, part by part, with the sandbox's meaning: an absolute link starts at the sandbox's root, ``..`` ends there, and
what is mounted in the sandbox is looked up where it comes from. Nothing of the sandbox runs while the runner walks.
"""

from __future__ import annotations

import errno
import os
import stat

MOST_LINKS = 40  # as Linux itself (path_resolution(7))
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PATH_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Outside(OSError):
    """A path leads to where the runner must not go: a system directory of the sandbox."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EACCES, "leads out of what the task declared", path)


class Spot:
    """Where a virtual path lies: ``base`` is a folder or file of this machine, ``rest`` the plain path below it."""

    __slots__ = ("base", "mount", "path", "rest", "writable")

    def __init__(self, path: str, mount: str, base: str, rest: str, *, writable: bool) -> None:
        self.path = path
        self.mount = mount
        self.base = base
        self.rest = rest
        self.writable = writable

    @property
    def host(self) -> str:
        """The path on this machine."""
        return f"{self.base}/{self.rest}" if self.rest else self.base


class View:
    """A tree put together from mounts; the mount at ``/`` is the sandbox's own root.

    ``closed`` are virtual folders that exist in the sandbox but that no declared path may lead to.
    """

    def __init__(self, root: str, closed: tuple[str, ...] = ()) -> None:
        self._mounts: dict[str, tuple[str, bool]] = {"": (root, True)}
        self._closed = closed

    def mount(self, path: str, source: str, *, writable: bool) -> None:
        """Let ``source`` of this machine appear at ``path``."""
        self._mounts[path] = (source, writable)

    def is_mount(self, path: str) -> bool:
        """Whether something was mounted exactly there."""
        return path in self._mounts

    def is_closed(self, path: str) -> bool:
        """Whether ``path`` belongs to the system."""
        return any(path == folder or path.startswith(folder + "/") for folder in self._closed)

    def spot(self, path: str) -> Spot:
        """Where ``path``, which must hold no links, lies; Outside if it is closed."""
        if self.is_closed(path):
            raise Outside(path)
        mount = path
        while mount not in self._mounts:
            mount = mount[: mount.rindex("/")]
        base, writable = self._mounts[mount]
        return Spot(path, mount, base, path[len(mount) + 1 :], writable=writable)

    def resolve(self, path: str) -> Spot:
        """Where ``path`` leads when all links are followed; OSError when it leads nowhere."""
        waiting = path.split("/")[::-1]
        done = ""
        links = 0
        while waiting:
            part = waiting.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[: done.rindex("/")] if done else ""
                continue
            target = self._link(f"{done}/{part}")
            if target is None:
                done = f"{done}/{part}"
                continue
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            done = "" if target.startswith("/") else done
            waiting.extend(target.split("/")[::-1])
        return self.spot(done)

    def open(self, spot: Spot, flags: int, mode: int = 0o640) -> int:
        """A descriptor of what lies at ``spot``; fails rather than follow a link on the way."""
        if flags & _WRITING and not spot.writable:
            raise OSError(errno.EROFS, "is read-only in the sandbox", spot.path)
        if not spot.rest:
            return os.open(spot.base, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        *folders, name = spot.rest.split("/")
        folder = self._enter(spot.base, folders)
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
        finally:
            os.close(folder)

    def names(self, path: str) -> list[str]:
        """What a directory holds, what is mounted in it included; nothing if it is none or leads outside."""
        try:
            spot = self.resolve(path)
            descriptor = self.open(spot, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError, Outside):
            return []
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, path: str) -> None:
        """Make sure that ``path`` is a folder; links on the way that lead nowhere are an error."""
        done = ""
        for part in path.strip("/").split("/"):
            done = f"{done}/{part}"
            try:
                spot = self.resolve(done)
            except FileNotFoundError:
                self._make_one(done)
            else:
                done = spot.path or "/"
        if not stat.S_ISDIR(os.lstat(self.resolve(path).host).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def _make_one(self, path: str) -> None:
        spot = self.spot(path)
        if not spot.writable:
            raise OSError(errno.EROFS, "is read-only in the sandbox", path)
        *folders, name = spot.rest.split("/")
        folder = self._enter(spot.base, folders)
        try:
            os.mkdir(name, 0o750, dir_fd=folder)
        finally:
            os.close(folder)

    def _enter(self, base: str, folders: list[str]) -> int:
        folder = os.open(base, _PATH_ONLY | os.O_DIRECTORY)
        for name in folders:
            try:
                inner = os.open(name, _PATH_ONLY | os.O_DIRECTORY, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _link(self, path: str) -> str | None:
        """What the link at ``path`` says; None if it is none. ``path`` has no links before its last part."""
        if path in self._mounts:
            return None
        spot = self.spot(path)
        try:
            return os.readlink(spot.host)
        except OSError as error:
            if error.errno == errno.EINVAL:  # exists and is no link
                return None
            raise
