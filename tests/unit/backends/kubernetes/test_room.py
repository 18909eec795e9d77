"""How much room a cluster has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.backends.kubernetes.room import of_nodes, of_quotas, quantity
from penstock.errors import SetupError, Unreachable
from penstock.settings import Settings

OURS = "penstock/attempt"
READY = [{"type": "Ready", "status": "True"}]


def settings(**more: Any) -> Settings:
    """Settings that nothing of this machine's environment changes."""
    return Settings(data=Path("/nowhere"), **more)


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **spec: Any) -> dict[str, Any]:
    """A node that is ready."""
    amounts = {"cpu": cpu, "memory": memory, "pods": pods}
    return {"metadata": {"name": name}, "spec": spec, "status": {"allocatable": amounts, "conditions": READY}}


def pod(on: str, cpu: str = "500m", memory: str = "1Gi", phase: str = "Running", **labels: str) -> dict[str, Any]:
    """A pod that asks for something."""
    requests = {"resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {
        "metadata": {"labels": labels}, "status": {"phase": phase}, "spec": {"nodeName": on, "containers": [requests]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "amount"), [("2", 2), ("1500m", 1.5), ("2Gi", 2**31), ("3k", 3000), ("1e3", 1000), ("100n", 1e-7)]
)
def test_quantities(text: str, amount: float) -> None:
    assert quantity(text) == pytest.approx(amount)


def test_a_wrong_quantity_is_named() -> None:
    with pytest.raises(ValueError, match="'2 GB'"):
        quantity("2 GB")


def test_nodes_offer_what_other_pods_leave() -> None:
    pods = [pod("a"), pod("a", phase="Succeeded"), pod("a", **{OURS: "x"}), pod("gone")]
    space = of_nodes([node("a"), node("b", cpu="1")], pods, settings(), OURS)
    assert (space.total.cpu_cores, space.total.slots) == (4.5, 64)
    assert space.largest is not None
    assert space.largest.cpu_cores == 3.5
    assert space.largest.ram_gb == pytest.approx(7 * 1.073741824, abs=0.01)


def test_nodes_that_take_no_pods_offer_nothing() -> None:
    tainted = node("t", taints=[{"key": "k", "effect": "NoSchedule"}])
    lost = node("l")
    lost["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    space = of_nodes([tainted, lost, node("c", unschedulable=True), node("a", pods="7")], [], settings(), OURS)
    assert (space.total.cpu_cores, space.total.slots) == (4, 7)


def test_a_cluster_none_of_whose_nodes_takes_pods_is_waited_for() -> None:
    lost = node("l")
    lost["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    with pytest.raises(Unreachable, match="None of the cluster's 1 nodes takes pods"):
        of_nodes([lost], [], settings(), OURS)
    assert of_nodes([], [], settings(cpu_cores=8, ram_gb=16), OURS).total.cpu_cores == 8


def test_one_task_can_have_what_the_largest_node_has() -> None:
    total = of_nodes([node("a"), node("b")], [], settings(), OURS).total
    assert (total.cpu_cores, total.of_one_task().cpu_cores) == (8, 4)
    assert total.of_one_task().ram_gb == pytest.approx(total.ram_gb / 2, abs=0.01)


def test_a_site_that_is_kept_on_one_node_has_the_room_of_that_node() -> None:
    space = of_nodes([node("a"), node("b")], [], settings(workspace_node="b"), OURS)
    assert space.total.cpu_cores == 4


def test_pods_that_request_a_share_of_their_cores_leave_room_for_more() -> None:
    assert of_nodes([node("a")], [], settings(cpu_share=0.5), OURS).total.cpu_cores == 8
    quota = {"status": {"hard": {"requests.cpu": "2", "requests.memory": "1Gi"}}}
    assert of_quotas([quota], settings(cpu_share=0.4)).cpu_cores == 5


def test_pod_level_requests_count_instead_of_those_of_containers() -> None:
    one = pod("a")
    one["spec"]["resources"] = {"requests": {"cpu": "2", "memory": "1Gi"}}
    assert of_nodes([node("a")], [one], settings(), OURS).total.cpu_cores == 2


def test_without_nodes_a_quota_says_how_much_there_is() -> None:
    hard = {"requests.cpu": "10", "requests.memory": "20Gi", "pods": "15"}
    quota = {"status": {"hard": hard, "used": {"requests.cpu": "4", "pods": "5"}}}
    room = of_quotas([quota], settings())
    assert (room.cpu_cores, room.slots) == (6, 10)
    assert of_quotas([quota], settings(cpu_cores=2)).cpu_cores == 2


def test_without_nodes_and_quota_the_settings_have_to_say_it() -> None:
    with pytest.raises(SetupError, match="PENSTOCK_CPU_CORES"):
        of_quotas([], settings(cpu_cores=2))
    assert of_quotas([], settings(cpu_cores=2, ram_gb=4)).ram_gb == 4
