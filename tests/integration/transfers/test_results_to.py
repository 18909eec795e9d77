"""``penstock run --results-to s3://…`` against a real gateway: sent once, whole, or told why not."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.cli.conftest import PIPELINES, Shell, shell_at, until
from tests.integration.transfers.gateway import SECRET, Gateway
from tests.waiting import until as until_so

from penstock.workloads.results import parse_manifest

LIBRARY = Path(__file__).resolve().parents[3] / "library"
LIMIT_S = 120
BUCKET = "study"
URL = f"s3://{BUCKET}/first/run/"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that a test may kill, and that may speak to this machine."""
    told = {"PENSTOCK_CATALOGUE": str(PIPELINES), "PENSTOCK_ALLOW_PRIVATE_URLS": "true"}
    one = RunningServer(tmp_path / "lab", {**told, "PENSTOCK_TRANSFER_LIMIT_S": "120"})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


@pytest.fixture
def shell(lab: RunningServer, tmp_path: Path) -> Iterator[Shell]:
    """A user with two texts."""
    one = shell_at(lab, tmp_path / "home")
    one.file("a.txt", "1\n2\n")
    one.file("b c.txt", "1\n")
    yield one
    one.close()


def command(url: str = URL) -> tuple[str, ...]:
    return ("run", "tally", "--text", "a.txt", "b c.txt", "--output", "out", "--results-to", url, "--json")


