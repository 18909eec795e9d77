"""The processes of a cluster on this machine, found by what they themselves keep: pid files, records, cgroups."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from penstock.clock import Deadline

SERVICES = Path("/run/penstock")  # supervisord's pid, and a record of each service
CGROUPS = Path("/sys/fs/cgroup")
PODS = ("kubepods", "kubepods.slice")
NODES = Path("/opt/penstock-node/nodes")  # those that are namespaces
HOST = "this-machine"
BUNDLES = "run/containerd/io.containerd.runtime.v2.task/k8s.io"


def _stat(pid: int) -> list[str]:
    """State, parent and so on: proc(5) counts these from 3; nothing where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["X", "1"])[1])


def _lives(pid: int) -> bool:
    return (_stat(pid) or "X")[0] not in "ZX"


def _hierarchies() -> list[Path]:
    """One place with version 2 of cgroups, one a controller with version 1."""
    return [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else list(CGROUPS.iterdir())


def nodes() -> list[str]:
    """The machine itself, and those that are namespaces of it."""
    return [HOST, *(path.name for path in NODES.glob("*"))]


def living(pids: Iterable[int]) -> set[int]:
    """Those that have not ended."""
    return {pid for pid in pids if _lives(pid)}


def supervisor() -> set[int]:
    """What starts a service again when it has ended."""
    return {int((SERVICES / "supervisord.pid").read_text())}


def service(node: str, name: str) -> set[int]:
    """``kubelet`` or ``containerd`` of a node."""
    prefix = "penstock" if node == HOST else f"penstock-{node}"
    record = SERVICES / f"{prefix}-{name}" / "process"
    if not record.exists():  # it was never started, or is being removed
        return set()
    pid, _, started = record.read_text().split()
    return {int(pid)} if _stat(int(pid))[19:20] == [started] else set()


def container(node: str, identity: str) -> set[int]:
    """The first process of a container, by the id that a pod's status tells (``containerd://…``)."""
    root = Path("/") if node == HOST else Path("/var/lib/penstock-node") / node
    file = root / BUNDLES / identity.removeprefix("containerd://") / "init.pid"
    return {int(file.read_text())}


def of_pods(node: str) -> set[int]:
    """All processes of all its pods."""
    top = "" if node == HOST else node
    texts = (
        file.read_text()
        for hierarchy in _hierarchies()
        for pods in PODS
        if (hierarchy / top / pods).is_dir()
        for file in (hierarchy / top / pods).rglob("cgroup.procs")
    )
    return {int(word) for text in texts for word in text.split()} - {0}


def of_node(node: str) -> set[int]:
    """All that a node runs; containers' shims, too: they are the parents of what starts in a container."""
    pods = of_pods(node)
    shims = {_parent(pid) for pid in pods} - pods - {0, 1, os.getpid()}
    return pods | shims | service(node, "containerd") | service(node, "kubelet")


def kill(pids: Iterable[int]) -> None:
    """``kill -9``, and wait until none is left but as a zombie."""
    left = living(pids)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = Deadline.after(30)
    while left := living(left):
        assert not deadline.passed, f"these do not end: {left}"
