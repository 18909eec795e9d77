"""Cuts, stores that are away, and kills in the middle of transfers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.conftest import Tes
from tests.integration.transfers.gateway import Gateway
from tests.integration.transfers.proxy import CuttingProxy
from tests.integration.transfers.web import Web
from tests.started import started
from tests.waiting import until

from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.staging import http, storage
from penstock.staging.objects import ObjectPlace

BODY = os.urandom(1 << 20) * 6


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server of its own."""
    with started(Web(tmp_path / "web")) as one:
        yield one


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that a test may kill, with tasks that may speak to this machine."""
    one = RunningServer(tmp_path / "alone", {"PENSTOCK_ALLOW_PRIVATE_URLS": "true", "PENSTOCK_TRANSFER_LIMIT_S": "120"})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


@pytest.fixture
def lonely(alone: RunningServer) -> Iterator[Tes]:
    """A TES client of that server."""
    client = Tes(alone.url)
    yield client
    client.http.close()


def test_a_cut_object_goes_on_where_it_was(gateway: Gateway, tmp_path: Path) -> None:
    (gateway.bucket("cuts") / "x").write_bytes(BODY)
    proxy = CuttingProxy(gateway.port)
    proxy.cuts = [1_000_000, 2_500_000, 700]
    through = gateway.storage("cuts", endpoint=f"http://127.0.0.1:{proxy.port}")
    fetched = ObjectPlace("s3://cuts/x", through, allow_private=True).fetch(tmp_path / "x", Deadline.after(60))
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (tmp_path / "x").read_bytes() == BODY
    assert proxy.connections >= 3
    proxy.close()


def test_an_object_that_changes_meanwhile_is_fetched_anew(gateway: Gateway, tmp_path: Path) -> None:
    gateway.bucket("cuts")
    place = ObjectPlace("s3://cuts/changes", gateway.storage("cuts"), allow_private=True)
    (tmp_path / "first").write_bytes(BODY)
    (tmp_path / "second").write_bytes(bytes(reversed(BODY)))
    place.send(tmp_path / "first", Deadline.after(60))
    proxy = CuttingProxy(gateway.port)
    proxy.cuts = [2_000_000]
    proxy.before[2] = lambda: place.send(tmp_path / "second", Deadline.after(60))
    through = gateway.storage("cuts", endpoint=f"http://127.0.0.1:{proxy.port}")
    ObjectPlace("s3://cuts/changes", through, allow_private=True).fetch(tmp_path / "x", Deadline.after(60))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "second").read_bytes()
    proxy.close()


def test_a_cut_web_file_goes_on_where_it_was(web: Web, tmp_path: Path) -> None:
    (web.files / "x").write_bytes(BODY)
    proxy = CuttingProxy(web.port)
    proxy.cuts = [1_000_000, 3_000_000]
    fetched = http.fetch(web.url("x", proxy.port), tmp_path / "x", Deadline.after(60), allow_private=True)
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert proxy.connections == 3
    proxy.close()


def test_a_file_is_put(web: Web, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BODY)
    http.send(web.url("new/folder/x"), tmp_path / "x", Deadline.after(60), allow_private=True)
    assert (web.files / "new" / "folder" / "x").read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://169.254.169.254/x"])
def test_nothing_is_put_to_a_private_address(tmp_path: Path, url: str) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InvalidInput, match="not public"):
        http.send(url, tmp_path / "x", Deadline.after(5))


def test_what_a_web_server_does_not_take_is_final(web: Web, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InvalidInput, match="takes no file: it answers 403"):
        http.send(web.url("closed/x?signature=secret"), tmp_path / "x", Deadline.after(5), allow_private=True)


def test_a_store_that_is_away_costs_no_second_run(alone: RunningServer, fragile: Gateway, lonely: Tes) -> None:
    bucket = fragile.give(alone, "away")
    fragile.stop()
    task = lonely.shell("date +%N > /out/x", outputs=[{"path": "/out/x", "url": "s3://away/x"}])
    until(lambda: "sending goes on later" in alone.log())
    assert lonely.get(task)["state"] == "RUNNING"
    fragile.start()
    done = lonely.wait(task)
    assert (done["state"], len(done["logs"]), (bucket / "x").exists()) == ("COMPLETE", 1, True)
    until(lambda: not any((alone.data / "workspace" / "outgoing").iterdir()), what="nothing is left")


def test_a_server_killed_while_it_sends_goes_on_with_it(alone: RunningServer, fragile: Gateway, lonely: Tes) -> None:
    bucket = fragile.give(alone, "killed")
    fragile.stop()
    outputs = [{"path": "/out", "url": "s3://killed/out", "type": "DIRECTORY"}]
    task = lonely.shell("for n in 1 2 3 4 5; do date +%N > /out/$n; done", outputs=outputs)
    until(lambda: "sending goes on later" in alone.log())
    alone.kill()
    fragile.start()
    alone.start()
    done = lonely.wait(task)
    assert (done["state"], len(done["logs"])) == ("COMPLETE", 1)
    assert sorted(one.name for one in (bucket / "out").iterdir()) == ["1", "2", "3", "4", "5"]
    until(lambda: not any((alone.data / "workspace" / "outgoing").iterdir()), what="nothing is left")


def test_a_cancel_ends_the_sending(alone: RunningServer, fragile: Gateway, lonely: Tes) -> None:
    fragile.give(alone, "canceled")
    fragile.stop()
    task = lonely.shell("echo 1 > /out/x", outputs=[{"path": "/out/x", "url": "s3://canceled/x"}])
    until(lambda: "sending goes on later" in alone.log())
    lonely.cancel(task)
    assert lonely.wait(task)["state"] == "CANCELED"
    until(lambda: not any((alone.data / "workspace" / "outgoing").iterdir()))


def test_memory_does_not_grow_with_the_file(gateway: Gateway, tmp_path: Path) -> None:
    """Resident memory of the transfer program for 8 MiB and for 256 MiB, both ways."""
    peaks = {}
    for size in (8, 256):
        with (gateway.bucket("memory") / f"in{size}").open("wb") as file:
            for _ in range(size):
                file.write(BODY[: 1 << 20])
        folder = tmp_path / str(size)
        folder.mkdir()
        transfers = [{"url": f"s3://memory/in{size}", "target": "x"}]
        (folder / "plan.json").write_text(json.dumps({"transfers": transfers}))
        (folder / storage.FILE).write_text(storage.dump([gateway.storage("memory")]))
        fetch = peak_mib(folder, "fetch")
        assert (folder / "x").stat().st_size == size << 20
        send = peak_mib(folder, "send", {
            "storage": json.loads((folder / storage.FILE).read_text()),
            "sendings": [{"source": str(folder / "x"), "url": f"s3://memory/out{size}"}],
        })  # fmt: skip
        assert (gateway.bucket("memory") / f"out{size}").stat().st_size == size << 20
        peaks[size] = (fetch, send)
    assert peaks[256][0] - peaks[8][0] < 32, peaks
    assert peaks[256][1] - peaks[8][1] < 64, peaks


def peak_mib(folder: Path, what: str, job: object = None) -> float:
    """The most memory that the program had, and that it did what it should."""
    script = (
        "import resource, subprocess, sys; "
        "told = subprocess.run(sys.argv[1:], check=True, capture_output=True, stdin=sys.stdin).stdout; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, told.decode())"
    )
    words = ["-m", "penstock.staging", what, "--limit", "100", "--largest", str(1 << 40), "--allow-private"]
    command = [sys.executable, "-c", script, sys.executable, *words]
    ran = subprocess.run(
        command, cwd=folder, input=json.dumps(job), text=True, capture_output=True, check=True
    )  # fmt: skip
    kib, _, told = ran.stdout.partition(" ")
    report = json.loads(told if what == "send" else (folder / "transfers.json").read_text())
    assert report["outcome"] == "", report
    return int(kib) / 1024
