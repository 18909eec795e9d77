"""Interrupted runs: what was sent is not sent again, what runs goes on, and the same command takes it up."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess

import pytest
from tests.conftest import RunningServer
from tests.integration.cli.conftest import Line, Shell, until

SLOW = ("--param", "seconds=3")
SIZE = 24 << 20


def command(*more: str) -> tuple[str, ...]:
    return ("run", "tally", "--text", "a.txt", "--output", "out", *more)


def finished(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told: dict[str, object] = json.loads(out)
    return told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_the_same_command_goes_on(shell: Shell, number: signal.Signals) -> None:
    shell.file("a.txt", f"{number}\n")
    process = shell.start(*command(*SLOW))
    until(process, "Running")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted. Workload" in err
    assert "The same command goes on with it" in err
    workload = err.split("`penstock cancel ")[1].partition("`")[0]
    told = shell.json(*command(*SLOW))
    assert (told["id"], told["resumed"], told["state"]) == (workload, True, "SUCCEEDED")


def test_what_is_kept_for_resuming_is_for_the_user_only(shell: Shell) -> None:
    shell.file("a.txt", "secret\n")
    shell.ok("submit", "tally", "--text", "a.txt")
    records = list((shell.folder / "state" / "runs").glob("*.json"))
    assert len(records) == 1
    assert stat.S_IMODE(records[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(records[0].parent.stat().st_mode) == 0o700
    workload = json.loads(records[0].read_text())["workload"]
    shell.ok("status", "--wait", workload)
    shell.ok("ack", workload)
    assert list((shell.folder / "state" / "runs").iterdir()) == []


def test_an_upload_that_was_interrupted_goes_on_where_it_ended(shell: Shell, line: Line) -> None:
    shell.file("a.txt", os.urandom(SIZE).replace(b"F", b"f"))
    shell.environment["PENSTOCK_URL"] = line.url
    line.room = SIZE // 2
    process = shell.start(*command())
    assert line.full.wait(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    told = shell.json(*command())
    assert told["resumed"] is True
    assert SIZE <= line.sent < 1.4 * SIZE


def test_a_cut_in_the_upload_is_mended_without_the_user(shell: Shell, line: Line) -> None:
    shell.file("a.txt", os.urandom(SIZE).replace(b"F", b"f"))
    shell.environment["PENSTOCK_URL"] = line.url
    line.room = SIZE // 3
    told = shell.json(*command())
    assert line.full.is_set()
    assert told["state"] == "SUCCEEDED"
    assert SIZE <= line.sent < 1.4 * SIZE


def test_a_file_that_is_edited_while_it_is_sent_stops_the_run(shell: Shell, line: Line) -> None:
    name = shell.file("a.txt", os.urandom(SIZE).replace(b"F", b"f"))
    shell.environment["PENSTOCK_URL"] = line.url
    line.room, line.stays_cut = SIZE // 2, True
    process = shell.start(*command())
    assert line.full.wait(60)
    with (shell.folder / name).open("ab") as file:
        file.write(b"one more line\n")
    line.passing.set()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "a.txt was changed since its digest was taken" in err
    told = shell.json(*command())
    assert (told["resumed"], told["state"]) == (False, "SUCCEEDED")


def test_a_restart_of_the_server_costs_the_run_nothing(own_shell: Shell, own_lab: RunningServer) -> None:
    own_shell.file("a.txt", "1\n")
    process = own_shell.start(*command("--json", *SLOW))
    until(process, "Running")
    own_lab.restart()
    assert finished(process)["state"] == "SUCCEEDED"


def test_a_server_that_stays_away_ends_the_run_with_4_and_it_can_be_taken_up(
    own_shell: Shell, own_lab: RunningServer
) -> None:
    own_shell.environment["PENSTOCK_PATIENCE_S"] = "1"
    own_shell.file("a.txt", "1\n")
    process = own_shell.start(*command(*SLOW))
    until(process, "Running")
    own_lab.stop()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "Trying for" in err
    own_lab.start()
    assert own_shell.json(*command(*SLOW))["resumed"] is True


def test_two_equal_commands_at_once_do_not_get_in_each_others_way(shell: Shell) -> None:
    shell.file("a.txt", "twice\n")
    process = shell.start(*command("--json", *SLOW))
    until(process, "Running")
    said = shell.wrong(*command(*SLOW), code=1)
    assert f"under way in process {process.pid}" in said
    assert finished(process)["state"] == "SUCCEEDED"


def test_a_changed_file_starts_a_new_run_and_names_the_unfinished_one(shell: Shell) -> None:
    shell.file("a.txt", "before\n")
    first = shell.ok("submit", "tally", "--text", "a.txt").strip()
    shell.file("a.txt", "before\nafter\n")
    done = shell(*command("--json"))
    assert json.loads(done.stdout)["id"] != first
    assert f"`penstock cancel {first}`" in done.stderr
    shell.ok("cancel", first)
    assert shell("status", "--wait", first).returncode in (0, 3)
    shell.ok("ack", first)
