"""Before the first executor: puts the sandbox's root together and opens what is mounted into it."""

from __future__ import annotations

import errno
import os
import stat

from penstock.backends.attempt.failure import Failure, lost, system_error
from penstock.backends.attempt.view import Outside, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import Bind, Point, Tree

ROOT = "root"
ETC = "etc"
WORKSPACE = "/workspace"
MOST_MOUNTS = 2000  # bubblewrap takes 9000 arguments, three for each mount
_NOWHERE = "/nonexistent"
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Mounted:
    """One thing to mount: an open descriptor of it, so that nobody can swap it between check and mount."""

    __slots__ = ("descriptor", "folder", "host", "path", "writable")

    def __init__(self, path: str, host: str, descriptor: int, *, folder: bool, writable: bool) -> None:
        self.path = path
        self.host = host
        self.descriptor = descriptor
        self.folder = folder
        self.writable = writable


class Staged:
    """A sandbox that is ready: its view, and its mounts, outer ones first."""

    def __init__(self, plan: Tree, directory: str) -> None:
        self.plan = plan
        self.directory = directory
        self.root = f"{directory}/{ROOT}"
        self.view = View(os.path.abspath(self.root), tuple(plan["system"]))
        self.mounts: list[Mounted] = []

    def check_points(self) -> None:
        """Make the mount points, and refuse those that an executor has replaced by a link.

        bubblewrap follows links in its root while it mounts, outside of the sandbox still.
        """
        for point in self.plan["skeleton"]:
            _make_point(self.root, point)
        for mounted in self.mounts:
            _make_point(self.root, {"path": mounted.path, "type": "DIRECTORY" if mounted.folder else "FILE"})

    def arguments(self) -> list[str]:
        """bubblewrap's arguments for the mounts."""
        found = []
        for mounted in self.mounts:
            found += ["--bind-fd" if mounted.writable else "--ro-bind-fd", str(mounted.descriptor), mounted.path]
        return found

    def close(self) -> None:
        """Let go of what is mounted."""
        for mounted in self.mounts:
            os.close(mounted.descriptor)
        self.mounts.clear()


def stage(plan: Tree, directory: str = ".") -> Staged:
    """The sandbox of ``plan``, put together in the attempt's directory; Failure names what cannot be."""
    os.makedirs(f"{directory}/{ROOT}", 0o750, exist_ok=True)
    os.makedirs(f"{directory}/{ETC}", 0o755, exist_ok=True)
    for point in plan["etc"]:
        _make_point(f"{directory}/{ETC}", point)
    _write_contents(directory, plan["contents"])
    staged = Staged(plan, directory)
    wanted = _wanted(plan)
    for bind in sorted(plan["binds"], key=lambda bind: bind["path"].count("/")):
        _mount(staged, bind, wanted)
    if len(staged.mounts) > MOST_MOUNTS:
        raise system_error(f"The task needs {len(staged.mounts)} mounts; at most {MOST_MOUNTS} are possible.")
    staged.check_points()
    for mounted in staged.mounts:
        staged.view.mount(mounted.path, mounted.host, writable=mounted.writable)
    for folder in plan["folders"]:
        make_folder(staged.view, folder)
    return staged


def make_folder(view: View, path: str) -> None:
    """A folder of the sandbox that the task asks for; Failure names it when it cannot be."""
    try:
        view.make_folder(path)
    except OSError as error:
        raise failure_of(error, f"The directory {path} cannot be made in the sandbox") from error


def failure_of(error: OSError, what: str) -> Failure:
    """A full disk loses the attempt; anything else is the task's own fault."""
    reason = f"{what}: {error.strerror}."
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
    return lost(reason) if full else system_error(reason)


def _write_contents(directory: str, contents: dict[str, str]) -> None:
    for path, content in contents.items():
        os.makedirs(f"{directory}/{path}".rpartition("/")[0], exist_ok=True)
        with open(f"{directory}/{path}", "w", encoding="utf-8", newline="") as file:
            file.write(content)


def _wanted(plan: Tree) -> dict[str, bool]:
    """Every path that must be possible in the sandbox, and whether it is written to."""
    paths = dict.fromkeys((bind["path"] for bind in plan["binds"]), False)
    written = [*plan["folders"], *(output["path"] for output in plan["outputs"])]
    for executor in plan["executors"]:
        written += [path for path in (executor["stdout"], executor["stderr"]) if path]
    return dict.fromkeys(written, True) | paths


