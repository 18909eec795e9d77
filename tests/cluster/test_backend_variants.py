"""The pipeline `variants` with every process a pod of its own, and the head task in one, too."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import KUBECONFIG, cluster_place
from tests.cluster.servers import ClusterServer
from tests.conftest import RunningServer
from tests.integration.test_variants_server import options, records, run

from penstock.pipelines.examples import fetch

USER = 10001  # of the images: server, agent and pods are one user


@pytest.fixture(scope="module")
def served() -> Iterator[ClusterServer]:
    """Server and agent as the user that pods run as."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to start programs as another user")
    if not KUBECONFIG.exists():
        pytest.skip(f"needs a cluster: {KUBECONFIG} does not exist (make cluster)")
    folder = Path(tempfile.mkdtemp(prefix="penstock-cluster-", dir="/var/tmp"))
    os.chown(folder, USER, USER)
    try:
        with cluster_place(folder) as place:
            os.chown(place.workspace, USER, USER)
            one = ClusterServer(folder / "served", place=place, user=USER)
            one.start()
            yield one
            one.until_idle()
            one.stop()
    finally:
        shutil.rmtree(folder)


def versions(server: RunningServer, folder: Path, name: str) -> list[str]:
    """The calls of an example, run on a server."""
    folder.mkdir()
    done = run(server, folder, "variants", *options(fetch(name)))
    assert done.returncode == 0, done.stderr + server.log()
    return records(folder / "results" / "calls.vcf.gz")


@pytest.mark.parametrize("name", ["lambda"])
def test_pods_call_the_same_variants_as_sandboxes(
    served: ClusterServer, shared_server: RunningServer, tmp_path: Path, name: str
) -> None:
    by_pods = versions(served, tmp_path / "pods", name)
    assert by_pods == versions(shared_server, tmp_path / "sandboxes", name)
    assert len(by_pods) == 207
