"""A real cluster: a namespace of its own for each session, with a workspace that pods and this machine share.

The cluster is the one of ``inventories/single_node``; another one is named by PENSTOCK_TEST_KUBECONFIG. It must see
this machine's files (a hostPath), and have the images of this release.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.backends.conftest import Bench

from penstock.agents.protocol import Work
from penstock.backends.kubernetes.access import find_access
from penstock.backends.kubernetes.backend import ATTEMPT_LABEL, KubernetesBackend
from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.room import survey
from penstock.backends.kubernetes.site import parse_version, site_of
from penstock.names import new_id
from penstock.settings import Settings

KUBECONFIG = Path(
    os.environ.get("PENSTOCK_TEST_KUBECONFIG", Path.home() / ".config" / "penstock" / "single-node.kubeconfig")
)
SEED = int(os.environ.get("PENSTOCK_SEED", "4"))
LONG_ONES = 2  # so many of the tests marked so are run without PENSTOCK_SOAK
SMALL = {"cpu_cores": 0.02, "ram_gb": 0.3}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A seed chooses which of the long tests are run."""
    long = [item for item in items if item.get_closest_marker("long")]
    if "PENSTOCK_SOAK" in os.environ or len(long) <= LONG_ONES:
        return
    kept = random.Random(SEED).sample(long, LONG_ONES)  # noqa: S311 - reproducible, not secret
    left = [item for item in long if item not in kept]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@dataclass(frozen=True)
class Place:
    """A namespace of the test session, and the folder that is its workspace."""

    namespace: str
    workspace: Path

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What kubectl answers."""
        command = ["kubectl", f"--kubeconfig={KUBECONFIG}", f"--namespace={self.namespace}", *words]
        return subprocess.run(command, input=text, text=True, capture_output=True, check=True, timeout=120).stdout

    def left(self) -> list[str]:
        """Pods and secrets of the namespace."""
        return self.kubectl("get", "pods,secrets", "-o", "name").split()

    def settings(self, data: Path, **more: Any) -> dict[str, Any]:
        """Settings of an agent here."""
        return {
            "data": data, "token_file": data / "token", "workspace": self.workspace, "workspace_claim": "workspace",
            "namespace": self.namespace, "kubeconfig": KUBECONFIG, "backend": "kubernetes", **more,
        }  # fmt: skip

    def node_address(self) -> str:
        """Where pods reach this machine."""
        mine = ("-l", "node-role.kubernetes.io/control-plane")
        [node, *_] = json.loads(self.kubectl("get", "nodes", *mine, "-o", "json"))["items"]
        return str(next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"))


def _objects(namespace: str, folder: Path) -> str:
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        **spec, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": str(folder)}, "claimRef": {"namespace": namespace, "name": "workspace"},
    }  # fmt: skip
    claim = {**spec, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}}
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume},
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "workspace", "namespace": namespace}, "spec": claim,
        },
    ]  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@contextmanager
def cluster_place(folder: Path) -> Iterator[Place]:
    """A namespace under the restricted profile of Pod Security, gone at the end with all in it."""
    one = Place(f"test-{new_id()[-8:]}", folder / "workspace")
    one.workspace.mkdir()
    one.kubectl("apply", "-f", "-", text=_objects(one.namespace, one.workspace))
    try:
        yield one
    finally:
        if KUBECONFIG.exists():  # the last of the tests removes the cluster, with all in it
            one.kubectl("delete", "namespace", one.namespace, "--wait=true")
            one.kubectl("delete", "persistentvolume", one.namespace, "--wait=false")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The session's own place."""
    if not KUBECONFIG.exists():
        pytest.skip(f"needs a cluster: {KUBECONFIG} does not exist (make cluster)")
    with cluster_place(tmp_path_factory.mktemp("cluster")) as one:
        yield one


class ClusterBench(Bench):
    """The bench of the integration tests over a KubernetesBackend."""

    def __init__(self, place: Place, settings: Settings, ready: tuple[Any, Any]) -> None:
        self.place = place
        self._ready = ready
        super().__init__(settings)

    def open(self) -> None:
        """A new agent's backend over the same cluster."""
        site, space = self._ready
        self.backend = KubernetesBackend(self.settings, open_cluster(self.settings), site, space)
        self.events = self.backend.events()

    def work(self, *commands: str | list[str], **more: Any) -> Work:
        """As the local bench's, but small: several fit into a small cluster."""
        more["terms"] = SMALL | (more.get("terms") or {})
        return super().work(*commands, **more)


def open_cluster(settings: Settings) -> Cluster:
    """Connections of its own."""
    return Cluster(find_access(settings.kubeconfig), settings.namespace)


async def look(settings: Settings) -> tuple[Any, Any]:
    """What ``connect`` finds out: site and space."""
    cluster = open_cluster(settings)
    try:
        version = parse_version(await cluster.version())
        return site_of(settings, version), await survey(cluster, settings, ATTEMPT_LABEL)
    finally:
        await cluster.close()


@pytest.fixture
def particular() -> dict[str, Any]:
    """Settings of the agents of one file of tests."""
    return {}


@pytest_asyncio.fixture
async def bench(place: Place, particular: dict[str, Any], tmp_path: Path) -> AsyncIterator[ClusterBench]:
    """A backend of its own; at the end nothing of its attempts is left."""
    name = f"s{new_id()[-8:]}"
    own = {"workspace": place.workspace / name, "workspace_subpath": name, **particular}
    settings = Settings(**place.settings(tmp_path / "data", site=name, **own))
    one = ClusterBench(place, settings, await look(settings))
    yield one
    for attempt in await one.backend.found():
        await one.backend.end(attempt)
        await one.backend.forget(attempt)
    await one.backend.close()
    assert not any(one.workspace.glob("tasks/*"))
