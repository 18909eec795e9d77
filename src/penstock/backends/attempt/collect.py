"""After the executors: finds the declared outputs, and leaves each as a file that the server can publish by rename.

Links are followed with the sandbox's meaning only (``view``). What cannot be renamed, because it is an input, lies in
a mount, or is declared twice, is copied to ``outputs/<n>``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from penstock.backends.attempt.failure import Failure, system_error
from penstock.backends.attempt.stage import ROOT, WORKSPACE, failure_of
from penstock.backends.attempt.view import Outside, Spot, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import OutputResult, Tree, Wanted

COPIES = "outputs"
_CHUNK = 8 << 20
_EVERY_FILE_ITSELF = 32  # more outputs than this are made durable by one syncfs


class Collection:
    """The outputs of one attempt.

    ``problem`` is why the first of those that cannot be published cannot; ``denied`` says that permissions were in the
    way, which ``permit`` can change.
    """

    def __init__(self, plan: Tree, view: View, directory: str = ".") -> None:
        self._plan = plan
        self._directory = directory
        self._view = view
        self._claimed: set[str] = set()
        self._copies = 0
        self.outputs: list[OutputResult] = []
        self.logs: list[str] = []
        self.problem: Failure | None = None
        self.denied = False

    def take(self) -> None:
        """Look at every declared output, whatever becomes of the others."""
        for wanted in self._plan["outputs"]:
            try:
                for path, url in self._matches(wanted):
                    self._publish(path, url)
            except Failure as failure:
                self.problem = self.problem or failure
            except OSError as error:
                self._note(error)
                self.problem = self.problem or failure_of(error, f"The output {wanted['path']} cannot be published")
        self._make_durable()

    def _matches(self, wanted: Wanted) -> Iterator[tuple[str, str]]:
        """Path and URL of every file that the output stands for."""
        prefix = wanted["prefix"]
        if prefix is None:
            yield from self._literal(wanted)
            return
        from penstock.staging.wildcards import expand

        for path in expand(wanted["path"], self._view.names):
            spot = self._spot_or_none(path)
            if spot is None or self._view.is_mount(spot.path):
                continue
            url = wanted["url"].rstrip("/") + "/" + path.removeprefix(prefix).lstrip("/")
            if stat.S_ISREG(os.lstat(spot.host).st_mode):
                yield path, url
            elif wanted["type"] == "DIRECTORY" and stat.S_ISDIR(os.lstat(spot.host).st_mode):
                yield from self._files(path, spot, url)

    def _literal(self, wanted: Wanted) -> Iterator[tuple[str, str]]:
        path = wanted["path"]
        try:
            spot = self._view.resolve(path)
            mode = os.lstat(spot.host).st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            raise system_error(f"The output {path} does not exist.") from error
        if wanted["type"] == "FILE":
            if not stat.S_ISREG(mode):
                raise system_error(f"The output {path} is not a file.")
            yield path, wanted["url"]
        elif not stat.S_ISDIR(mode):
            raise system_error(f"The output {path} is not a directory.")
        else:
            yield from self._files(path, spot, wanted["url"])

    def _files(self, path: str, folder: Spot, url: str) -> Iterator[tuple[str, str]]:
        """All files below a directory, flattened. Links to directories are not followed: they may lead in circles."""
        waiting = [("", folder.path)]
        while waiting:
            rest, here = waiting.pop()
            self._note_folder(path + rest, url.rstrip("/") + rest)
            for name in sorted(self._view.names(here or "/")):
                inner, inside = f"{rest}/{name}", f"{here}/{name}"
                if self._view.is_mount(inside) or self._view.is_closed(inside):
                    continue
                mode = os.lstat(self._view.spot(inside).host).st_mode
                if stat.S_ISDIR(mode):
                    waiting.append((inner, inside))
                elif stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and self._leads_to_file(inside)):
                    yield path + inner, url.rstrip("/") + inner
                else:
                    self.logs.append(f"{path + inner!a} is neither a file nor a directory and is left out.")

    def _note_folder(self, path: str, url: str) -> None:
        """A directory is made where it is published, also when it is empty."""
        _check_name(path)
        made: OutputResult = {"source": None, "url": url, "path": path, "size_bytes": 0, "type": "DIRECTORY"}
        self.outputs.append(made)

    def _leads_to_file(self, path: str) -> bool:
        spot = self._spot_or_none(path)
        return spot is not None and stat.S_ISREG(os.lstat(spot.host).st_mode)

    def _spot_or_none(self, path: str) -> Spot | None:
        """Where ``path`` leads; None when it leads nowhere or outside."""
        try:
            spot = self._view.resolve(path)
            os.lstat(spot.host)
        except OSError as error:
            self._note(error)
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
                return None
            raise
        return spot

    def _note(self, error: OSError) -> None:
        self.denied = self.denied or (isinstance(error, PermissionError) and not isinstance(error, Outside))

    def _publish(self, path: str, url: str) -> None:
        _check_name(path)
        spot = self._view.resolve(path)
        in_place = spot.mount != "" and spot.writable and self._is_named_by(spot, url)
        if in_place:
            source = None
            size = os.lstat(spot.host).st_size
        elif spot.mount == "" and spot.path not in self._claimed:
            self._claimed.add(spot.path)
            source = f"{ROOT}{spot.path}"
            size = self._settle(spot)
        else:
            source = f"{COPIES}/{self._copies}"
            self._copies += 1
            size = self._copy(spot, source)
        self.outputs.append({"source": source, "url": url, "path": path, "size_bytes": size, "type": "FILE"})

    def _is_named_by(self, spot: Spot, url: str) -> bool:
        """Whether a file in a live mount already lies where ``url`` wants it."""
        inside = url.removeprefix("file://" + WORKSPACE + "/")
        return os.path.realpath(spot.host) == os.path.realpath(f"{self._plan['workspace']}/{inside}")

    def _settle(self, spot: Spot) -> int:
        """Make a file one that the server may rename and others of its group may read; returns its size."""
        folder, _, _ = spot.host.rpartition("/")
        _allow(folder, 0o700)
        _allow(spot.host, 0o640)
        descriptor = self._view.open(spot, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o777)
            if len(self._claimed) <= _EVERY_FILE_ITSELF:
                os.fsync(descriptor)
            return status.st_size
        finally:
            os.close(descriptor)

    def _copy(self, spot: Spot, target: str) -> int:
        os.makedirs(f"{self._directory}/{COPIES}", exist_ok=True)
        source = self._view.open(spot, os.O_RDONLY)
        sink = os.open(f"{self._directory}/{target}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            size = 0
            while copied := os.copy_file_range(source, sink, _CHUNK):
                size += copied
            os.fsync(sink)
            return size
        finally:
            os.close(source)
            os.close(sink)

    def _make_durable(self) -> None:
        """What is reported as finished must survive a power cut: the server only renames it."""
        if len(self._claimed) > _EVERY_FILE_ITSELF:
            import ctypes

            descriptor = os.open(f"{self._directory}/{ROOT}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
            finally:
                os.close(descriptor)


def collect(plan: Tree, view: View, directory: str = ".") -> Collection:
    """Every declared output, those included that an executor has closed to everybody."""
    collection = Collection(plan, view, directory)
    collection.take()
    if collection.denied:
        permit(f"{directory}/{ROOT}")  # open what was closed and look again
        collection = Collection(plan, view, directory)
        collection.take()
    return collection


def _allow(path: str, bits: int) -> None:
    """Add permissions that an executor has taken away. ``path`` is resolved and holds no links."""
    mode = os.lstat(path).st_mode
    if mode & bits != bits and not stat.S_ISLNK(mode):
        os.chmod(path, stat.S_IMODE(mode) | bits)


def permit(root: str) -> None:
    """Give the owner access to every directory below ``root``, which executors may have closed."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        _allow(folder, 0o700)
        with os.scandir(folder) as entries:
            waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _check_name(path: str) -> None:
    from penstock.errors import InvalidInput
    from penstock.names import check_absolute_path

    try:
        check_absolute_path(path)
    except InvalidInput as error:
        raise system_error(f"The output {path!a} cannot be published: {error.message}") from error
