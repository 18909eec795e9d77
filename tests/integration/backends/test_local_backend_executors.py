"""What executors get and what is recorded of them."""

from __future__ import annotations

import time

import pytest
from tests.integration.backends.conftest import Bench

from penstock.tasks.models import Outcome


async def test_a_command_that_succeeds_completes_the_task(bench: Bench) -> None:
    report = await bench.run("echo hello; echo complaint >&2")
    [log] = report.log.executors
    assert report.outcome is Outcome.COMPLETE
    assert (report.reason, log.exit_code, log.stdout, log.stderr) == ("", 0, "hello\n", "complaint\n")
    assert log.start_us <= (log.end_us or 0) <= report.at_us


async def test_started_is_told_once_and_before_finished(bench: Bench) -> None:
    work = bench.work("true")
    await bench.backend.start(work)
    await bench.until("finished", work)
    assert [(told.attempt, told.event) for told in bench.told] == [(work.attempt, "started")]


async def test_executors_run_in_order_and_stop_at_the_first_failure(bench: Bench) -> None:
    report = await bench.run("echo 1 >>/tmp/log", "cat /tmp/log; exit 3", "echo never")
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert [log.exit_code for log in report.log.executors] == [0, 3]
    assert report.log.executors[1].stdout == "1\n"
    assert report.reason == "Executor 2 ended with exit code 3."


async def test_an_ignored_error_does_not_stop_the_task(bench: Bench) -> None:
    work = bench.work("exit 3", "echo on")
    work.spec.executors[0].ignore_error = True
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.COMPLETE
    assert [log.exit_code for log in report.log.executors] == [3, 0]


async def test_a_command_that_does_not_exist_leaves_one_log_with_127(bench: Bench) -> None:
    report = await bench.run(["no-such-program", "x"], "echo never")
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert [log.exit_code for log in report.log.executors] == [127]
    assert "'no-such-program' was not found" in report.reason


async def test_a_file_that_cannot_be_executed_leaves_one_log_with_126(bench: Bench) -> None:
    inputs = [{"path": "/data/script", "content": "#!/bin/sh\n"}]
    report = await bench.run(["/data/script"], inputs=inputs)
    assert [log.exit_code for log in report.log.executors] == [126]
    assert "cannot be executed" in report.reason


async def test_a_command_is_never_seen_by_a_shell(bench: Bench) -> None:
    report = await bench.run(["printf", "%s|", "$HOME", "a b", "*", "`id`", "a=b", "-x", "new\nline", "é"])
    assert report.log.executors[0].stdout == "$HOME|a b|*|`id`|a=b|-x|new\nline|é|"


async def test_a_first_word_with_an_equals_sign_is_a_program(bench: Bench) -> None:
    report = await bench.run(["a=b"])
    assert [log.exit_code for log in report.log.executors] == [127]


async def test_a_signal_shows_as_128_and_its_number(bench: Bench) -> None:
    report = await bench.run("kill -TERM $$")
    assert report.log.executors[0].exit_code == 143


async def test_the_environment_is_the_tasks_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTS_SECRET", "x")
    report = await bench.run(["env"], executor={"env": {"GREETING": "a=b 'c'\nd", "LANG": "C"}})
    lines = report.log.executors[0].stdout
    assert "AGENTS_SECRET" not in lines
    assert "GREETING=a=b 'c'\nd\n" in lines
    assert "LANG=C\n" in lines
    assert "HOME=/tmp\n" in lines


async def test_the_working_directory_is_made(bench: Bench) -> None:
    report = await bench.run("pwd; touch x", executor={"workdir": "/some/new/place"})
    assert report.log.executors[0].stdout == "/some/new/place\n"


async def test_standard_streams_are_files_of_the_sandbox(bench: Bench) -> None:
    executor = {"stdin": "/in/text", "stdout": "/logs/out", "stderr": "/logs/err"}
    report = await bench.run(
        "cat; echo bad >&2",
        executor=executor,
        inputs=[{"path": "/in/text", "content": "from a file\n"}],
        outputs=[{"path": f"/logs/{n}", "url": f"file:///workspace/o/{n}"} for n in ("out", "err")],
    )
    assert report.outcome is Outcome.COMPLETE
    assert bench.published(report) == {
        "file:///workspace/o/out": "from a file\n",
        "file:///workspace/o/err": "bad\n",
    }
    assert report.log.executors[0].stdout == "from a file\n"


async def test_stdin_may_be_what_an_earlier_executor_wrote(bench: Bench) -> None:
    work = bench.work("echo text >/tmp/made", ["cat"])
    work.spec.executors[1].stdin = "/tmp/made"
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.log.executors[1].stdout == "text\n"


