"""playbooks/scale.yml on a real cluster: more and fewer servers and nodes while requests go on."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.cluster.platform.conftest import PLAY_S, PROGRAMS, ROOT, Cluster, changed, play
from tests.cluster.platform.test_platform import INVENTORY, NAMESPACE, http

__all__ = ["http"]  # a fixture
MANY = ("-e", "nodes=1", "-e", "penstock_platform_replicas=3")
FEW = ("-e", "nodes=0", "-e", "penstock_platform_replicas=2")


def scale(*words: str) -> str:
    return play(*INVENTORY, "playbooks/scale.yml", *words)


def nodes(cluster: Cluster) -> set[str]:
    return {one["metadata"]["name"] for one in cluster.get("nodes")["items"]}


def servers(cluster: Cluster) -> dict[str, str]:
    """Each server's pod with its node."""
    selector = ("--namespace", NAMESPACE, "--selector", "app.kubernetes.io/component=server")
    found = cluster.get("pods", *selector)["items"]
    return {
        one["metadata"]["name"]: one["spec"]["nodeName"] for one in found if "deletionTimestamp" not in one["metadata"]
    }


@contextmanager
def requests(http: httpx.Client) -> Iterator[list[int | str]]:
    """Asks without a pause; the answers."""
    done, answers = threading.Event(), list[int | str]()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(http.get("/ga4gh/tes/v1/service-info").status_code)
            except httpx.HTTPError as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()


@pytest.fixture(scope="module")
def few(cluster: Cluster) -> set[str]:
    """The nodes to begin with: none that is made of namespaces."""
    scale(*FEW)
    return nodes(cluster)


def test_numbers_that_cannot_be_change_nothing_and_say_what_can(cluster: Cluster, few: set[str]) -> None:
    before = servers(cluster)
    for word, said in (("penstock_platform_replicas=0", "at least one server"), ("nodes=-1", "from 0 to 50")):
        done = subprocess.run(
            [PROGRAMS / "ansible-playbook", *INVENTORY, "playbooks/scale.yml", "-e", word],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=PLAY_S,
        )
        assert done.returncode != 0
        assert said in " ".join(done.stdout.split())
        assert changed(done.stdout) == 0
    assert (nodes(cluster), servers(cluster)) == (few, before)


def test_servers_and_nodes_come_and_go_without_a_failed_request(
    cluster: Cluster, few: set[str], http: httpx.Client
) -> None:
    before = servers(cluster)
    with requests(http) as answers:
        assert changed(scale(*MANY)) > 0
        more = servers(cluster)
        assert len(more) == 3
        assert set(before) < set(more), "those that were there were started anew"
        assert nodes(cluster) == few | {"n1"}
        assert changed(scale(*FEW)) > 0
    assert nodes(cluster) == few
    assert len(servers(cluster)) == 2
    assert "n1" not in servers(cluster).values()
    assert len(answers) > 100
    assert set(answers) == {200}


def test_the_same_numbers_again_change_nothing(cluster: Cluster, few: set[str]) -> None:
    assert changed(scale(*FEW)) == 0
    assert changed(scale(*FEW, "--check")) == 0


def test_a_dry_run_tells_and_changes_nothing(cluster: Cluster, few: set[str]) -> None:
    before = servers(cluster)
    assert changed(scale("-e", "penstock_platform_replicas=3", "--check")) > 0
    assert servers(cluster) == before