def _mount(staged: Staged, bind: Bind, wanted: dict[str, bool]) -> None:
    folder = bind["type"] == "DIRECTORY"
    host, descriptor = _open_source(staged, bind)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode)):
        raise system_error(f"The input {bind['label']} is not what its type says: {bind['type']}.")
    inside = {path: write for path, write in wanted.items() if path.startswith(bind["path"] + "/")}
    if bind["writable"]:
        _refuse_new_points(host, bind, inside)
    if folder and not bind["writable"] and _must_spread(host, bind["path"], inside):
        _spread(staged, bind["path"], host, inside)
        os.close(descriptor)
        return
    _add(staged, bind["path"], host, descriptor, writable=bind["writable"])


def _refuse_new_points(host: str, bind: Bind, inside: dict[str, bool]) -> None:
    """bubblewrap would make missing mount points in the workspace itself."""
    for path, write in inside.items():
        if not write and not os.path.lexists(host + path[len(bind["path"]) :]):
            raise system_error(f"{path} does not exist in {bind['label']} and cannot be mounted there.")


def _add(staged: Staged, path: str, host: str, descriptor: int, *, writable: bool) -> None:
    os.set_inheritable(descriptor, True)
    folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    staged.mounts.append(Mounted(path, host, descriptor, folder=folder, writable=writable))


def _must_spread(host: str, path: str, inside: dict[str, bool]) -> bool:
    """Whether something must be made inside a read-only directory, which therefore cannot be mounted as one."""
    return any(write or not os.path.lexists(host + wanted[len(path) :]) for wanted, write in inside.items())


def _spread(staged: Staged, path: str, host: str, inside: dict[str, bool]) -> None:
    """Mount a directory's entries one by one into a real folder, so that there is room for ``inside``."""
    make_folder(staged.view, path)
    for name in os.listdir(host):
        here, source = f"{path}/{name}", f"{host}/{name}"
        deeper = {wanted: write for wanted, write in inside.items() if wanted.startswith(here + "/")}
        if os.path.islink(source):
            os.symlink(os.readlink(source), staged.view.spot(here).host)
        elif os.path.isdir(source) and (inside.get(here) or _must_spread(source, here, deeper)):
            _spread(staged, here, source, deeper)
        elif here not in inside:
            _add(staged, here, source, os.open(source, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC), writable=False)


def _open_source(staged: Staged, bind: Bind) -> tuple[str, int]:
    """Path and descriptor of what is to be mounted; Failure names a URL that leads nowhere or too far."""
    try:
        if bind["kind"] == "workspace":
            return open_in_workspace(staged.plan["workspace"], bind["source"])
        if bind["kind"] == "path":
            return _open_allowed(bind["source"], bind["within"])
        host = os.path.abspath(f"{staged.directory}/{bind['source']}")
        return host, os.open(host, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise system_error(f"The input {bind['label']} does not exist.") from error
    except OSError as error:
        raise failure_of(error, f"The input {bind['label']} cannot be used") from error


def open_in_workspace(workspace: str, path: str) -> tuple[str, int]:
    """Links in the workspace mean virtual paths, and may not leave the workload's or owner's own part of it."""
    view = View(_NOWHERE)
    view.mount(WORKSPACE, workspace, writable=False)
    spot = view.resolve(path)
    if spot.path.split("/")[:4] != path.split("/")[:4]:
        raise Outside(path)
    return spot.host, view.open(spot, os.O_PATH)


def _open_allowed(path: str, within: str) -> tuple[str, int]:
    real, folder = os.path.realpath(path), os.path.realpath(within)
    if real != folder and not real.startswith(folder.rstrip("/") + "/"):
        raise Outside(path)
    return real, os.open(real, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)


def _make_point(base: str, point: Point) -> None:
    """Make a folder, an empty file or a link below ``base``, following no link on the way."""
    *folders, name = point["path"].strip("/").split("/")
    try:
        folder = _walk(base, folders)
        try:
            _make_last(folder, name, point)
        finally:
            os.close(folder)
    except OSError as error:
        raise failure_of(error, f"{point['path']} cannot be made in the sandbox") from error


def _walk(base: str, folders: list[str]) -> int:
    folder = os.open(base, _FOLDER)
    for name in folders:
        try:
            _mkdir(name, folder)
            inner = os.open(name, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def _mkdir(name: str, folder: int) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        pass


def _make_last(folder: int, name: str, point: Point) -> None:
    if point["type"] == "LINK":
        try:
            os.symlink(point.get("content", ""), name, dir_fd=folder)
        except FileExistsError:
            pass
    elif point["type"] == "DIRECTORY":
        _mkdir(name, folder)
        os.close(os.open(name, _FOLDER, dir_fd=folder))
    else:
        content = point.get("content", "")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o644, dir_fd=folder)
        try:
            os.write(descriptor, content.encode())
        finally:
            os.close(descriptor)
