"""Tasks as pods beside bare pods, in one run: the price of a task over what the cluster itself takes.

    python benchmarks/kubernetes.py [--single 15] [--flood 100]

Needs the cluster of ``tests/cluster`` with its images. Bare pods are made by the same API client and watched by the
same watch; they run the same image and command, ask for as much, and are deleted when they have ended. Prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from tests.cluster.conftest import Place, cluster_place, open_cluster
from tests.cluster.servers import ClusterServer

from penstock.backends.kubernetes.pods import Pod
from penstock.backends.kubernetes.watch import Watch
from penstock.names import TOOLS_IMAGE, new_id
from penstock.settings import Settings

CPU, RAM = 0.005, 0.032
DATA = "file:///workspace/owners/local/data"
_WRITES = re.compile(r"apiserver_request_total\{([^}]*)\} ([0-9.e+]+)")


@dataclass
class BarePods:
    """Pods of one container, made and watched directly."""

    place: Place
    ended: dict[str, asyncio.Event] = field(default_factory=dict)
    phases: dict[str, asyncio.Event] = field(default_factory=dict)

    async def open(self) -> None:
        """Begin to watch."""
        settings = Settings(namespace=self.place.namespace, kubeconfig=self.place.settings(Path())["kubeconfig"])
        self.cluster = open_cluster(settings)
        watch = Watch(self.cluster, "bench=bare", "bench", self._see, lambda _pod: None)
        self.watching = asyncio.create_task(watch.run())

    async def close(self) -> None:
        """Stop watching."""
        self.watching.cancel()
        await self.cluster.close()

    async def create(self, *, mounts: bool = False) -> str:
        """One pod; its name. ``mounts``: with one volume, as every pod has that reads or writes files."""
        name = f"bare-{new_id()}"
        self.ended[name], self.phases[name] = asyncio.Event(), asyncio.Event()
        body = _bare(name)
        if mounts:
            body["spec"]["volumes"] = [{"name": "files", "persistentVolumeClaim": {"claimName": "workspace"}}]
            body["spec"]["containers"][0]["volumeMounts"] = [{"name": "files", "mountPath": "/files", "readOnly": True}]
        await self.cluster.create("pods", body)
        return name

    async def remove(self, name: str) -> None:
        """Its object."""
        await self.cluster.delete("pods", name, 0)

    def _see(self, pod: Pod) -> None:
        if pod.containers and all(one.state == "terminated" for one in pod.containers.values()):
            self.ended[pod.name].set()
        if pod.phase == "Succeeded":
            self.phases[pod.name].set()


def _bare(name: str) -> dict[str, Any]:
    requests = {"cpu": f"{int(CPU * 1000)}m", "memory": str(int(RAM * 1e9))}
    user = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": "main", "image": TOOLS_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["true"],
        "resources": {"requests": requests, "limits": {"memory": requests["memory"]}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    spec = {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container],
        "securityContext": user,
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"bench": "bare"}}, "spec": spec}


@dataclass
class Tasks:
    """Tasks over the server's API."""

    url: str
    token: str

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, trust_env=False, timeout=60
        )

    async def create(self, count: int, executors: int = 1, spec: dict[str, Any] | None = None) -> list[str]:
        """Tasks of ``true``; their ids."""
        commands = [{"image": TOOLS_IMAGE, "command": ["true"]}] * executors
        task = {"executors": commands, "resources": {"cpu_cores": CPU, "ram_gb": RAM}, **(spec or {})}
        answer = await self.http.post("/api/v1/tasks:batch", json={"tasks": [{"task": task}] * count})
        answer.raise_for_status()
        return [one["id"] for one in answer.json()["tasks"]]

    async def until_complete(self, task: str) -> None:
        """TES has no other way than to look again."""
        while True:
            answer = await self.http.get(f"/ga4gh/tes/v1/tasks/{task}")
            state = answer.json()["state"]
            if state == "COMPLETE":
                return
            assert state in ("QUEUED", "INITIALIZING", "RUNNING"), (task, state)
            await asyncio.sleep(0.01)

    async def until_all_complete(self, tasks: list[str]) -> None:
        """The last one last: they are looked at in their order."""
        for task in tasks:
            while True:
                state = (await self.http.get(f"/ga4gh/tes/v1/tasks/{task}")).json()["state"]
                if state == "COMPLETE":
                    break
                assert state in ("QUEUED", "INITIALIZING", "RUNNING"), (task, state)
                await asyncio.sleep(0.1)


def writes(place: Place) -> tuple[float, float]:
    """Writing requests to the API server so far: all, and those of events."""
    every = events = 0.0
    for labels, count in _WRITES.findall(place.kubectl("get", "--raw", "/metrics")):
        if re.search(r'verb="(POST|PUT|PATCH|DELETE|APPLY)"', labels) and 'resource="leases"' not in labels:
            every += float(count)
            events += float(count) if 'resource="events"' in labels else 0.0
    return every, events


