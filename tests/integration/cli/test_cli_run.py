"""``penstock run`` against a real server: from files to results, and what is left behind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.integration.cli.conftest import Shell

IDS = 26


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(shell: Shell, *words: str) -> dict[str, object]:
    answer: dict[str, object] = shell.json("run", "tally", "--output", "out", *words)
    return answer


def test_a_run_brings_back_verified_results_and_leaves_nothing_at_the_server(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n3\n")
    shell.file("b.txt", "1\n")
    told = run(shell, "--text", "a.txt", "b.txt", "--param", "times=2")
    assert told["state"] == "SUCCEEDED"
    assert (shell.folder / "out" / "summary.tsv").read_text() == "text\tlines_counted\na\t6\nb\t2\n"
    for result in told["results"]:  # type: ignore[attr-defined]
        assert sha256(shell.folder / result["path"]) == result["sha256"]
    assert {path.name for path in (shell.folder / "out").iterdir()} == {
        "summary.tsv",
        "counts",
        "report.html",
        "ro-crate-metadata.json",
    }
    assert told["acknowledged"] is True
    assert "removed" in shell.wrong("status", str(told["id"]), code=2)
    assert list((shell.folder / "state" / "runs").iterdir()) == []


def test_without_a_terminal_lines_with_times_tell_what_goes_on(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n")
    done = shell("run", "tally", "--text", "a.txt", "--output", "out")
    assert done.returncode == 0
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line[:2] for line in lines if "  Workload" in line] == ["20"]
    assert any("Uploaded 1 file, 4 B" in line for line in lines)
    assert any("Succeeded after" in line for line in lines)
    assert [line.split() for line in lines[-2:]] == [["text", "lines", "counted"], ["a", "2"]]


def test_on_a_terminal_bars_move_and_ticks_stay(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n")
    code, screen = shell.on_terminal("run", "tally", "--text", "a.txt", "--param", "seconds=0.5", "--output", "out")
    assert code == 0, screen
    assert "━" in screen
    assert "Running" in screen
    assert "count" in screen
    for done in ("Uploaded 1 file", "Ran 2 processes", "Downloaded 4 files", "Succeeded"):
        assert done in screen
    assert "\x1b[?25h" in screen.rpartition("\x1b[?25l")[2], "the cursor stays hidden"


def test_keep_leaves_the_workload_for_further_downloads_until_it_is_acknowledged(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n")
    told = run(shell, "--text", "a.txt", "--keep")
    workload = str(told["id"])
    assert told["acknowledged"] is False
    assert workload in [one["id"] for one in shell.json("list")]
    again = shell.json("download", workload, "--output", "again")
    assert [one["sha256"] for one in again] == [one["sha256"] for one in told["results"]]  # type: ignore[attr-defined]
    assert (shell.folder / "again" / "counts" / "a").read_text() == "2\n"
    shell.ok("ack", workload)
    shell.ok("ack", workload)
    shell.wrong("status", workload, code=2)
    assert workload not in [one["id"] for one in shell.json("list")]


def test_the_same_command_starts_anew_what_is_finished(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n")
    first, second = run(shell, "--text", "a.txt", "--keep"), run(shell, "--text", "a.txt")
    assert first["id"] != second["id"]
    assert second["resumed"] is False
    shell.ok("ack", str(first["id"]))


def test_a_submitted_workload_is_waited_for_downloaded_and_acknowledged_by_its_id(shell: Shell) -> None:
    shell.file("a.txt", "1\n2\n3\n")
    workload = shell.ok("submit", "tally", "--text", "a.txt", "--name", "my texts").strip()
    assert len(workload) == IDS
    shown = shell.ok("status", "--wait", workload)
    assert "SUCCEEDED" in shown
    assert "my texts" in shown
    shell.ok("download", workload, "--output", "out")
    assert (shell.folder / "out" / "counts" / "a").read_text() == "3\n"
    shell.ok("ack", workload)


def test_run_goes_on_with_what_the_same_submit_began(shell: Shell) -> None:
    shell.file("a.txt", "1\n")
    workload = shell.ok("submit", "tally", "--text", "a.txt").strip()
    told = run(shell, "--text", "a.txt")
    assert (told["id"], told["resumed"]) == (workload, True)


def test_many_small_inputs_travel_as_one_upload(shell: Shell) -> None:
    names = [shell.file(f"t{number:02}.txt", "x\n" * number) for number in range(1, 25)]
    workload = shell.ok("submit", "tally", "--text", *names).strip()
    uploads = shell.json("status", workload)["uploads"]
    assert [one["role"] for one in uploads] in ([], ["bundle"])
    told = run(shell, "--text", *names)
    assert told["id"] == workload
    assert (shell.folder / "out" / "counts" / "t24").read_text() == "24\n"
    assert len(list((shell.folder / "out" / "counts").iterdir())) == 24


def test_a_failed_workload_says_why_and_leaves_no_results(shell: Shell) -> None:
    shell.file("good.txt", "1\n")
    shell.file("bad.txt", "FAIL\n")
    done = shell("run", "tally", "--text", "good.txt", "bad.txt", "--output", "out", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["state"] == "FAILED"
    assert "bad.txt must not be counted" in told["reason"]
    assert "error: " in done.stderr
    assert f"penstock logs {told['id']}" in done.stderr
    assert not (shell.folder / "out").exists()
    logs = shell.ok("logs", told["id"])
    assert "counting begins" in logs
    assert "error: bad.txt must not be counted." in logs
    assert "exit code 3" in logs
    assert shell("download", told["id"], "--output", "logs").returncode == 1
    assert "counting begins" in "".join(path.read_text() for path in (shell.folder / "logs").rglob("*.txt"))
    shell.ok("ack", told["id"])


def test_a_dry_run_sends_nothing(shell: Shell) -> None:
    shell.file("a.txt", "1\n")
    before = shell.json("list")
    plan = shell.json("run", "tally", "--text", "a.txt", "--output", "out", "--dry-run")
    assert plan["inputs"] == [{"role": "text", "path": "a.txt", "size": 2}]
    assert plan["parameters"] == {"times": 1, "seconds": 0, "order": "name", "header": True}
    shown = shell("run", "tally", "--text", "a.txt", "--output", "out", "--dry-run")
    assert "Nothing sent" in shown.stderr
    assert shell.json("list") == before
    assert not (shell.folder / "out").exists()


def test_a_canceled_workload_ends_with_its_own_exit_code(shell: Shell) -> None:
    shell.file("a.txt", "1\n")
    process = shell.start("run", "tally", "--text", "a.txt", "--param", "seconds=60", "--output", "out", "--json")
    workload = _id_of(process.stderr)
    shell.ok("cancel", workload)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert json.loads(out)["state"] == "CANCELED"
    shell.ok("ack", workload)


def _id_of(lines: object) -> str:
    for line in lines:  # type: ignore[attr-defined]
        if "  Workload " in line:
            return str(line.split("  Workload ")[1][:IDS])
    raise AssertionError("no workload was named")
