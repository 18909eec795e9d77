"""A second deployment by somebody who has one namespace and nothing else; its volumes stay on one node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.nodes.playbooks import Cluster, play
from tests.cluster.platform.test_platform import call_variants, records, settings

LAB = "lab"
EVERY_NODE = {"key": "kubernetes.io/hostname", "operator": "Exists"}
EVERYTHING = ["get", "list", "watch", "create", "patch", "update", "delete"]
RULES: list[dict[str, Any]] = [
    {
        "apiGroups": [""],
        "resources": ["pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "serviceaccounts"],
        "verbs": EVERYTHING,
    },
    {"apiGroups": [""], "resources": ["pods/log", "resourcequotas"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": EVERYTHING},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": EVERYTHING},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies", "ingresses"], "verbs": EVERYTHING},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": EVERYTHING},
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": EVERYTHING},
]


def objects(folder: Path) -> str:
    """What the cluster's administrator makes: the namespace, who may work in it, a quota, two volumes."""
    inside = {"name": "operator", "namespace": LAB}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    items: list[dict[str, Any]] = [
        {
            "kind": "Namespace",
            "metadata": {"name": LAB, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {"kind": "ServiceAccount", "metadata": inside},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": inside, "rules": RULES},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": inside,
            "roleRef": reference,
            "subjects": [{"kind": "ServiceAccount", **inside}],
        },
        {
            "kind": "ResourceQuota",
            "metadata": {"name": "all", "namespace": LAB},
            "spec": {"hard": {"requests.cpu": "1500m", "requests.memory": "8Gi", "pods": "40"}},
        },
        *(volume(folder, name) for name in ("workspace", "database")),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **item} for item in items]})


def volume(folder: Path, name: str) -> dict[str, Any]:
    place = folder / name
    place.mkdir()
    return {
        "kind": "PersistentVolume",
        "metadata": {"name": f"{LAB}-{name}"},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": f"{LAB}-{name}",
            "local": {"path": str(place)},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
                    ]
                }
            },
        },
    }


@pytest.fixture
def room(cluster: Cluster) -> Iterator[None]:
    """The machine's other deployment rests meanwhile: two cores do not hold both."""
    replicas = {"deployment/penstock-agent": 1, "deployment/penstock-server": 2}
    inside = ("--namespace", "penstock")
    cluster.kubectl("scale", *inside, "--replicas=0", *replicas)
    gone = ("--for=delete", "--timeout=120s", "--selector", "app.kubernetes.io/component in (agent, server)")
    cluster.kubectl("wait", *inside, "pod", *gone)
    yield
    for name, count in replicas.items():
        cluster.kubectl("scale", *inside, f"--replicas={count}", name)
    for name in replicas:
        cluster.kubectl("rollout", "status", *inside, name, "--timeout=170s")


@pytest.fixture
def kubeconfig(cluster: Cluster, room: None, tmp_path: Path) -> Iterator[Path]:
    """The only thing that the operator of the namespace gets."""
    tmp_path.chmod(0o755)
    cluster.kubectl("apply", "--filename", "-", text=objects(tmp_path))
    token = cluster.kubectl("create", "token", "operator", "--namespace", LAB, "--duration", "1h").strip()
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    found["users"] = [{"name": found["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(found))
    yield file
    cluster.kubectl("delete", "namespace", LAB)
    cluster.kubectl("delete", "persistentvolume", f"{LAB}-workspace", f"{LAB}-database")


@pytest.mark.long
def test_one_namespace_is_enough(kubeconfig: Path, tmp_path: Path) -> None:
    variables = {
        "penstock_platform_deployment": LAB,
        "penstock_platform_namespace": LAB,
        "penstock_platform_make_namespace": False,
        "penstock_platform_cluster_rights": False,
        "penstock_platform_workspace_class": f"{LAB}-workspace",
        "penstock_platform_workspace_mode": "ReadWriteOnce",
        "penstock_platform_names": ["10.244.0.1"],
        "penstock_platform_folder": str(tmp_path / "operator"),
        "penstock_platform_replicas": 1,
        "penstock_platform_server_requests": {"cpu": "20m", "memory": "128Mi"},
        "penstock_platform_front_requests": {"cpu": "10m", "memory": "32Mi"},
        "penstock_platform_agent_requests": {"cpu": "10m", "memory": "128Mi"},
        "penstock_platform_agent_settings": {"cpu_share": 0.4},
        "database_storage_class": f"{LAB}-database",
        "database_requests": {"cpu": "20m", "memory": "128Mi"},
    }
    words = ("-e", json.dumps(variables))
    play("platform", *words, inventory="existing", KUBECONFIG=str(kubeconfig))
    assert play("platform", *words, inventory="existing", KUBECONFIG=str(kubeconfig)).changes == []
    call_variants(tmp_path / "results", settings(tmp_path / "operator"))
    assert records(tmp_path / "results").count("\n") == 207
