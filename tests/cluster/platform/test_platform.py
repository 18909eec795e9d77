"""Penstock on a real cluster, as an operator sets it up and a scientist uses it."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cluster.nodes.playbooks import Cluster, set_up

from penstock.clock import Deadline
from penstock.pipelines.examples import fetch

FOLDER = Path.home() / ".config" / "penstock" / "penstock"
NAMESPACE = "penstock"
RUN_S = 300
CALLS = ("bcftools", "view", "--no-header", "--no-version")


def settings(folder: Path = FOLDER) -> dict[str, str]:
    """What the operator is told to source."""
    lines = [line.removeprefix("export ") for line in (folder / "environment").read_text().splitlines()]
    return dict(shlex.split(line)[0].split("=", 1) for line in lines if line.startswith("PENSTOCK_"))


def penstock(*words: str, state: Path, environment: dict[str, str] | None = None) -> str:
    """What the command line prints; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli.main", *words],
        env={**clean, **(environment or settings()), "PENSTOCK_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


class Watching:
    """Every name of a task's pod that was there between two moments."""

    def __init__(self, cluster: Cluster) -> None:
        self.names: set[str] = set()
        words = ("get", "pods", "--namespace", NAMESPACE, "--watch", "--output", "name", "--selector", "penstock/task")
        self._process = subprocess.Popen(cluster.command(*words), stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.names.update(line.strip() for line in self._process.stdout)

    def end(self) -> set[str]:
        with self._process:
            self._process.terminate()
            self._reader.join()
        return self.names


def call_variants(output: Path, environment: dict[str, str] | None = None) -> None:
    inputs = [word for role, files in fetch("lambda").items() for word in (f"--{role}", *map(str, files))]
    penstock("run", "variants", *inputs, "--output", str(output), state=output.parent, environment=environment)


def records(folder: Path) -> str:
    return subprocess.run([*CALLS, folder / "calls.vcf.gz"], capture_output=True, text=True, check=True).stdout


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    assert set_up().changes == []


@pytest.mark.long
def test_a_dry_run_on_a_finished_site_changes_nothing(cluster: Cluster) -> None:
    assert set_up("--check").changes == []


def test_variants_finds_what_the_local_backend_finds_with_every_process_a_pod_of_its_own(
    cluster: Cluster, tmp_path: Path, shared_server_settings: dict[str, str]
) -> None:
    watching = Watching(cluster)
    try:
        call_variants(tmp_path / "cluster")
    finally:
        pods = watching.end()
    call_variants(tmp_path / "local", shared_server_settings)
    assert records(tmp_path / "cluster") == records(tmp_path / "local")
    assert records(tmp_path / "cluster").count("\n") == 207
    assert len(pods) > 5


@pytest.fixture
def shared_server_settings(shared_server: object) -> dict[str, str]:
    """How the command line reaches a server with the local backend."""
    variables: dict[str, str] = shared_server.variables()  # type: ignore[attr-defined]
    return {name: value for name, value in variables.items() if name.startswith("PENSTOCK_")}


def test_nothing_of_a_finished_workload_is_left_in_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    call_variants(tmp_path / "results")
    deadline = Deadline.after(60)
    while cluster.get("pods", "--namespace", NAMESPACE, "--selector", "penstock/task")["items"]:
        assert not deadline.passed, cluster.kubectl("get", "pods", "--namespace", NAMESPACE)
        time.sleep(0.5)
    kinds = ("jobs", "configmaps", "persistentvolumeclaims", "secrets")
    for kind in kinds:
        for one in cluster.get(kind, "--namespace", NAMESPACE)["items"]:
            labels = one["metadata"].get("labels", {})
            assert "penstock/task" not in labels, one["metadata"]["name"]
            assert "penstock/attempt" not in labels, one["metadata"]["name"]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    told = settings()
    headers = {"Authorization": f"Bearer {Path(told['PENSTOCK_TOKEN_FILE']).read_text().strip()}"}
    trust = ssl.create_default_context(cafile=told["PENSTOCK_CA_FILE"])
    with httpx.Client(base_url=told["PENSTOCK_URL"], headers=headers, verify=trust, trust_env=False) as client:
        yield client


def test_a_rolling_update_fails_no_request(cluster: Cluster, http: httpx.Client) -> None:
    done = threading.Event()
    answers: list[int | str] = []

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(http.get("/ga4gh/tes/v1/tasks").status_code)
            except httpx.HTTPError as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    cluster.kubectl("rollout", "restart", "deployment/penstock-server", "--namespace", NAMESPACE)
    cluster.kubectl("rollout", "status", "deployment/penstock-server", "--namespace", NAMESPACE, "--timeout=120s")
    done.set()
    asking.join()
    assert len(answers) > 50
    assert set(answers) == {200}


def test_a_workload_survives_the_loss_of_a_server_and_of_the_agent(cluster: Cluster, tmp_path: Path) -> None:
    output = tmp_path / "results"
    run = threading.Thread(target=call_variants, args=(output,))
    watching = Watching(cluster)
    run.start()
    deadline = Deadline.after(120)
    while len(watching.names) < 3:
        assert not deadline.passed
        time.sleep(0.1)
    pods = cluster.get("pods", "--namespace", NAMESPACE, "--selector", "app.kubernetes.io/name=penstock")["items"]
    names = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["name"] for pod in pods}
    for component in ("server", "agent"):
        cluster.kubectl("delete", "pod", names[component], "--namespace", NAMESPACE, "--force", "--grace-period=0")
    run.join(RUN_S)
    watching.end()
    assert records(output).count("\n") == 207


def test_the_secrets_are_nowhere_but_in_the_secrets(cluster: Cluster) -> None:
    token = (FOLDER / "token").read_text().strip().rpartition("_")[2]
    seen = cluster.kubectl("get", "all,configmaps,events", "--namespace", NAMESPACE, "--output", "json")
    assert token not in seen
    for component in ("server", "agent"):
        logs = cluster.kubectl(
            "logs", "--namespace", NAMESPACE, "--selector", f"app.kubernetes.io/component={component}",
            "--all-containers", "--tail=-1",
        )  # fmt: skip
        assert token not in logs
    assert json.loads(seen)["items"]
