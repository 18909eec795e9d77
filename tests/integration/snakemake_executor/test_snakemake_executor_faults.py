"""What happens when a process, the server or the head itself fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.snakemake_executor.engine import CHAIN, CHECKPOINT, Engine

FAILING = """
    rule all:
        input: "good.txt", "bad.txt"
    rule bad:
        output: "bad.txt"
        log: "logs/bad.log"
        shell: "echo started > {log}; echo error: r1.fq is truncated >&2; exit 3"
    rule good:
        output: "good.txt"
        shell: "echo good > {output}"
"""


def test_a_failure_is_told_with_rule_reason_and_the_end_of_stderr(engine: Engine) -> None:
    code, stderr = engine.run(FAILING)
    assert code == 1
    assert "Process bad failed: Executor 0 ended with exit code 3.\n    error: r1.fq is truncated\n" in stderr


def test_a_failure_whose_stderr_is_empty_is_told_with_the_end_of_its_log(engine: Engine) -> None:
    code, stderr = engine.run("""
        rule bad:
            output: "bad.txt"
            log: "logs/bad.log"
            shell: "echo out of luck > {log}; exit 1"
    """)
    assert code == 1
    assert "    out of luck\n" in stderr


def test_after_a_failure_the_processes_that_nobody_needs_are_canceled(engine: Engine) -> None:
    engine.queue.hold.add("good")
    code, stderr = engine.run(FAILING)
    assert code == 1
    states = {task["name"]: task["state"] for task in engine.queue.tasks.values()}
    assert states == {"bad": "EXECUTOR_ERROR", "good": "CANCELED"}
    assert "Process good failed" not in stderr


def test_a_rule_with_retries_is_submitted_again_under_a_key_of_its_own(engine: Engine) -> None:
    code, stderr = engine.run("""
        rule flaky:
            output: "flaky.txt"
            retries: 1
            shell: "test -e ../second || {{ touch ../second; exit 1; }}; echo done > {output}"
    """)
    assert code == 0, stderr
    assert engine.queue.runs == ["flaky", "flaky"]
    assert len({task["key"] for task in engine.queue.tasks.values()}) == 2


def test_a_server_that_is_restarted_is_waited_for(engine: Engine) -> None:
    engine.queue.hold.add("join")
    head = engine.start(CHAIN)
    with engine.queue.changed:
        assert engine.queue.changed.wait_for(lambda: len(engine.queue.tasks) == 4, timeout=30)
    engine.stop()
    engine.serve()
    engine.queue.hold.clear()
    engine.queue.run(next(id_ for id_, task in engine.queue.tasks.items() if task["name"] == "join"))
    _, stderr = head.communicate(timeout=60)
    assert head.returncode == 0, stderr
    assert sorted(engine.queue.runs) == ["join", "part[n=1]", "part[n=2]", "part[n=3]"]


def test_a_server_that_is_draining_is_asked_again(engine: Engine) -> None:
    engine.refuse.extend([503, 429])
    code, stderr = engine.run(CHAIN)
    assert code == 0, stderr


def test_a_refusal_ends_the_run_and_says_what_the_server_said(engine: Engine) -> None:
    engine.refuse.append(409)
    code, stderr = engine.run(CHAIN)
    assert code == 1
    assert "refused POST /api/v1/tasks:batch with 409: not now" in stderr


def test_a_second_head_goes_on_with_the_processes_of_the_first(engine: Engine) -> None:
    engine.queue.hold.add("join")
    head = engine.start(CHAIN)
    with engine.queue.changed:
        assert engine.queue.changed.wait_for(lambda: len(engine.queue.tasks) == 4, timeout=30)
    head.kill()
    head.communicate()
    engine.queue.hold.clear()
    second = engine.start(CHAIN)
    with engine.queue.changed:
        assert engine.queue.changed.wait_for(lambda: len(engine.queue.batches) == 3, timeout=30)
    engine.queue.run(next(id_ for id_, task in engine.queue.tasks.items() if task["name"] == "join"))
    _, stderr = second.communicate(timeout=60)
    assert second.returncode == 0, stderr
    assert len(engine.queue.tasks) == 4
    assert engine.queue.runs.count("join") == 1


def test_a_second_head_goes_on_after_a_checkpoint_and_temporary_files(engine: Engine) -> None:
    last = (
        CHECKPOINT.replace('"joined.txt"', '"joined.txt", "last.txt"', 1)
        + """
        rule last:
            input: "joined.txt"
            output: "last.txt"
            shell: "cp {input} {output}"
    """.replace("\n        ", "\n    ")
    )
    engine.queue.hold.add("last")
    head = engine.start(last)
    with engine.queue.changed:
        assert engine.queue.changed.wait_for(lambda: len(engine.queue.tasks) == 5, timeout=30)
    head.kill()
    head.communicate()
    second = engine.start(last)
    with engine.queue.changed:
        assert engine.queue.changed.wait_for(lambda: len(engine.queue.batches) == 5, timeout=30)
    engine.queue.hold.clear()
    engine.queue.run(next(id_ for id_, task in engine.queue.tasks.items() if task["name"] == "last"))
    _, stderr = second.communicate(timeout=60)
    assert second.returncode == 0, stderr
    assert sorted(engine.queue.runs) == ["join", "last", "part[n=1]", "part[n=2]", "split"]


def test_a_process_whose_output_was_lost_runs_again(engine: Engine) -> None:
    assert engine.run(CHAIN)[0] == 0
    (engine.root / "work" / "joined.txt").unlink()
    code, stderr = engine.run(CHAIN)
    assert code == 0, stderr
    assert engine.queue.runs.count("join") == 2
    assert engine.read("joined.txt") == "hello 1\nhello 2\nhello 3\n"


def test_without_a_server_the_executor_says_what_is_missing(engine: Engine) -> None:
    (engine.root / "pipeline" / "Snakefile").write_text("rule one:\n    output: 'one'\n    shell: 'touch {output}'\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(engine.root)}
    done = subprocess.run(engine.command(), cwd=engine.root / "work", env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Neither PENSTOCK_URL nor PENSTOCK_SOCKET is set" in done.stderr
