"""Work → plan: what the runner is told. Pure; InvalidInput says what a task asks for that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.agents.protocol import Work
from penstock.backends.local.paths import check_path, system_folders
from penstock.backends.local.shape import Bind, Command, Plan, Point, Transfer, Wanted
from penstock.backends.local.site import Shared, Site
from penstock.errors import InvalidInput
from penstock.names import TOOLS_IMAGE
from penstock.staging.urls import Kind as UrlKind
from penstock.staging.urls import below, locate
from penstock.staging.wildcards import has_wildcards
from penstock.tasks.models import Executor, Input, Kind, Output

USER = 1000
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKETS = "/run/penstock"
SECRETS = "/run/penstock-token"
_GIGABYTE = 10**9
_NAMES = """\
passwd: files
group: files
hosts: files dns
"""


def build(work: Work, site: Site, directory: str) -> Plan:
    """The plan of one attempt, whose directory is ``directory``."""
    return _Builder(work, site, directory).plan()


class _Builder:
    def __init__(self, work: Work, site: Site, directory: str) -> None:
        self._work = work
        self._site = site
        self._directory = directory
        self._executors = work.spec.executors
        self._with_tools = any(executor.image == TOOLS_IMAGE for executor in self._executors)
        self._head = work.kind is Kind.HEAD
        self._by_network = work.terms.network == "egress" or (self._head and site.run is None)
        self._system = system_folders(site.environment if self._with_tools else ())
        self._logs: list[str] = []
        self._contents: dict[str, str] = {}
        self._transfers: list[Transfer] = []
        self._in_memory: list[str] = []

    def plan(self) -> Plan:
        self._check_images()
        binds = [*self._inputs(), *self._mounts()]
        _check_unique([bind["path"] for bind in binds])
        outputs = [self._output(output) for output in self._work.spec.outputs or []]
        executors = [self._executor(executor) for executor in self._executors]
        folders = self._folders(outputs, executors)
        return {
            "attempt": self._work.attempt,
            "notify": self._site.notify,
            "workspace": self._site.workspace,
            "sandbox": self._sandbox(),
            "etc": self._etc(),
            "skeleton": self._skeleton(),
            "system": list(self._system),
            "folders": folders,
            "contents": self._contents,
            "transfers": self._transfers,
            "fetch": self._fetch(),
            "binds": binds,
            "executors": executors,
            "outputs": outputs,
            "time_limit_s": self._work.terms.time_limit_s,
            "ram_bytes": int(self._work.terms.ram_gb * _GIGABYTE),
            "system_logs": self._logs,
        }

    def _check_images(self) -> None:
        for image in dict.fromkeys(executor.image for executor in self._executors):
            if image == TOOLS_IMAGE:
                continue
            if self._site.refuse_images:
                raise InvalidInput(f"The image {image!r} does not exist here; this site has {TOOLS_IMAGE!r}.")
            self._logs.append(f"warning: the image {image!r} was not used; the programs of this machine were.")

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
        located = locate(given.url, self._site.allowed)
        if located.kind is UrlKind.HTTP:
            return self._transfer(bind, given.url)
        bind["kind"] = "workspace" if located.kind is UrlKind.WORKSPACE else "path"
        bind["source"], bind["within"] = located.path, located.within
        return bind

    def _content(self, bind: Bind, content: str) -> Bind:
        _check_text(content, f"The content of {bind['path']}", nul=True)
        self._contents[bind["source"]] = content
        return {**bind, "type": "FILE", "label": bind["path"]}

    def _transfer(self, bind: Bind, url: str) -> Bind:
        if bind["type"] == "DIRECTORY":
            raise InvalidInput(f"The URL {url!r} cannot be fetched as a directory.")
        self._transfers.append({"url": url, "target": bind["source"]})
        return bind

    def _mounts(self) -> Iterator[Bind]:
        """Live directories of the workspace. Only head tasks have them, and only the server asks for them."""
        for mount in self._work.terms.mounts if self._head else []:
            located = locate(mount.url)
            yield {
                "path": check_path(mount.path, "mount", self._system, mounted=True),
                "type": "DIRECTORY", "kind": "workspace", "source": located.path, "within": "",
                "writable": True, "label": mount.url,
            }  # fmt: skip

    def _output(self, output: Output) -> Wanted:
        path = self._path(output.path, "output")
        if locate(output.url, self._site.allowed).kind is UrlKind.HTTP:
            raise InvalidInput(f"The output URL {output.url!r} is not supported here.", hint="Use file:///workspace/….")
        prefix = output.path_prefix
        if has_wildcards(path):
            if not prefix:
                raise InvalidInput(f"The output {path} has wildcards but no path_prefix.")
        else:
            prefix = None
        return {"url": output.url, "path": path, "prefix": prefix, "type": output.type.value}

    def _executor(self, executor: Executor) -> Command:
        for word in executor.command:
            _check_text(word, f"The command {executor.command[0]!r}")
        return {
            "command": executor.command,
            "workdir": self._path(executor.workdir, "workdir") if executor.workdir else None,
            "stdin": self._path(executor.stdin, "stdin") if executor.stdin else None,
            "stdout": self._path(executor.stdout, "stdout") if executor.stdout else None,
            "stderr": self._path(executor.stderr, "stderr") if executor.stderr else None,
            "env": self._environment(executor),
            "ignore_error": bool(executor.ignore_error),
        }

    def _environment(self, executor: Executor) -> dict[str, str]:
        tools = executor.image == TOOLS_IMAGE
        environment = {
            "PATH": f"{self._site.environment[0]}/bin:{PATH}" if tools and self._site.environment else PATH,
            "HOME": "/tmp",  # noqa: S108 - the sandbox's own
            "TMPDIR": "/tmp",  # noqa: S108
            "LANG": "C.UTF-8",
        }
        if self._head:
            environment |= self._server()
        for name, value in (executor.env or {}).items():
            if not name or "=" in name:
                raise InvalidInput(f"{name!r} cannot be the name of an environment variable.")
            _check_text(name + value, f"The environment variable {name!r}")
            environment[name] = value
        return environment

    def _server(self) -> dict[str, str]:
        """How a head task reaches the server: by its socket where there is one, else by the agent's address."""
        found = {
            "PENSTOCK_TOKEN_FILE": f"{SECRETS}/token",
            "PENSTOCK_STATE": "/tmp/penstock",  # noqa: S108
            "PENSTOCK_WORKLOAD": self._work.workload or "",
        }
        if self._site.run is not None:
            return found | {"PENSTOCK_SOCKET": f"{SOCKETS}/api.sock", "PENSTOCK_URL": "http://penstock"}
        if self._site.ca_file:
            found["PENSTOCK_CA_FILE"] = f"{SECRETS}/ca.pem"
        return found | {"PENSTOCK_URL": self._site.url}

    def _folders(self, outputs: list[Wanted], executors: list[Command]) -> list[str]:
        """Folders that exist before the first executor: volumes, and where outputs go."""
        volumes = [self._path(volume, "volume") for volume in self._work.spec.volumes or []]
        needed = [output["path"] for output in outputs]
        for executor in executors:
            needed += [path for path in (executor["stdin"], executor["stdout"], executor["stderr"]) if path]
        volumes += self._memory_volumes(needed)
        parents = [_fixed_part(output["path"], output["type"]) for output in outputs]
        return [folder for folder in dict.fromkeys([*volumes, *parents]) if folder]

    def _memory_volumes(self, needed: list[str]) -> list[str]:
        """Those that have to lie on disk: executors do not share memory, and outputs are taken from disk."""
        on_disk = []
        for given in self._work.terms.memory_volumes:
            volume = check_path(given, "memory volume", self._system, mounted=True)
            if len(self._executors) == 1 and not any(below(path, volume) for path in needed):
                self._in_memory.append(volume)
            else:
                on_disk.append(volume)
                self._logs.append(f"warning: the memory volume {volume} lies on disk.")
        return on_disk

    def _sandbox(self) -> list[str]:
        user = 0 if self._work.terms.allow_root else USER
        words = [
            self._site.bwrap, "--unshare-user", "--disable-userns", "--uid", str(user), "--gid", str(user),
            "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "penstock", "--die-with-parent",
            "--new-session", "--cap-drop", "ALL", "--clearenv", "--bind", f"{self._directory}/root", "/",
            "--ro-bind", f"{self._directory}/etc", "/etc",
        ]  # fmt: skip
        if not self._by_network:
            words.append("--unshare-net")
        for shared in self._shared():
            words += ["--ro-bind", shared.source, shared.path]
        for volume in self._in_memory:
            words += ["--size", str(int(self._work.terms.ram_gb * _GIGABYTE)), "--tmpfs", volume]
        return [*words, "--proc", "/proc", "--dev", "/dev"]

    def _shared(self) -> Iterator[Shared]:
        yield from self._site.shared
        if self._by_network:
            yield from self._site.network
        if self._with_tools:
            yield from (Shared(folder, folder, folder=True) for folder in self._site.environment)
        if self._head:
            yield Shared(f"{self._directory}/token", f"{SECRETS}/token", folder=False)
            if self._site.run is not None:
                yield Shared(self._site.run, SOCKETS, folder=True)
            elif self._site.ca_file:
                yield Shared(self._site.ca_file, f"{SECRETS}/ca.pem", folder=False)

    def _skeleton(self) -> list[Point]:
        folders = ("/etc", "/proc", "/dev", "/tmp", "/run")  # noqa: S108 - the sandbox's own
        points: list[Point] = [{"path": folder, "type": "DIRECTORY"} for folder in folders]
        points += [{"path": path, "type": "LINK", "content": target} for path, target in self._site.links]
        points += [{"path": volume, "type": "DIRECTORY"} for volume in self._in_memory]
        outside_etc = [shared for shared in self._shared() if not below(shared.path, "/etc")]
        return points + [_point(shared, shared.path) for shared in outside_etc]

    def _etc(self) -> list[Point]:
        points = [_point(shared, shared.path[4:]) for shared in self._shared() if below(shared.path, "/etc")]
        files = {
            "/passwd": f"root:x:0:0::/tmp:/bin/sh\npenstock:x:{USER}:{USER}::/tmp:/bin/sh\n",
            "/group": f"root:x:0:\npenstock:x:{USER}:\n",
            "/nsswitch.conf": _NAMES,
        }
        if not self._by_network:
            files["/hosts"] = "127.0.0.1 localhost penstock\n"
        return points + [{"path": path, "type": "FILE", "content": content} for path, content in files.items()]

    def _fetch(self) -> list[str]:
        if not self._transfers:
            return []
        words = [self._site.python, "-I", "-m", "penstock.staging", "--limit", str(self._site.transfer_limit_s)]
        return [*words, "--allow-private"] if self._site.allow_private_urls else words


def _point(shared: Shared, path: str) -> Point:
    return {"path": path, "type": "DIRECTORY" if shared.folder else "FILE"}


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
