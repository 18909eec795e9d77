"""Tasks that run while something breaks: what they are, what of them must hold afterwards."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.cluster.nodes.playbooks import Cluster
from tests.cluster.platform.test_platform import NAMESPACE, settings
from tests.integration.conftest import FINAL, TOOLS
from tests.waiting import until

from penstock.clock import Deadline

WORKSPACE = Path("/var/lib/penstock-single-node/workspace")
OWNER = "operator"
USER = 10001  # of server, agent and pods
SMALL = {"cpu_cores": 0.01, "ram_gb": 0.05}
LONG_S = 300.0
# Each attempt notes its pod, waits until it is let go, and notes that it ends.
SCRIPT = """
cat /etc/hostname >/o/note
read -r pod </etc/hostname
while [ ! -e "/go/${pod##*-}" ]; do sleep 0.5; done
echo end >>/o/note
"""


def front_door() -> httpx.Client:
    """TES as a client outside the cluster reaches it."""
    told = settings()
    token = Path(told["PENSTOCK_TOKEN_FILE"]).read_text().strip()
    trust = ssl.create_default_context(cafile=told["PENSTOCK_CA_FILE"])
    url = f"{told['PENSTOCK_URL']}/ga4gh/tes/v1"
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, verify=trust, trust_env=False, timeout=10
    )


@dataclass
class Scene:
    """Some tasks of one name, and what becomes of them."""

    cluster: Cluster
    name: str
    http: httpx.Client
    tasks: dict[str, Path] = field(default_factory=dict)  # those that were acknowledged, and their outputs
    tries: int = 0

    @property
    def data(self) -> Path:
        """The owner's folder of this scene."""
        return WORKSPACE / "owners" / OWNER / "data" / self.name

    def open(self) -> None:
        """Make what tasks read and write."""
        for folder in (self.data, self.data / "go"):
            folder.mkdir(parents=True)
        for folder in (self.data.parent.parent, self.data.parent, self.data):
            os.chown(folder, USER, USER)

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        """One request; None where it was not answered as it should."""
        try:
            answer = self.http.request(method, path, **more)
        except httpx.TransportError:
            return None
        if answer.status_code in (429, 502, 503, 504):
            return None
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def submit(self, script: str = SCRIPT) -> str | None:
        """Submit a task once; each try has an output of its own, as an unanswered one may run, too."""
        self.tries += 1
        place = f"file:///workspace/owners/{OWNER}/data/{self.name}"
        made = self.ask(
            "POST",
            "/tasks",
            json={
                "name": self.name,
                "executors": [{"image": TOOLS, "command": ["sh", "-euc", script]}],
                "inputs": [{"path": "/go", "url": f"{place}/go", "type": "DIRECTORY"}],
                "outputs": [{"path": "/o/note", "url": f"{place}/{self.tries}"}],
                "resources": SMALL,
            },
        )
        if made is None:
            return None
        self.tasks[made["id"]] = self.data / str(self.tries)
        return str(made["id"])

    def submitted(self, script: str = SCRIPT) -> str:
        """Submit until one is acknowledged."""
        deadline = Deadline.after(LONG_S)
        while (task := self.submit(script)) is None:
            assert not deadline.passed, "no server answers"
            time.sleep(0.2)
        return task

    def task(self, task: str) -> dict[str, Any]:
        """It, as often asked as needed; its attempts are its logs."""
        deadline = Deadline.after(LONG_S)
        while (found := self.ask("GET", f"/tasks/{task}", params={"view": "FULL"})) is None:
            assert not deadline.passed, "no server answers"
            time.sleep(0.2)
        return found

    def wait(self, task: str, states: set[str] = FINAL, attempt: int = 1) -> dict[str, Any]:
        """It, once it is in one of these states with that attempt or a later one."""
        deadline = Deadline.after(LONG_S)
        while (found := self.task(task))["state"] not in states or len(found["logs"]) < attempt:
            assert not deadline.passed, found
            time.sleep(0.2)
        return found

    def run(self, count: int) -> list[str]:
        """So many tasks, all of which run."""
        tasks = [self.submitted() for _ in range(count)]
        for task in tasks:
            self.wait(task, {"RUNNING"})
        return tasks

    def probe(self) -> None:
        """A task from its submission to its end: with it the whole path works."""
        assert self.wait(self.submitted("echo end >/o/note"))["state"] == "COMPLETE"

    def pods(self) -> list[dict[str, Any]]:
        """The pods of tasks that are there."""
        found: list[dict[str, Any]] = self.cluster.get("pods", "--namespace", NAMESPACE, "--selector", "penstock/task")[
            "items"
        ]
        return found

    def tasks_on(self, node: str) -> set[str]:
        """Of this scene: those whose pods are on that node."""
        there = {pod["metadata"]["labels"]["penstock/task"] for pod in self.pods() if pod["spec"]["nodeName"] == node}
        return there & set(self.tasks)

    def let_go(self, attempt: int) -> None:
        """All attempts of this number."""
        (self.data / "go" / str(attempt)).touch()

    def until_nothing_is_left(self) -> None:
        """No pod, no folder of an attempt, nothing on its way out."""
        left = [WORKSPACE / "tasks", WORKSPACE / "outgoing"]
        until(lambda: not any(any(folder.iterdir()) for folder in left), LONG_S, "the workspace is clean")
        until(lambda: not self.pods(), LONG_S, "no pod is left")
