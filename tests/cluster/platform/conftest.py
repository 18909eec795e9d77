"""The cluster and the platform on it, as the inventory ``single_node`` makes them; left for the next run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent
KUBECTL = "/usr/local/bin/kubectl"
PLAY_S = 900


def play(*words: str, **environment: str) -> str:
    """What ansible-playbook prints, which must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    done = subprocess.run(
        [PROGRAMS / "ansible-playbook", *words],
        cwd=ROOT,
        env={**clean, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=PLAY_S,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def changed(told: str) -> int:
    """How many tasks changed something, by the recap."""
    return sum(int(count) for count in re.findall(r"changed=(\d+)", told))


@dataclass(frozen=True)
class Cluster:
    """A cluster that a kubeconfig reaches."""

    kubeconfig: Path

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 180) -> str:
        """What kubectl prints, which must succeed."""
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", self.kubeconfig, *words],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=timeout,
        )
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def get(self, *words: str) -> Any:
        """Objects as JSON."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))


@pytest.fixture(scope="session")
def site() -> str:
    """What site.yml printed: this machine has a cluster with Penstock on it now."""
    play("playbooks/mirror.yml")
    return play("-i", "inventories/single_node", "playbooks/site.yml")


@pytest.fixture(scope="session")
def cluster(site: str) -> Cluster:
    """The cluster of this machine."""
    return Cluster(Path.home() / ".config" / "penstock" / "single-node.kubeconfig")
