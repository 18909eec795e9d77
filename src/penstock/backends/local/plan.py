"""Work → plan: what the runner is told. Pure; InvalidInput says what a task asks for that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.agents.protocol import Work
from penstock.backends.attempt.declared import ENVIRONMENT, SECRETS, Declared
from penstock.backends.attempt.paths import system_folders
from penstock.backends.attempt.shape import Command, Plan, Point
from penstock.backends.local.site import Shared, Site
from penstock.errors import InvalidInput
from penstock.names import TOOLS_IMAGE
from penstock.staging.urls import below
from penstock.tasks.models import Executor

USER = 1000
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKETS = "/run/penstock"
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
        self._with_tools = any(executor.image == TOOLS_IMAGE for executor in work.spec.executors)
        self._system = system_folders(site.environment if self._with_tools else ())
        logs = self._check_images()
        self._declared = Declared(work, self._system, site.allowed, shared_memory=False)
        self._logs = [*logs, *self._declared.logs]
        self._head = self._declared.head
        self._by_network = work.terms.network == "egress" or (self._head and site.run is None)

    def plan(self) -> Plan:
        declared = self._declared
        return {
            "attempt": self._work.attempt,
            "notify": self._site.notify,
            "workspace": self._site.workspace,
            "sandbox": self._sandbox(),
            "etc": self._etc(),
            "skeleton": self._skeleton(),
            "system": list(self._system),
            "folders": declared.folders,
            "contents": declared.contents,
            "transfers": declared.transfers,
            "fetch": self._fetch(),
            "binds": declared.binds,
            "executors": [*map(self._executor, self._work.spec.executors, declared.commands)],
            "outputs": declared.outputs,
            "time_limit_s": self._work.terms.time_limit_s,
            "ram_bytes": int(self._work.terms.ram_gb * _GIGABYTE),
            "system_logs": self._logs,
        }

    def _check_images(self) -> list[str]:
        logs = []
        for image in dict.fromkeys(executor.image for executor in self._work.spec.executors):
            if image == TOOLS_IMAGE:
                continue
            if self._site.refuse_images:
                raise InvalidInput(f"The image {image!r} does not exist here; this site has {TOOLS_IMAGE!r}.")
            logs.append(f"warning: the image {image!r} was not used; the programs of this machine were.")
        return logs

    def _executor(self, executor: Executor, command: Command) -> Command:
        tools = executor.image == TOOLS_IMAGE
        path = {"PATH": f"{self._site.environment[0]}/bin:{PATH}" if tools and self._site.environment else PATH}
        server = self._server() if self._head else {}
        return {**command, "env": path | ENVIRONMENT | server | command["env"]}

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
        for volume in self._declared.in_memory:
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
        points += [{"path": volume, "type": "DIRECTORY"} for volume in self._declared.in_memory]
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
        if not self._declared.transfers:
            return []
        words = [
            self._site.python, "-I", "-m", "penstock.staging", "fetch", "--limit", str(self._site.transfer_limit_s),
            "--largest", str(self._site.largest_input),
        ]  # fmt: skip
        return [*words, "--allow-private"] if self._site.allow_private_urls else words


def _point(shared: Shared, path: str) -> Point:
    return {"path": path, "type": "DIRECTORY" if shared.folder else "FILE"}
