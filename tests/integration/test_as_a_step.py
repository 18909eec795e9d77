"""What docs/users.md shows: ``penstock run`` as one step of somebody's own workflow, and how to do without it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.conftest import RunningServer

from penstock.pipelines.examples import fetch

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "tests" / "data" / "steps"
LONG_S = 300
# Nextflow reaches into the JDK (its own launcher opens the same packages).
OPENED = ("java.lang", "java.util", "java.nio", "java.net", "sun.nio.ch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scientist's folder with real reads of three people."""
    place = tmp_path / "study"
    place.mkdir()
    example = fetch("human")
    shutil.copy(example["reference"][0], place / "reference.fa")
    for bam in example["bam"]:
        shutil.copy(bam, place)
    return place


@pytest.fixture(scope="session")
def nextflow() -> list[str]:
    """The command that starts Nextflow: its jars are fetched once by Maven and kept in the user's cache."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: `make packages` installs default-jre-headless and maven")
    jars = _jars(STEPS / "pom.xml")
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    return ["java", *opened, "-cp", f"{jars}/*", "nextflow.cli.Launcher"]


def _jars(pom: Path) -> Path:
    key = hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    jars = Path.home() / ".cache" / "penstock" / "nextflow" / key
    if not jars.is_dir():
        jars.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={scratch}/jars", "-DincludeScope=runtime"]
            run(["mvn", "-q", "-B", "-f", str(pom), *goal], Path(scratch), dict(os.environ))
            (Path(scratch) / "jars").rename(jars)
    return jars


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONG_S, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def user(server: RunningServer, folder: Path) -> dict[str, str]:
    """The environment of a user who has ``penstock`` on the PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # both engines write into the home folder
    state = {"HOME": str(folder.parent), "PENSTOCK_STATE": str(folder.parent / "state")}
    return {**server.variables(), **state, "PATH": path}


def calls(folder: Path) -> int:
    return int((folder / "count.txt").read_text())


def test_a_snakemake_workflow_runs_variants_as_one_step(shared_server: RunningServer, folder: Path) -> None:
    shutil.copy(STEPS / "Snakefile", folder)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", "Snakefile"]
    said = run(command, folder, user(shared_server, folder))
    assert "Succeeded after" in said
    assert calls(folder) > 0
    assert (folder / "variants" / "summary.tsv").exists()


def test_a_nextflow_workflow_runs_variants_as_one_step(
    shared_server: RunningServer, folder: Path, nextflow: list[str]
) -> None:
    shutil.copy(STEPS / "main.nf", folder)
    environment = {**user(shared_server, folder), "NXF_OFFLINE": "true", "NXF_HOME": str(folder.parent / "nxf")}
    run([*nextflow, "run", "main.nf", "-ansi-log", "false"], folder, environment)
    assert calls(folder) > 0


def test_curl_alone_is_enough(shared_server: RunningServer, folder: Path) -> None:
    said = run(["bash", "-euo", "pipefail", str(STEPS / "curl.sh")], folder, user(shared_server, folder))
    assert said.strip() == "SUCCEEDED"
    assert (folder / "calls.vcf.gz").stat().st_size > 0


@pytest.mark.parametrize("name", ["Snakefile", "main.nf", "curl.sh"])
def test_the_workflows_that_run_here_are_those_of_the_documentation(name: str) -> None:
    assert (STEPS / name).read_text() in (ROOT / "docs" / "users.md").read_text()