async def clocked(work: Callable[[], Awaitable[Any]]) -> float:
    """Seconds that it takes."""
    before = time.monotonic()
    await work()
    return time.monotonic() - before


async def any_moment() -> None:
    """The kubelet looks once a second: what begins when it has just looked would always wait equally long."""
    await asyncio.sleep(random.random())  # noqa: S311 - no secret


async def single(bare: BarePods, tasks: Tasks, count: int) -> dict[str, list[float]]:
    """One at a time, in turns, so that what else the machine does weighs on all alike."""
    found: dict[str, list[float]] = {name: [] for name in ("bare", "succeeded", "mounted", "task", "three", "files")}
    files = {
        "inputs": [{"path": f"/in/{name}", "url": f"{DATA}/{name}"} for name in ("a", "b")],
        "outputs": [{"path": "/in/a", "url": f"{DATA}/out"}],
    }
    for _ in range(count):
        await any_moment()
        before = time.monotonic()
        name = await bare.create()
        await bare.ended[name].wait()
        found["bare"].append(time.monotonic() - before)
        await bare.phases[name].wait()
        found["succeeded"].append(time.monotonic() - before)
        await bare.remove(name)
        await any_moment()
        before = time.monotonic()
        name = await bare.create(mounts=True)
        await bare.ended[name].wait()
        found["mounted"].append(time.monotonic() - before)
        await bare.remove(name)
        for kind, executors, spec in (("task", 1, {}), ("three", 3, {}), ("files", 1, files)):

            async def run(executors: int = executors, spec: dict[str, Any] = spec) -> None:
                await tasks.until_complete((await tasks.create(1, executors, spec))[0])

            await any_moment()
            found[kind].append(await clocked(run))
    return found


async def flood_bare(bare: BarePods, count: int) -> None:
    """All at once; each is removed when it has ended."""

    async def one() -> None:
        name = await bare.create()
        await bare.ended[name].wait()
        await bare.remove(name)

    await asyncio.gather(*(one() for _ in range(count)))


async def measure(place: Place, server: ClusterServer, singles: int, flood: int) -> list[str]:
    """The rows of the table."""
    data = place.workspace / "owners/local/data"
    data.mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        (data / name).write_text("x" * 1000)
    bare, tasks = BarePods(place), Tasks(server.url, server.token())
    await bare.open()
    await single(bare, tasks, 1)  # images, connections and caches are warm
    p50 = {name: statistics.median(values) for name, values in (await single(bare, tasks, singles)).items()}
    rows = [
        f"| one, p50 | {p50['bare']:.2f} s to container terminated, {p50['succeeded']:.2f} s to Succeeded "
        f"| {p50['task']:.2f} s from submit to COMPLETE | {p50['task'] / p50['bare']:.2f} × |",
        f"| one that mounts a volume, p50 | {p50['mounted']:.2f} s | the same | {p50['task'] / p50['mounted']:.2f} × |",
        f"| with three executors, p50 | | {p50['three']:.2f} s | {p50['three'] - p50['task']:+.2f} s |",
        f"| with two inputs and one output, p50 | | {p50['files']:.2f} s | {p50['files'] - p50['task']:+.2f} s |",
    ]

    async def flood_tasks() -> None:
        await tasks.until_all_complete(await tasks.create(flood))

    before = writes(place)
    bare_s = await clocked(lambda: flood_bare(bare, flood))
    await asyncio.sleep(8)  # what the kubelet still writes of them
    between = writes(place)
    task_s = await clocked(flood_tasks)
    await asyncio.sleep(8)
    after = writes(place)
    per_pod = [(two - one) / flood for one, two in zip(before, between, strict=True)]
    per_task = [(two - one) / flood for one, two in zip(between, after, strict=True)]
    rows += [
        f"| {flood} at once, per second | {flood / bare_s:.2f} | {flood / task_s:.2f} | {bare_s / task_s:.2f} × |",
        f"| writes at the API server each (of these events) | {per_pod[0]:.1f} ({per_pod[1]:.1f}) "
        f"| {per_task[0]:.1f} ({per_task[1]:.1f}) | {per_task[0] - per_pod[0]:+.1f} |",
    ]
    left = json.loads(place.kubectl("get", "pods,secrets,jobs,configmaps", "-o", "json"))["items"]
    mine = [one for one in left if one["metadata"]["name"] != "kube-root-ca.crt"]
    rows.append(f"| objects left behind | | {len(mine)} | |")
    await bare.close()
    await tasks.http.aclose()
    return rows


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--single", type=int, default=15, help="how many one after the other")
    parser.add_argument("--flood", type=int, default=100, help="how many at once")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, cluster_place(Path(folder)) as place:
        server = ClusterServer(Path(folder) / "server", {"PENSTOCK_SLOTS": "120"}, place=place)
        server.start()
        try:
            rows = asyncio.run(measure(place, server, given.single, given.flood))
        finally:
            server.stop()
    print("| | bare pods (the limit) | tasks | |\n|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
