"""The lines of docs/drop-box.md, run as they stand through a real NGINX; and `penstock run` without a token."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.nginx import Nginx

from penstock.clock import Deadline
from penstock.pipelines.examples import fetch

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "tests" / "data" / "pipelines"
LONG_S = 240


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[RunningServer, Nginx]]:
    """A deployment that takes workloads from everybody, and its front door."""
    opened = {"PENSTOCK_DROP_BOX": "true", "PENSTOCK_ANONYMOUS_WORKLOADS": "true", "PENSTOCK_SENDFILE": "nginx"}
    environment = {**opened, "PENSTOCK_AUTHENTICATION": "tokens", "PENSTOCK_CATALOGUE": str(PIPELINES)}
    server = RunningServer(tmp_path / "server", environment=environment)
    token = ["admin", "token", "ensure", "--owner", "site", "--scope", "agent:local"]
    subprocess.run(
        [sys.executable, "-m", "penstock.cli.main", *token, "--file", str(server.data / "token")],
        env={**server.variables(), "PENSTOCK_DATA": str(server.data)},
        check=True,
        capture_output=True,
    )
    server.start()
    nginx = Nginx(tmp_path / "nginx", server.data, file_service_drop_box=True, file_service_drop_box_largest="50m")
    nginx.start()
    yield server, nginx
    nginx.stop()
    server.stop()
    end_runners(server.data)


def test_the_lines_of_the_documentation_work(door: tuple[RunningServer, Nginx], tmp_path: Path) -> None:
    server, nginx = door
    (lines,) = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "drop-box.md").read_text(), re.DOTALL)
    folder = tmp_path / "study"
    folder.mkdir()
    example = fetch("human")
    shutil.copy(example["reference"][0], folder / "reference.fa")
    for bam in example["bam"]:
        shutil.copy(bam, folder)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PENSTOCK_URL": nginx.url},
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.log()}"
    assert (folder / "results" / "calls.vcf.gz").stat().st_size > 0
    secret = (folder / "account.curl").read_text().split(":")[1].split('"')[0]
    assert secret not in server.log() + (nginx.folder / "access.log").read_text()
    owners, deadline = server.data / "workspace" / "owners", Deadline.after(20)
    while list(owners.iterdir()):
        assert not deadline.passed


def test_nginx_refuses_what_is_too_large_or_no_put(door: tuple[RunningServer, Nginx], tmp_path: Path) -> None:
    _, nginx = door
    large = tmp_path / "large.tar"
    with large.open("wb") as file:
        file.truncate(51 << 20)
    url = f"{nginx.url}/upload/{'a' * 32}/large.tar"
    sent = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "-T", str(large), url],
        capture_output=True,
        text=True,
    )
    assert sent.stdout.split() == ["413", "0"]
    for method in ("GET", "POST", "DELETE", "PATCH"):
        assert httpx.request(method, url, trust_env=False).status_code == 403


def test_nginx_slows_down_who_sends_too_often(door: tuple[RunningServer, Nginx]) -> None:
    _, nginx = door
    with httpx.Client(base_url=nginx.url, trust_env=False) as client:
        answers = [client.put(f"/upload/{n:032}/x.tar", content=b"x").status_code for n in range(40)]
    assert set(answers) == {201, 429}


def test_a_run_without_a_token_is_alone_with_its_workload(door: tuple[RunningServer, Nginx], tmp_path: Path) -> None:
    server, nginx = door
    (tmp_path / "a.txt").write_text("1\n2\n")

    def penstock(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "penstock.cli.main", *words]
        told = {"PENSTOCK_URL": nginx.url, "PENSTOCK_TOKEN_FILE": str(tmp_path / "none")}
        return subprocess.run(
            command, cwd=tmp_path, env={**server.variables(), **told}, capture_output=True, text=True, timeout=LONG_S
        )

    ran = penstock("run", "tally", "--text", "a.txt", "--output", "out")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "counts" / "a").read_text() == "2\n"
    first, second = (penstock("submit", "tally", "--text", "a.txt", "--name", name).stdout.strip() for name in "xy")
    assert penstock("status", first, "--wait").returncode == 0
    assert penstock("list").returncode == 2  # there is nobody whose workloads these are
    shutil.rmtree(server.data / "client")  # somebody else: another state folder
    for words in (("status", second), ("cancel", second), ("ack", second), ("download", second, "--output", "o")):
        assert penstock(*words).returncode == 2, words
