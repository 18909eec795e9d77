"""Wrong use of the whole system gets a clear answer and leaves nothing behind (real server, real pipeline)."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import RunningServer

from penstock.clock import Deadline

REFERENCE = ">chr\n" + "ACGTTGCAAT" * 60 + "\n"
READ = "ACGTTGCAATACGTTGCAATACGTTGCAAT"


def _fastq(records: int) -> str:
    return "".join(f"@r{number}\n{READ}\n+\n{'I' * len(READ)}\n" for number in range(records))


@dataclass
class Bench:
    """A folder with files, and the command line against a server."""

    folder: Path
    server: RunningServer

    def write(self, name: str, content: str | bytes) -> str:
        """A file of this content; its path."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def penstock(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "penstock.cli.main", *arguments],
            env={**self.server.variables(), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
            check=False,
        )

    def good_inputs(self) -> list[str]:
        """A reference and a pair that would run."""
        reads = [self.write(f"r{number}.fq", _fastq(20)) for number in (1, 2)]
        reference = self.write("ref.fa", REFERENCE)
        return ["--reference", reference, "--reads", reads[0], "--reads", reads[1]]


@pytest.fixture
def bench(tmp_path: Path, shared_server: RunningServer) -> Iterator[Bench]:
    """After the test no file of any workload may be on the server."""
    yield Bench(tmp_path, shared_server)
    workspace = shared_server.data / "workspace"
    folders = [workspace / name for name in ("incoming", "workloads", "owners/local/results")]
    deadline = Deadline.after(20)
    while left := [path for folder in folders for path in folder.rglob("*") if path.is_file()]:
        assert not deadline.passed, left  # an acknowledged workload is removed after the answer
        time.sleep(0.02)


def _told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "varients", "--reference", "ref.fa"], ["varients", "variants"]),
        (["run", "variants"], ["reference"]),
        (["run", "variants", "--referense", "ref.fa"], ["referense", "reference"]),
        (["run", "variants", "--reference", "missing.fa"], ["missing.fa"]),
    ],
)
def test_what_is_not_there_is_named_with_what_is(bench: Bench, arguments: list[str], words: list[str]) -> None:
    _told(bench.penstock(*arguments, "--output", "out"), 2, *words)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("ploydy=2", ["ploydy", "ploidy"]),
        ("ploidy=two", ["ploidy", "two", "whole number"]),
        ("ploidy=0", ["ploidy", "0", "1"]),
        ("ploidy", ["ploidy", "="]),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_right(bench: Bench, parameter: str, words: list[str]) -> None:
    done = bench.penstock("run", "variants", *bench.good_inputs(), "--param", parameter, "--output", "out")
    _told(done, 2, *words)


def _truncated_gzip(bench: Bench) -> list[str]:
    whole = gzip.compress(os.urandom(2000).hex().encode())
    return ["--reads", bench.write("r1.fq.gz", whole[:-50]), "--reads", bench.write("r2.fq", _fastq(20))]


def _unequal_pairs(bench: Bench) -> list[str]:
    return ["--reads", bench.write("r1.fq", _fastq(20)), "--reads", bench.write("r2.fq", _fastq(19))]


def _bam_without_read_groups(bench: Bench) -> list[str]:
    sam = f"@HD\tVN:1.6\n@SQ\tSN:chr\tLN:600\nr1\t4\t*\t0\t0\t*\t*\t0\t0\t{READ}\t{'I' * len(READ)}\n"
    source, bam = bench.write("x.sam", sam), str(bench.folder / "x.bam")
    subprocess.run(["samtools", "view", "-b", "-o", bam, source], check=True)
    return ["--bam", bam]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (_truncated_gzip, ["r1.fq.gz"]),
        (_unequal_pairs, ["r1.fq", "r2.fq", "20", "19"]),
        (_bam_without_read_groups, ["x.bam", "read group"]),
    ],
)
def test_bad_data_fails_the_workload_with_the_files_name(
    bench: Bench, inputs: Callable[[Bench], list[str]], words: list[str]
) -> None:
    reference = bench.write("ref.fa", REFERENCE)
    done = bench.penstock("run", "variants", "--reference", reference, *inputs(bench), "--output", "out", "--json")
    _told(done, 1, *words)
    told = json.loads(done.stdout)
    assert told["state"] == "FAILED"
    assert not list((bench.folder / "out").rglob("*")) if (bench.folder / "out").exists() else True
    assert bench.penstock("ack", told["id"]).returncode == 0


def test_an_empty_reference_is_refused(bench: Bench) -> None:
    inputs = bench.good_inputs()
    bench.write("ref.fa", "")
    done = bench.penstock("run", "variants", *inputs, "--output", "out")
    _told(done, 2, "ref.fa", "empty")


def test_a_server_that_is_not_running_is_said_with_how_to_start_it(bench: Bench) -> None:
    done = bench.penstock("list", PENSTOCK_URL="http://127.0.0.1:9")
    _told(done, 4, "127.0.0.1:9", "penstock serve")


def test_a_port_that_is_taken_is_said_with_what_to_do(bench: Bench) -> None:
    port = bench.server.url.rpartition(":")[2]
    done = bench.penstock("serve", "--port", port, "--data", str(bench.folder / "other"))
    assert done.returncode != 0
    _told(done, done.returncode, port, "--port")


def test_a_data_folder_that_is_in_use_is_said_with_by_whom(bench: Bench) -> None:
    done = bench.penstock("serve", "--port", "0", "--data", str(bench.server.data))
    assert done.returncode != 0
    _told(done, done.returncode, "in use by process")


@pytest.fixture
def strict_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that wants tokens and has no room for uploads."""
    environment = {"PENSTOCK_AUTHENTICATION": "tokens", "PENSTOCK_WORKSPACE_RESERVE": str(1 << 60)}
    one = RunningServer(tmp_path / "server", environment=environment)
    one.start()
    yield one
    one.stop()


def test_without_a_token_the_file_is_named_and_with_one_the_full_disk(strict_server: RunningServer) -> None:
    bench = Bench(strict_server.data.parent, strict_server)
    run = ["run", "variants", *bench.good_inputs(), "--output", "out"]
    done = bench.penstock(*run)
    assert done.returncode not in (0, 1)
    _told(done, done.returncode, "token", str(strict_server.data / "token"))
    token = strict_server.data / "token"
    made = bench.penstock(
        "admin", "token", "ensure", "--owner", "ada", "--scope", "workloads", "--file", str(token),
        PENSTOCK_DATA=str(strict_server.data),
    )  # fmt: skip
    assert made.stdout.strip() == "created"
    done = bench.penstock(*run)
    assert done.returncode != 0, done.stderr
    _told(done, done.returncode, "room")
    assert bench.penstock("list", "--json").stdout.count('"id"') == 0
