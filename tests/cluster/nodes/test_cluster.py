"""A cluster on one machine: what is there after the playbook, and after interruptions of it.

That a second run changes nothing is tested of site.yml, which this is a part of.
"""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.nodes import running
from tests.cluster.nodes.playbooks import KUBECONFIG, Played, bring_up, kubectl

# Not by busybox: a static program of glibc cannot look names up.
ASK = """
import sys, urllib.request
for node in sys.argv[1:]:
    print(urllib.request.urlopen(f"http://at-{node}", timeout=20).read().decode())
"""
RESTRICTED: dict[str, Any] = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
LAUNCHER = "penstock/launcher:0.1.0"
CONTAINER: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(name: str, script: str, **spec: Any) -> str:
    """A manifest: a pod of the tools image, with the launcher's image mounted at /launcher."""
    container = {
        "name": "one",
        "image": "penstock/tools:1",
        "command": ["/launcher/bin/busybox", "sh", "-euc", script],
        "volumeMounts": [{"name": "launcher", "mountPath": "/launcher"}],
        "securityContext": CONTAINER,
    }
    launcher = {"name": "launcher", "image": {"reference": LAUNCHER, "pullPolicy": "IfNotPresent"}}
    whole = {"restartPolicy": "Never", "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1}
    parts = {"containers": [container], "volumes": [launcher], "securityContext": RESTRICTED}
    metadata = {"name": name, "labels": {"name": name}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**whole, **parts, **spec}})


def run_pod(namespace: str, name: str, script: str, **spec: Any) -> str:
    """Run it to its end; what it said."""
    kubectl("--namespace", namespace, "apply", "-f", "-", text=pod(name, script, **spec))
    kubectl(
        "--namespace", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=90s"
    )
    return kubectl("--namespace", namespace, "logs", name)


def nodes() -> dict[str, str]:
    """Each node with the status of its condition Ready."""
    items = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return {
        item["metadata"]["name"]: next(c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready")
        for item in items
    }


def test_all_nodes_and_the_clusters_own_pods_are_ready(brought_up: Played) -> None:
    assert nodes() == {"this-machine": "True", "n1": "True"}
    kubectl("--namespace", "kube-system", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")


def test_the_operators_access_is_for_the_operator_only(brought_up: Played) -> None:
    assert stat.S_IMODE(KUBECONFIG.stat().st_mode) == 0o600


def test_no_join_token_stays(brought_up: Played) -> None:
    names = kubectl("--namespace", "kube-system", "get", "secrets", "-o", "name").split()
    assert [name for name in names if name.startswith("secret/bootstrap-token-")] == []
    assert list(Path("/etc/penstock-node").glob("*/join.yaml")) == []


def test_a_pod_without_rights_gets_a_shell_from_an_image_volume(namespace: str) -> None:
    assert (
        run_pod(namespace, "one", "id -u; busybox true 2>/dev/null || echo none of its own").split("\n")[0] == "10001"
    )


def test_the_tools_image_runs_the_catalogues_programs_and_the_package(namespace: str) -> None:
    said = run_pod(
        namespace,
        "one",
        "samtools --version | head -n 1; python -m penstock.cli.main --help >/dev/null; snakemake --version",
    )
    assert re.match(r"samtools 1\.\d+.*\n9\.", said)


def test_pods_on_each_node_find_each_other_by_name(namespace: str) -> None:
    serve = "mkdir /tmp/www; echo {} >/tmp/www/index.html; exec /launcher/bin/busybox httpd -f -p 8000 -h /tmp/www"
    inside = ["--namespace", namespace]
    for node in nodes():
        kubectl(*inside, "apply", "-f", "-", text=pod(f"at-{node}", serve.format(node), nodeName=node))
        kubectl(*inside, "expose", "pod", f"at-{node}", "--port=80", "--target-port=8000")
    kubectl(*inside, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    for node in nodes():
        asked = run_pod(namespace, f"asks-from-{node}", f"python -c '{ASK}' {' '.join(nodes())}", nodeName=node)
        assert asked.split() == list(nodes())


@pytest.mark.long
def test_a_node_that_is_lost_comes_back(brought_up: Played) -> None:
    control = ["supervisorctl", "-c", "/etc/penstock/supervisord.conf"]
    subprocess.run([*control, "stop", "penstock-n1-kubelet"], check=True, capture_output=True)
    kubectl("wait", "--for=condition=Ready=Unknown", "node/n1", "--timeout=120s")
    subprocess.run([*control, "start", "penstock-n1-kubelet"], check=True, capture_output=True)
    kubectl("wait", "--for=condition=Ready", "node/n1", "--timeout=60s")


@pytest.mark.long
def test_whatever_was_killed_runs_again_after_the_next_run(brought_up: Played) -> None:
    """As after a crash: all processes of the cluster are gone; files, mounts, bridges and cgroups are not."""
    running.kill(running.supervisor())  # first: it would start the others again
    for name in ("kubelet", "containerd"):
        running.kill(running.service("n1", name) | running.service(running.HOST, name))
    running.kill(running.of_node("n1") | running.of_node(running.HOST))
    bring_up()
    assert set(nodes().values()) == {"True"}
    kubectl("--namespace", "kube-system", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")


@pytest.mark.long
def test_a_node_whose_join_was_interrupted_joins_at_the_next_run(brought_up: Played) -> None:
    private = Path("/var/lib/penstock-node/n1/etc/kubernetes")
    (private / ".penstock-complete").unlink()
    (private / "manifests").mkdir(exist_ok=True)
    bring_up()
    assert nodes()["n1"] == "True"
    kubectl("--namespace", "kube-system", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")
