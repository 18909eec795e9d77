"""Runs the playbooks as an operator does, and reads their recap."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
KUBECONFIG = Path.home() / ".config" / "penstock" / "single-node.kubeconfig"
KUBECTL = "/usr/local/bin/kubectl"
NODES = 1  # further ones
SLOTS = ("-e", "penstock_platform_slots=120")  # more than the most tasks that a test has running
PLAY_S = 900


@dataclass(frozen=True)
class Played:
    """What a run of a playbook came to."""

    output: str
    seconds: float

    @property
    def changed(self) -> int:
        """Tasks that changed something, on all hosts."""
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))

    @property
    def changes(self) -> list[str]:
        """The names of these tasks."""
        found, task = [], ""
        for line in self.output.splitlines():
            if line.startswith("TASK ["):
                task = line[6:].partition("]")[0]
            elif line.startswith("changed:"):
                found.append(f"{task} {line[8:]}")
        return found


def play(name: str, *arguments: str, inventory: str = "single_node", **environment: str) -> Played:
    """Run it to its end; a failure shows the end of its output."""
    program = str(Path(sys.executable).parent / "ansible-playbook")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
    plain = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    began = time.monotonic()
    done = subprocess.run(
        [program, "-i", f"inventories/{inventory}", f"playbooks/{name}.yml", *arguments],
        cwd=ROOT,
        env=clean | plain | environment,
        capture_output=True,
        text=True,
        timeout=PLAY_S,
    )
    assert done.returncode == 0, f"{name}.yml failed:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return Played(done.stdout, time.monotonic() - began)


@functools.cache
def mirror() -> Played:
    """The programs and images of this checkout; once is enough."""
    return play("mirror")


def bring_up(*arguments: str) -> Played:
    """The cluster with its further nodes."""
    return play("cluster", "-e", f"nodes={NODES}", *arguments)


def set_up(*arguments: str) -> Played:
    """The same, and Penstock on it."""
    return play("site", "-e", f"nodes={NODES}", *SLOTS, *arguments)


@dataclass(frozen=True)
class Cluster:
    """A cluster that a kubeconfig reaches."""

    kubeconfig: Path

    def command(self, *words: str) -> list[str]:
        """The words of kubectl for it."""
        return [KUBECTL, f"--kubeconfig={self.kubeconfig}", *words]

    def kubectl(self, *words: str, text: str | None = None, seconds: float = 180) -> str:
        """What kubectl answers; it must succeed."""
        done = subprocess.run(self.command(*words), input=text, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def get(self, *words: str) -> Any:
        """Objects as JSON."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))


THIS = Cluster(KUBECONFIG)
kubectl = THIS.kubectl
