"""The table of faults, and how each is made."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.nodes import running
from tests.cluster.nodes.playbooks import Cluster
from tests.cluster.platform.test_platform import NAMESPACE

Act = Callable[[Cluster], None]


def pids_of(cluster: Cluster, namespace: str, selector: str, container: str) -> list[int]:
    """The first processes of the containers of that name in these pods, the oldest pod first."""
    pods = cluster.get("pods", "--namespace", namespace, "--selector", selector)["items"]
    pods.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
    return [
        pid
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        if status["name"] == container
        for pid in running.container(pod["spec"]["nodeName"], status["containerID"])
    ]


def of_platform(component: str, container: str, count: int | None = 1) -> Act:
    """kill -9 of that many containers of the platform; None: of all."""

    def strike(cluster: Cluster) -> None:
        running.kill(pids_of(cluster, NAMESPACE, f"app.kubernetes.io/component={component}", container)[:count])

    return strike


def of_control_plane(name: str) -> Act:
    """kill -9 of one of the control plane."""
    return lambda cluster: running.kill(pids_of(cluster, "kube-system", f"component={name}", name))


def of_service(node: str, name: str) -> Act:
    """kill -9 of one that the supervisor starts again."""
    return lambda _: running.kill(running.service(node, name))


def stop_for(name: str, seconds: float) -> Act:
    """SIGSTOP: connections stay open, and nobody answers; the length is the fault's own."""

    def strike(cluster: Cluster) -> None:
        [pid] = pids_of(cluster, "kube-system", f"component={name}", name)
        os.kill(pid, signal.SIGSTOP)
        # By a process that outlives this one: a cluster whose test was interrupted goes on.
        subprocess.run(["setsid", "--fork", "sh", "-c", f"sleep {seconds:g}; kill -CONT {pid}"], check=True)

    return strike


def cut_watch(cluster: Cluster) -> None:
    """Every connection of the agent to the API server is aborted, in the agent's own network."""
    [pid] = pids_of(cluster, NAMESPACE, "app.kubernetes.io/component=agent", "agent")
    api = cluster.get("service", "kubernetes", "--namespace", "default")["spec"]["clusterIP"]
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "--no-header", "--tcp", "--kill", "dst", api]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip(), f"the agent has no connection to {api}"


@dataclass(frozen=True)
class Fault:
    """All of these mend themselves, and cost no task an attempt."""

    name: str
    strike: Act


FAULTS = (
    Fault("the agent is killed", of_platform("agent", "agent")),
    Fault("one server is killed", of_platform("server", "server")),
    Fault("all servers are killed", of_platform("server", "server", None)),
    Fault("one NGINX is killed", of_platform("server", "front")),
    Fault("all NGINX are killed", of_platform("server", "front", None)),
    Fault("the API server is killed", of_control_plane("kube-apiserver")),
    Fault("the API server answers nobody for 20 s", stop_for("kube-apiserver", 20)),
    Fault("etcd is killed", of_control_plane("etcd")),
    Fault("containerd is killed", of_service(running.HOST, "containerd")),
    Fault("the kubelet is killed", of_service(running.HOST, "kubelet")),
    Fault("the watch is cut", cut_watch),
)
