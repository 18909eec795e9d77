"""Which scenario or test covers each role, read from the files themselves; a role that none covers is found here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
# Where a throw-away host cannot be what the role makes: a cluster. Their manifests are rendered and checked by
# tests/unit/ansible/test_manifests.py; these tests converge, verify and repeat them.
ON_A_CLUSTER = {
    "database": ["tests/cluster/platform/test_platform.py", "tests/cluster/platform/test_one_namespace.py"],
    "kubernetes": ["tests/cluster/nodes/test_cluster.py", "tests/cluster/nodes/test_teardown.py"],
    "metrics": ["tests/cluster/platform/test_platform.py"],
    "penstock_platform": ["tests/cluster/platform/test_platform.py", "tests/cluster/platform/test_scale.py"],
}


def scenarios() -> list[str]:
    """Those that `make molecule` runs."""
    [words] = re.findall(r"set -- (.*)$", (ROOT / "scripts" / "molecule").read_text(), re.MULTILINE)
    return list(words.split())


@pytest.mark.parametrize("role", ROLES)
def test_a_scenario_or_a_test_on_a_cluster_covers_the_role(role: str) -> None:
    if role in ON_A_CLUSTER:
        for test in ON_A_CLUSTER[role]:
            assert (ROOT / test).is_file(), f"{role}: {test} is gone"
        return
    assert role in scenarios(), f"{role} has neither a scenario of its name nor a test on a cluster"
    converge = ROOT / "molecule" / role / "converge.yml"
    assert re.search(rf"\b{role}\b", converge.read_text()), f"{converge} does not use {role}"


def test_every_scenario_is_run_and_checks_what_it_made() -> None:
    folders = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    assert folders == set(scenarios())
    for name in folders:
        sequence = (yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text()) or {}).get("scenario", {})
        steps = sequence.get("test_sequence", ["check", "idempotence", "verify"])
        assert {"check", "idempotence", "verify"} <= set(steps), name