async def test_both_streams_may_go_to_one_file(bench: Bench) -> None:
    report = await bench.run("echo a; echo b >&2", executor={"stdout": "/both", "stderr": "/both"})
    assert report.log.executors[0].stdout == "a\nb\n"


async def test_a_missing_stdin_is_named(bench: Bench) -> None:
    report = await bench.run("cat", executor={"stdin": "/no/such"})
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "stdin /no/such" in report.reason
    assert report.log.executors == []


async def test_the_last_64_kib_of_a_long_stream_are_kept(bench: Bench) -> None:
    report = await bench.run(
        "i=0; while [ $i -lt 40 ]; do head -c 10000 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo END"
    )
    kept = report.log.executors[0].stdout
    assert 64 * 1024 <= len(kept) <= 128 * 1024
    assert kept.endswith("xEND\n")


async def test_the_last_64_kib_of_a_file_are_kept(bench: Bench) -> None:
    report = await bench.run("head -c 400000 /dev/zero | tr '\\0' x; echo END", executor={"stdout": "/tmp/o"})
    kept = report.log.executors[0].stdout
    assert 64 * 1024 <= len(kept) <= 128 * 1024
    assert kept.endswith("xEND\n")


async def test_bytes_that_are_no_text_do_not_harm(bench: Bench) -> None:
    report = await bench.run(r"printf '\377\376ok'")
    assert report.log.executors[0].stdout == "\ufffd\ufffdok"


async def test_processor_time_and_memory_of_the_whole_tree_are_recorded(bench: Bench) -> None:
    burn = "import os,time\nx=bytearray(150_000_000)\nwhile time.process_time()<0.4: pass"
    report = await bench.run(f"python3 -c '{burn}' & wait")
    [log] = report.log.executors
    assert 0.4 <= log.cpu_s < 5
    assert 150_000_000 <= log.peak_bytes < 400_000_000


async def test_executors_share_volumes(bench: Bench) -> None:
    report = await bench.run("echo shared >/vol/a/x", "cat /vol/a/x", volumes=["/vol/a"])
    assert report.log.executors[1].stdout == "shared\n"


async def test_a_memory_volume_of_one_executor_is_memory(bench: Bench) -> None:
    report = await bench.run("stat -f -c %T /fast; touch /fast/x", terms={"memory_volumes": ["/fast"]})
    assert report.outcome is Outcome.COMPLETE
    assert report.log.executors[0].stdout == "tmpfs\n"


async def test_a_memory_volume_of_several_executors_is_shared_on_disk(bench: Bench) -> None:
    report = await bench.run("echo x >/fast/x", "cat /fast/x", terms={"memory_volumes": ["/fast"]})
    assert report.log.executors[1].stdout == "x\n"
    assert "warning: the memory volume /fast lies on disk." in report.log.system_logs


async def test_the_time_limit_ends_the_task_and_is_named(bench: Bench) -> None:
    before = time.monotonic()
    report = await bench.run("echo begun; sleep 100", "echo never", terms={"time_limit_s": 1})
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert report.reason == "Executor 1 was ended after 1 s: time_limit_s is 1."
    assert [(log.exit_code, log.stdout) for log in report.log.executors] == [(137, "begun\n")]
    assert time.monotonic() - before < 30


async def test_the_time_limit_ends_background_processes_that_hold_the_output_open(bench: Bench) -> None:
    report = await bench.run("setsid sh -c 'sleep 1000' & sleep 1000", terms={"time_limit_s": 1})
    assert "time_limit_s is 1" in report.reason


async def test_a_task_killed_above_its_memory_is_told_so(bench: Bench) -> None:
    report = await bench.run(
        "python3 -c 'x=bytearray(200_000_000); import os,signal; os.kill(os.getpid(), signal.SIGKILL)'; exit 137",
        terms={"ram_gb": 0.1},
    )
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert report.reason.startswith("out of memory: executor 1 was killed when it used 0.2")
    assert report.reason.endswith("ram_gb is 0.1.")


async def test_background_processes_do_not_hold_the_task_up(bench: Bench) -> None:
    before = time.monotonic()
    report = await bench.run("sleep 1000 & echo done")
    assert report.outcome is Outcome.COMPLETE
    assert report.log.executors[0].stdout == "done\n"
    assert time.monotonic() - before < 30


async def test_the_versions_of_the_tools_are_recorded(bench: Bench) -> None:
    report = await bench.run("true")
    [line] = [line for line in report.log.system_logs if line.startswith("tools: ")]
    assert "samtools 1." in line
    assert "bwa 0.7" in line
    assert "unknown" not in line


async def test_another_image_runs_with_a_warning(bench: Bench) -> None:
    report = await bench.run("true", executor={"image": "ubuntu:24.04"})
    assert report.outcome is Outcome.COMPLETE
    assert any("'ubuntu:24.04' was not used" in line for line in report.log.system_logs)
