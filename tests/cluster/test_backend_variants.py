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
from tests.integration.transfers.gateway import Gateway
from tests.integration.transfers.test_results_to import check_sent
from tests.started import started

from penstock.pipelines.examples import fetch

BUCKET = "study"
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
            opened = {"PENSTOCK_ALLOW_PRIVATE_URLS": "true"}
            one = ClusterServer(folder / "served", opened, place=place, user=USER)
            one.start()
            yield one
            one.until_idle()
            one.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An S3 server."""
    with started(Gateway(tmp_path_factory.mktemp("s3"))) as one:
        yield one


@pytest.fixture(scope="module")
def by_pods(served: ClusterServer, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the example, which were sent to a bucket, too."""
    gateway.give(served, BUCKET, key_file="owner.token")
    return results(served, tmp_path_factory.mktemp("pods"), "--results-to", f"s3://{BUCKET}/run/")


def results(server: RunningServer, folder: Path, *more: str) -> Path:
    """The folder that the example's results come to, run on a server."""
    done = run(server, folder, "variants", *options(fetch("lambda")), *more)
    assert done.returncode == 0, done.stderr + server.log()
    return folder / "results"


def test_pods_call_the_same_variants_as_sandboxes(by_pods: Path, shared_server: RunningServer, tmp_path: Path) -> None:
    found = records(by_pods / "calls.vcf.gz")
    assert found == records(results(shared_server, tmp_path) / "calls.vcf.gz")
    assert len(found) == 207


def test_what_pods_have_found_is_sent_to_a_bucket(by_pods: Path, gateway: Gateway) -> None:
    check_sent(gateway.bucket(BUCKET) / "run", by_pods)
