"""playbooks/scale.yml on a real cluster: more and fewer servers and nodes while requests go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.cluster.nodes.playbooks import NODES, SLOTS, Cluster, Played, play
from tests.cluster.platform.test_platform import NAMESPACE, http

__all__ = ["http"]  # a fixture
pytestmark = pytest.mark.long
WAIT_S = 90  # a request may wait while the database moves to another node, but none may fail
AS_FOUND = ("-e", f"nodes={NODES}", "-e", "penstock_platform_replicas=2")
FEWER_NODES_MORE_SERVERS = ("-e", "nodes=0", "-e", "penstock_platform_replicas=3")


def scale(*words: str) -> Played:
    return play("scale", *SLOTS, *words)


def nodes(cluster: Cluster) -> set[str]:
    return {one["metadata"]["name"] for one in cluster.get("nodes")["items"]}


def servers(cluster: Cluster) -> dict[str, str]:
    """Each server's pod that is to stay, with its node."""
    selector = ("--namespace", NAMESPACE, "--selector", "app.kubernetes.io/component=server")
    items = cluster.get("pods", *selector)["items"]
    staying = [one for one in items if "deletionTimestamp" not in one["metadata"]]
    return {one["metadata"]["name"]: one["spec"].get("nodeName", "") for one in staying}


@contextmanager
def requests(http: httpx.Client) -> Iterator[list[int | str]]:
    """Asks without a pause; the answers."""
    done, answers = threading.Event(), list[int | str]()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(http.get("/ga4gh/tes/v1/service-info", timeout=WAIT_S).status_code)
            except httpx.HTTPError as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()


@pytest.mark.parametrize(
    ("word", "said"), [("penstock_platform_replicas=0", "at least one server"), ("nodes=-1", "from 0 to 50")]
)
def test_a_number_that_cannot_be_changes_nothing_and_says_what_can(cluster: Cluster, word: str, said: str) -> None:
    before = nodes(cluster), servers(cluster)
    with pytest.raises(AssertionError) as failed:
        scale(*AS_FOUND, "-e", word)
    told = " ".join(str(failed.value).split())
    assert said in told
    assert "changed=0" in told
    assert (nodes(cluster), servers(cluster)) == before


def test_servers_and_nodes_come_and_go_without_a_failed_request(cluster: Cluster, http: httpx.Client) -> None:
    made = {f"n{number}" for number in range(1, NODES + 1)}
    machine, before = nodes(cluster) - made, servers(cluster)
    with requests(http) as answers:
        assert scale(*FEWER_NODES_MORE_SERVERS).changed > 0
        more = servers(cluster)
        assert nodes(cluster) == machine
        assert len(more) == 3
        assert {name for name, node in before.items() if node in machine} <= set(more), "one was started anew"
        assert scale(*AS_FOUND).changed > 0
        assert nodes(cluster) == machine | made
        assert len(servers(cluster)) == 2
        assert set(servers(cluster)) < set(more), "one was started anew"
    assert len(answers) > 100
    assert set(answers) == {200}


def test_the_same_numbers_again_change_nothing(cluster: Cluster) -> None:
    assert scale(*AS_FOUND).changes == []


def test_a_dry_run_tells_and_changes_nothing(cluster: Cluster) -> None:
    before = servers(cluster)
    assert scale(*AS_FOUND, "-e", "penstock_platform_replicas=3", "--check").changed > 0
    assert servers(cluster) == before
