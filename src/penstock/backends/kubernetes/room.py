"""How much room the cluster has: from its nodes, from a quota, or as the settings say. Pure but for ``survey``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from penstock.agents.protocol import Work
from penstock.backends.kubernetes.cluster import Cluster
from penstock.errors import Forbidden, InvalidInput, SetupError, Unreachable
from penstock.settings import Settings
from penstock.tasks.models import Kind
from penstock.tasks.room import Room

Json = dict[str, Any]
_GIGABYTE = 10**9
_UNITS = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9} | {
    unit: float(base**power)
    for base, units in ((1000, "k M G T P E"), (1024, "Ki Mi Gi Ti Pi Ei"))
    for power, unit in enumerate(units.split(), 1)
}
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][0-9]+)?)([a-zA-Z]*)")
_HELD = ("Pending", "Running")
_DISK_GB = 10**6.0  # the workspace's disk is the server's to watch


@dataclass(frozen=True)
class Space:
    """What can be used in all, and by a single pod at most (that is None where the nodes are not known)."""

    total: Room
    largest: Room | None = None

    def check(self, cpu_cores: float, ram_gb: float) -> None:
        """InvalidInput for what no node has. A pod runs on one: what the nodes have together is no help."""
        largest = self.largest
        if largest is None or (cpu_cores <= largest.cpu_cores and ram_gb <= largest.ram_gb):
            return
        raise InvalidInput(
            f"This task can never run here: it needs {cpu_cores:g} CPU cores and {ram_gb:g} GB of memory; "
            f"the largest node has {largest.cpu_cores:g} CPU cores and {largest.ram_gb:.1f} GB of memory free."
        )


def share(work: Work) -> tuple[float, float]:
    """What the work's pod asks for: cores as tasks count them, of which a head task has none, and gigabytes."""
    return 0.0 if work.kind is Kind.HEAD else work.terms.cpu_cores, work.terms.ram_gb


def quantity(text: str) -> float:
    """Kubernetes' notation of an amount: ``1500m``, ``2Gi``, ``1e3``."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a quantity")
    return float(match[1]) * _UNITS[match[2]]


async def survey(cluster: Cluster, settings: Settings, ours: str) -> Space:
    """What there is room for; ``ours`` is the label of pods that do not count. SetupError when nothing says it."""
    try:
        nodes = await cluster.list_all("/api/v1/nodes")
        pods = await cluster.list_all("/api/v1/pods")
    except Forbidden:
        return await _without_nodes(cluster, settings)
    return of_nodes(nodes, pods, settings, ours)


async def _without_nodes(cluster: Cluster, settings: Settings) -> Space:
    try:
        quotas = await cluster.list_all(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas")
    except Forbidden:
        quotas = []
    return Space(of_quotas(quotas, settings))


def of_nodes(nodes: list[Json], pods: list[Json], settings: Settings, ours: str) -> Space:
    """The nodes that take pods, less what other pods hold on them.

    Unreachable while there is none, unless the settings say how much there will be: a site without any room would have
    every task refused for good.
    """
    free: dict[str, tuple[float, float, float]] = {}
    for node in nodes:
        name = node["metadata"]["name"]
        if takes_pods(node) and settings.workspace_node in (None, name):
            has = node["status"]["allocatable"]
            free[name] = quantity(has["cpu"]), quantity(has["memory"]), quantity(has["pods"])
    for pod in pods:
        node_name = pod["spec"].get("nodeName", "")
        if node_name in free and ours not in pod["metadata"].get("labels", {}) and pod["status"]["phase"] in _HELD:
            cpu, memory = _requests(pod["spec"])
            has_cpu, has_memory, has_pods = free[node_name]
            free[node_name] = has_cpu - cpu, has_memory - memory, has_pods - 1
    if not free and not (settings.cpu_cores and settings.ram_gb):
        raise Unreachable(f"None of the cluster's {len(nodes)} nodes takes pods: ready, without taints, not cordoned.")
    rooms = [_room(*amounts, settings) for amounts in free.values()]
    total = _sum(rooms, settings)
    largest = max(rooms, key=lambda room: room.size, default=None)
    if largest is not None:
        total = total.model_copy(update={"task_cores": largest.cpu_cores, "task_ram_gb": largest.ram_gb})
    return Space(total, largest)


def of_quotas(quotas: list[Json], settings: Settings) -> Room:
    """What the namespace's quotas leave, within what the settings say."""
    left: dict[str, float] = {}
    for quota in quotas:
        for name, hard in quota.get("status", {}).get("hard", {}).items():
            used = quota["status"].get("used", {}).get(name, "0")
            key = name.removeprefix("requests.").removeprefix("limits.")
            left[key] = min(left.get(key, float("inf")), quantity(hard) - quantity(used))
    cpu = settings.cpu_cores or (left["cpu"] / settings.cpu_share if "cpu" in left else None)
    ram_gb = settings.ram_gb or (left["memory"] / _GIGABYTE if "memory" in left else None)
    if cpu is None or ram_gb is None:
        raise SetupError(
            "This agent may not list nodes, and no quota says how much room there is.",
            hint="Set PENSTOCK_CPU_CORES and PENSTOCK_RAM_GB.",
        )
    slots = min(settings.slots, int(left.get("pods", settings.slots)))
    return Room(cpu_cores=round(cpu, 3), ram_gb=round(ram_gb, 3), disk_gb=_DISK_GB, slots=max(1, slots))


def takes_pods(node: Json) -> bool:
    """Whether the scheduler would put a pod there: ready, not cordoned, without a taint."""
    if node["spec"].get("unschedulable"):
        return False
    if any(taint["effect"] != "PreferNoSchedule" for taint in node["spec"].get("taints", [])):
        return False
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", []))


def _requests(spec: Json) -> tuple[float, float]:
    """CPU and memory that the scheduler counts for a pod (without init containers, which end)."""
    whole = spec.get("resources", {}).get("requests")
    asked = [whole] if whole else [one.get("resources", {}).get("requests", {}) for one in spec["containers"]]
    cpu, memory = (sum(quantity(one.get(name, "0")) for one in asked) for name in ("cpu", "memory"))
    return cpu, memory


def _room(cpu: float, memory: float, pods: float, settings: Settings) -> Room:
    return Room(
        cpu_cores=round(max(0.0, cpu) / settings.cpu_share, 3),
        ram_gb=round(max(0.0, memory) / _GIGABYTE, 3),
        disk_gb=_DISK_GB,
        slots=max(0, min(settings.slots, int(pods))),
    )


def _sum(rooms: Iterable[Room], settings: Settings) -> Room:
    rooms = [*rooms]
    return Room(
        cpu_cores=settings.cpu_cores or round(sum(room.cpu_cores for room in rooms), 3),
        ram_gb=settings.ram_gb or round(sum(room.ram_gb for room in rooms), 3),
        disk_gb=_DISK_GB,
        slots=min(settings.slots, sum(room.slots for room in rooms)),
    )