def finished(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code, err
    told: dict[str, Any] = json.loads(out)
    return told


def files(folder: Path) -> dict[str, bytes]:
    found = [one for one in folder.rglob("*") if one.is_file() and ".sgwtmp" not in one.parts]
    return {str(one.relative_to(folder)): one.read_bytes() for one in found}


def check_sent(folder: Path, output: Path) -> dict[str, str]:
    """In the bucket is what was downloaded, and the manifest, which is right: its digests by name."""
    sent = files(folder)
    told = {name: digest for digest, name in parse_manifest(sent.pop("manifest.sha256").decode())}
    assert sent == files(output)
    assert {name: hashlib.sha256(content).hexdigest() for name, content in sent.items()} == told
    return told


def check_told(folder: Path, told: dict[str, Any], output: Path) -> None:
    """So it is, and the workload tells of it."""
    digests = check_sent(folder, output)
    assert {"summary.tsv", "counts/a", "counts/b c", "report.html", "ro-crate-metadata.json"} <= digests.keys()
    assert {one["name"]: one["sha256"] for one in told["results"]} == digests


def attempts_of_deliveries(server: RunningServer) -> list[tuple[str, int]]:
    """Outcome and number of every attempt to send results."""
    query = "SELECT outcome, number FROM attempts JOIN tasks ON attempts.task = tasks.id WHERE tasks.key = 'delivery'"
    with closing(sqlite3.connect(f"file:{server.data / 'penstock.db'}?mode=ro", uri=True)) as store:
        return [(str(outcome), int(number)) for outcome, number in store.execute(query)]


def test_results_arrive_in_the_bucket_and_in_the_folder(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    bucket = fragile.give(lab, BUCKET)
    told = finished(shell.start(*command()))
    assert (told["state"], told["results_to"], told["acknowledged"]) == ("SUCCEEDED", URL, True)
    assert told["results_sent_at"] is not None
    check_told(bucket / "first" / "run", told, shell.folder / "out")
    assert SECRET not in lab.log()


def test_a_workload_shows_where_its_results_were_sent(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    fragile.give(lab, BUCKET)
    words = command("s3://study")
    workload = shell.ok("submit", *words[1:5], *words[7:9]).strip()
    shell.ok("status", "--wait", workload)
    assert "results to s3://study, sent " in shell.ok("status", workload)
    assert shell.json("status", workload)["results_sent_at"] is not None
    assert "manifest.sha256" in files(fragile.bucket("study"))


def test_a_bucket_that_refuses_is_told_and_the_results_stay(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    bucket = fragile.give(lab, BUCKET, secret="a-wrong-secret")
    process = shell.start(*command())
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    told = json.loads(out)
    assert told["state"] == "SUCCEEDED"
    assert (told["results_sent_at"], told["acknowledged"]) == (None, False)
    assert "could not be sent to s3://study/first/run/" in told["reason"]
    assert "access is denied with the credentials 'lab'" in told["reason"]
    assert told["reason"] in " ".join(err.split())
    for text in (out, err, lab.log()):
        assert "a-wrong-secret" not in text
    assert files(bucket) == {}
    assert (shell.folder / "out" / "summary.tsv").exists()
    assert shell("status", "--wait", told["id"]).returncode == 1
    assert shell("download", told["id"], "--output", "again").returncode == 0
    assert files(shell.folder / "again") == files(shell.folder / "out")


def test_the_ansible_module_sends_them_and_fails_where_it_cannot(
    lab: RunningServer, shell: Shell, fragile: Gateway
) -> None:
    bucket = fragile.give(lab, BUCKET)
    sent = module(lab, shell, "s3://study/good/")
    assert (sent["changed"], sent["state"]) == (True, "SUCCEEDED")
    assert sent["results_sent_at"]
    assert module(lab, shell, "s3://study/good/")["changed"] is False
    fragile.give(lab, BUCKET, secret="a-wrong-secret")
    failed = module(lab, shell, "s3://study/bad/")
    assert failed["failed"] is True
    assert "could not be sent to s3://study/bad/" in failed["msg"]
    assert {name.partition("/")[0] for name in files(bucket)} == {"good"}


def module(server: RunningServer, shell: Shell, url: str) -> dict[str, Any]:
    """The module's answer."""
    texts = [str(shell.folder / name) for name in ("a.txt", "b c.txt")]
    output = str(shell.folder / "out" / url.split("/")[3])
    asked = {"pipeline": "tally", "inputs": {"text": texts}, "output": output, "results_to": url}
    done = subprocess.run(
        [sys.executable, str(LIBRARY / "workload.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**asked, "url": server.url}}),
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://other/x/", "no storage credentials that open 's3://other/x/'"),
        ("https://127.0.0.1/x/", "Results cannot be sent to"),
        ("s3://user:hidden@study/x/", "holds credentials"),
        ("s3://study/../x/", "is not plain"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    lab: RunningServer, shell: Shell, fragile: Gateway, url: str, told: str
) -> None:
    fragile.give(lab, BUCKET)
    err = shell.wrong(*command(url), code=2)
    assert told in " ".join(err.split())
    assert "hidden" not in err
    assert shell.json("list") == []


def test_a_server_killed_while_it_sends_sends_once(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    bucket = fragile.give(lab, BUCKET)
    fragile.stop()
    process = shell.start(*command(), "--keep")
    until(process, f"Sending the results to {URL}.")
    until_so(lambda: "sending goes on later" in lab.log(), LIMIT_S)
    lab.kill()
    fragile.start()
    lab.start()
    told = finished(process)
    assert told["results_sent_at"] is not None
    check_told(bucket / "first" / "run", told, shell.folder / "out")
    assert attempts_of_deliveries(lab) == [("COMPLETE", 1)]


def test_nothing_is_sent_to_a_private_address(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    bucket = fragile.give(lab, BUCKET)
    lab.stop()
    lab.environment["PENSTOCK_ALLOW_PRIVATE_URLS"] = "false"
    lab.start()
    told = finished(shell.start(*command()), 1)
    assert told["results_sent_at"] is None
    assert "is refused: its endpoint" in told["reason"]
    assert files(bucket) == {}


def test_a_cancel_ends_the_sending(lab: RunningServer, shell: Shell, fragile: Gateway) -> None:
    bucket = fragile.give(lab, BUCKET)
    fragile.stop()
    words = command()
    workload = shell.ok("submit", *words[1:5], *words[7:9]).strip()
    until_so(lambda: "sending goes on later" in lab.log(), LIMIT_S)
    shell.ok("cancel", workload)
    assert shell("status", "--wait", workload).returncode == 3
    until_so(lambda: not any((lab.data / "workspace" / "outgoing").iterdir()))
    assert files(bucket) == {}
    assert not (lab.data / "workspace" / "owners" / "local" / "results" / workload).exists()
