"""The table of faults: how each is made, how it is mended, which tasks may run again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.nodes import running
from tests.cluster.nodes.playbooks import Cluster, bring_up
from tests.cluster.platform.faults.scene import LONG_S
from tests.cluster.platform.test_platform import NAMESPACE

LOST = "n1"
SUPERVISORCTL = ("supervisorctl", "-c", "/etc/penstock/supervisord.conf")
Act = Callable[[Cluster], None]


def nothing(cluster: Cluster) -> None:
    """It mends itself."""


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


def until_node_is(cluster: Cluster, ready: bool) -> None:
    """As the cluster sees it."""
    condition = "condition=Ready" if ready else "condition=Ready=Unknown"
    cluster.kubectl("wait", f"--for={condition}", f"node/{LOST}", f"--timeout={LONG_S:g}s", seconds=LONG_S + 10)


def supervised(verb: str) -> None:
    """Start or stop the services of the node that is lost, and do not start them again."""
    names = [f"penstock-{LOST}-{name}" for name in ("kubelet", "containerd")]
    subprocess.run([*SUPERVISORCTL, verb, *(names if verb == "stop" else reversed(names))], capture_output=True)


def lose_node(cluster: Cluster) -> None:
    """As when its power is cut: all its processes end at once."""
    everything = running.of_node(LOST)
    supervised("stop")
    running.kill(everything | running.of_pods(LOST))
    until_node_is(cluster, ready=False)


def bring_node_back(cluster: Cluster) -> None:
    """As an operator does."""
    bring_up()
    until_node_is(cluster, ready=True)


def cut_node_off(cluster: Cluster) -> None:
    """Its kubelet is gone, its pods go on."""
    subprocess.run([*SUPERVISORCTL, "stop", f"penstock-{LOST}-kubelet"], check=True, capture_output=True)
    until_node_is(cluster, ready=False)


def let_node_in(cluster: Cluster) -> None:
    """Its kubelet comes back, and learns that its pods are not wanted."""
    supervised("start")
    until_node_is(cluster, ready=True)


@dataclass(frozen=True)
class Fault:
    """``loses``: the node whose tasks run again; all others must go on."""

    name: str
    strike: Act
    mend: Act = nothing
    loses: str | None = None


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
    Fault("a node is lost", lose_node, bring_node_back, LOST),
    Fault("a node is cut off while its pods go on", cut_node_off, let_node_in, LOST),
)
