"""Runs the playbooks as an operator does, and reads their recap."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KUBECONFIG = Path.home() / ".config" / "penstock" / "single-node.kubeconfig"
NODES = 1  # further ones


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


def play(name: str, *arguments: str) -> Played:
    """Run it to its end; a failure shows the end of its output."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "inventories/single_node",
        f"playbooks/{name}.yml",
    ]
    plain = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    began = time.monotonic()
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=os.environ | plain, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{name}.yml failed:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return Played(done.stdout, time.monotonic() - began)


def bring_up(*arguments: str) -> Played:
    """The cluster with its further nodes."""
    return play("cluster", "-e", f"nodes={NODES}", *arguments)


def kubectl(*words: str, text: str | None = None, seconds: float = 180) -> str:
    """What kubectl answers."""
    command = ["kubectl", f"--kubeconfig={KUBECONFIG}", *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout
