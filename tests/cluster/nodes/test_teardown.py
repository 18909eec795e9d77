"""The end of a cluster. The last of the cluster's tests: it removes it."""

from __future__ import annotations

import json

from tests.cluster.nodes import running
from tests.cluster.nodes.conftest import BEFORE, PROGRAMS
from tests.cluster.nodes.machine import differences, state
from tests.cluster.nodes.playbooks import KUBECONFIG, play


def test_teardown_leaves_the_machine_as_it_was() -> None:
    assert PROGRAMS.exists(), "no cluster is here: `make cluster` makes one first"
    ours = running.supervisor().union(*map(running.of_node, running.nodes()))
    play("teardown")
    assert running.living(ours) == set()
    assert differences(json.loads(BEFORE.read_text()), state()) == {}
    assert not KUBECONFIG.exists()


def test_a_second_teardown_changes_nothing() -> None:
    assert play("teardown").changes == []


def test_a_dry_run_on_a_machine_without_a_cluster_goes_to_its_end() -> None:
    assert play("cluster", "--check").changed > 0
