"""What a task declares, checked and sorted out for the backend that is to run it. Pure.

InvalidInput says what a task asks for that cannot be; it is found before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.agents.protocol import Work
from penstock.backends.attempt.paths import check_path
from penstock.backends.attempt.shape import Bind, Command, Transfer, Wanted
from penstock.errors import InvalidInput
from penstock.staging.urls import WEB, below, locate, scheme_of, shown
from penstock.staging.urls import Kind as UrlKind
from penstock.staging.wildcards import has_wildcards
from penstock.tasks.models import Executor, Input, Kind, Output

# What executors see besides their own environment; the task's own values win.
ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - the sandbox's or pod's own
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
}
SECRETS = "/run/penstock-token"


class Declared:
    """A task's inputs, outputs, executors and folders.

    Parameters
    ----------
    system: folders that no path of the task may lie in or hide.
    allowed: folders besides the workspace that ``file://`` URLs may name.
    shared_memory: whether executors share a volume in memory; where they do not, one is possible for one executor only.
    """

    def __init__(self, work: Work, system: Sequence[str], allowed: Sequence[str], *, shared_memory: bool) -> None:
        self._work = work
        self._system = system
        self._allowed = allowed
        self.head = work.kind is Kind.HEAD
        self.logs: list[str] = []
        self.contents: dict[str, str] = {}
        self.transfers: list[Transfer] = []
        self.in_memory: list[str] = []
        self.binds = [*self._inputs(), *self._mounts()]
        _check_unique([bind["path"] for bind in self.binds])
        self.outputs = [self._output(output) for output in work.spec.outputs or []]
        self.commands = [self._command(executor) for executor in work.spec.executors]
        self.folders = self._folders(shared_memory=shared_memory)

    def _path(self, path: str, what: str) -> str:
        return check_path(path, what, self._system)

    def _inputs(self) -> Iterator[Bind]:
        for number, given in enumerate(self._work.spec.inputs or []):
            yield self._input(number, given)

    def _input(self, number: int, given: Input) -> Bind:
        path = check_path(given.path, "input", self._system, mounted=True)
        own = f"inputs/{number}"
        bind: Bind = {
            "path": path, "type": given.type.value, "kind": "own", "source": own, "within": "", "writable": False,
            "label": given.url or path,
        }  # fmt: skip
        if given.content is not None:
            return self._content(bind, given.content)
        if not given.url:
            raise InvalidInput(f"The input {path} has neither content nor a URL.")
        located = locate(given.url, self._allowed)
        if located.kind is UrlKind.REMOTE:
            return self._transfer(bind, given.url)
        bind["kind"] = "workspace" if located.kind is UrlKind.WORKSPACE else "path"
        bind["source"], bind["within"] = located.path, located.within
        return bind

    def _content(self, bind: Bind, content: str) -> Bind:
        _check_text(content, f"The content of {bind['path']}", nul=True)
        self.contents[bind["source"]] = content
        return {**bind, "type": "FILE", "label": bind["path"]}

    def _transfer(self, bind: Bind, url: str) -> Bind:
        bind["label"] = shown(url)
        if bind["type"] == "DIRECTORY" and scheme_of(url) in WEB:
            raise InvalidInput(f"The URL {shown(url)!r} cannot be fetched as a directory: HTTP has no listings.")
        self.transfers.append({"url": url, "target": bind["source"], "type": bind["type"]})
        return bind

    def _mounts(self) -> Iterator[Bind]:
        """Live directories of the workspace. Only head tasks have them, and only the server asks for them."""
        for mount in self._work.terms.mounts if self.head else []:
            located = locate(mount.url)
            yield {
                "path": check_path(mount.path, "mount", self._system, mounted=True),
                "type": "DIRECTORY", "kind": "workspace", "source": located.path, "within": "",
                "writable": True, "label": mount.url,
            }  # fmt: skip

    def _output(self, output: Output) -> Wanted:
        path = self._path(output.path, "output")
        locate(output.url, self._allowed)
        prefix = output.path_prefix
        if has_wildcards(path):
            if not prefix:
                raise InvalidInput(f"The output {path} has wildcards but no path_prefix.")
        else:
            prefix = None
        return {"url": output.url, "path": path, "prefix": prefix, "type": output.type.value}

    def _command(self, executor: Executor) -> Command:
        for word in executor.command:
            _check_text(word, f"The command {executor.command[0]!r}")
        return {
            "command": executor.command,
            "workdir": self._path(executor.workdir, "workdir") if executor.workdir else None,
            "stdin": self._path(executor.stdin, "stdin") if executor.stdin else None,
            "stdout": self._path(executor.stdout, "stdout") if executor.stdout else None,
            "stderr": self._path(executor.stderr, "stderr") if executor.stderr else None,
            "env": _environment(executor),
            "ignore_error": bool(executor.ignore_error),
        }

    def _folders(self, *, shared_memory: bool) -> list[str]:
        """Folders that exist before the first executor: volumes, and where outputs go."""
        volumes = [self._path(volume, "volume") for volume in self._work.spec.volumes or []]
        needed = [output["path"] for output in self.outputs]
        for command in self.commands:
            needed += [path for path in (command["stdin"], command["stdout"], command["stderr"]) if path]
        in_memory_possible = shared_memory or len(self.commands) == 1
        volumes += self._memory_volumes(needed if in_memory_possible else None)
        parents = [_fixed_part(output["path"], output["type"]) for output in self.outputs]
        return [folder for folder in dict.fromkeys([*volumes, *parents]) if folder and folder not in self.in_memory]

    def _memory_volumes(self, needed: list[str] | None) -> list[str]:
        """Those that have to lie on disk: outputs are taken from disk."""
        on_disk = []
        for given in self._work.terms.memory_volumes:
            volume = check_path(given, "memory volume", self._system, mounted=True)
            if needed is not None and not any(below(path, volume) for path in needed):
                self.in_memory.append(volume)
            else:
                on_disk.append(volume)
                self.logs.append(f"warning: the memory volume {volume} lies on disk.")
        return on_disk


def _environment(executor: Executor) -> dict[str, str]:
    for name, value in (executor.env or {}).items():
        if not name or "=" in name:
            raise InvalidInput(f"{name!r} cannot be the name of an environment variable.")
        _check_text(name + value, f"The environment variable {name!r}")
    return dict(executor.env or {})


def _fixed_part(path: str, kind: str) -> str:
    """The folder that an output is written to; for patterns, the part of it without wildcards."""
    parts = path.split("/")
    fixed = parts if kind == "DIRECTORY" else parts[:-1]
    for position, part in enumerate(fixed):
        if has_wildcards(part):
            return "/".join(fixed[:position])
    return "/".join(fixed)


def _check_unique(paths: list[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise InvalidInput(f"The path {path} is given to more than one input.")
        seen.add(path)


def _check_text(text: str, what: str, *, nul: bool = False) -> None:
    if ("\0" in text and not nul) or any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise InvalidInput(f"{what} holds a character that cannot be passed on.")
