"""Snakemake with our executor, against a server that runs each process at once, without sandbox, in a thread.

The engines' API is spoken for real, over a unix socket; the faults (a restart, a lost output) can only be made here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.pipelines.engines import SOURCE_CACHE, snakemake_command

WORKLOAD = "01jd0000000000000000000000"
FINAL = ("COMPLETE", "EXECUTOR_ERROR", "CANCELED")


class Queue:
    """The tasks of one workload, and what was asked of them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.specs: dict[str, dict[str, Any]] = {}
        self.batches: list[dict[str, Any]] = []
        self.runs: list[str] = []
        self.hold: set[str] = set()
        self.sequence = 0

    def create(self, batch: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            self.batches.append(batch)
            self.changed.notify_all()
            return {"tasks": [self._create(entry) for entry in batch["tasks"]]}

    def _create(self, entry: dict[str, Any]) -> dict[str, Any]:
        for task in self.tasks.values():
            if task["key"] == entry["key"]:
                return {**task, "created": False}
        task = {"id": f"task-{len(self.tasks)}", "key": entry["key"], "name": entry["task"]["name"], "exit_code": None}
        self.tasks[task["id"]], self.specs[task["id"]] = task, entry["task"]
        self.set(task["id"], "QUEUED")
        threading.Thread(target=self.run, args=(task["id"],)).start()
        return {**task, "created": True}

    def set(self, task: str, state: str, **facts: Any) -> None:
        with self.changed:
            if self.tasks[task].get("state") in FINAL:
                return
            self.sequence += 1
            self.tasks[task].update(state=state, sequence=self.sequence, **facts)
            self.changed.notify_all()

    def run(self, task: str) -> None:
        spec = self.specs[task]
        if spec["tags"]["rule"] in self.hold:
            return
        self.runs.append(spec["name"])
        self.set(task, "RUNNING")
        executor = spec["executors"][0]
        command = executor["command"]
        for entry in spec["inputs"]:
            if "content" in entry:
                Path(entry["path"]).parent.mkdir(parents=True, exist_ok=True)
                Path(entry["path"]).write_text(entry["content"])
        environment = {**os.environ, **executor["env"]}
        done = subprocess.run(command, cwd=executor["workdir"], env=environment, capture_output=True, text=True)
        state = "EXECUTOR_ERROR" if done.returncode else "COMPLETE"
        reason = f"Executor 0 ended with exit code {done.returncode}." if done.returncode else ""
        self.set(task, state, exit_code=done.returncode, stderr=done.stderr, reason=reason)

    def changes(self, after: int, wait: float) -> dict[str, Any]:
        with self.changed:
            self.changed.wait_for(lambda: self.sequence > after, timeout=min(wait, 5))
            changed = [task for task in self.tasks.values() if task["sequence"] > after]
            return {"tasks": sorted(changed, key=lambda task: task["sequence"]), "sequence": self.sequence}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    queue: Queue
    refuse: list[int]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.refuse:
            return self._answer({"detail": "not now"}, self.refuse.pop())
        if self.path.endswith(":cancel"):
            self.queue.set(self.path.rsplit("/", 1)[1].removesuffix(":cancel"), "CANCELED")
            return self._answer({})
        return self._answer(self.queue.create(body))

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        assert asked["parent"] == WORKLOAD
        self._answer(self.queue.changes(int(asked["after"]), float(asked["wait"])))

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class SocketServer(ThreadingHTTPServer):
    address_family = 1  # AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def handle_error(self, *_: Any) -> None:
        """An engine that has ended leaves its long-poll behind."""


class Engine:
    """One workload's folder, and Snakemake as a head task starts it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.queue = Queue()
        self.refuse: list[int] = []
        for folder in ("work", "pipeline", "inputs"):
            (root / folder).mkdir()
        (root / "token").write_text("secret\n")
        (root / "work" / "config.json").write_text('{"parameters": {"word": "hello"}}')
        self.serve()

    def serve(self) -> None:
        (self.root / "api.sock").unlink(missing_ok=True)
        handler = type("Bound", (Handler,), {"queue": self.queue, "refuse": self.refuse})
        self.server = SocketServer(str(self.root / "api.sock"), handler)  # type: ignore[arg-type]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        (self.root / "api.sock").unlink()

    def start(self, snakefile: str) -> subprocess.Popen[str]:
        (self.root / "pipeline" / "Snakefile").write_text(dedent(snakefile))
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "PENSTOCK_SOCKET": str(self.root / "api.sock"),
            "PENSTOCK_TOKEN_FILE": str(self.root / "token"),
            "PENSTOCK_WORKLOAD": WORKLOAD,
        }
        return subprocess.Popen(
            self.command(),
            cwd=self.root / "work",
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self) -> list[str]:
        """As in a sandbox, whose /tmp is each attempt's own."""
        own = tempfile.mkdtemp(dir=self.root)
        return [own if word == SOURCE_CACHE else word for word in snakemake_command(str(self.root))]

    def run(self, snakefile: str) -> tuple[int, str]:
        process = self.start(snakefile)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def read(self, name: str) -> str:
        return (self.root / "work" / name).read_text()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    made.stop()


CHAIN = """
    rule all:
        input: "joined.txt"
    rule part:
        output: "parts/{n}.txt"
        shell: "echo {config[parameters][word]} {wildcards.n} > {output}"
    rule join:
        input: expand("parts/{n}.txt", n=[1, 2, 3])
        output: "joined.txt"
        shell: "cat {input} > {output}"
"""


def test_every_job_runs_as_a_process_of_its_own(engine: Engine) -> None:
    code, stderr = engine.run(CHAIN)
    assert code == 0, stderr
    assert engine.read("joined.txt") == "hello 1\nhello 2\nhello 3\n"
    assert sorted(engine.queue.runs) == ["join", "part[n=1]", "part[n=2]", "part[n=3]"]


def test_a_script_rule_runs_under_a_snakemake_of_its_own(engine: Engine) -> None:
    (engine.root / "pipeline" / "count.py").write_text(
        dedent("""
            from pathlib import Path
            Path(snakemake.output[0]).write_text(str(len(Path(snakemake.input[0]).read_text())))
        """)
    )
    code, stderr = engine.run("""
        rule all:
            input: "length.txt", "run.txt"
        rule text:
            output: "text.txt"
            shell: "printf abc > {output}"
        rule length:
            input: "text.txt"
            output: "length.txt"
            script: "count.py"
        rule python:
            input: "text.txt"
            output: "run.txt"
            run:
                with open(output[0], "w") as file:
                    file.write(config["parameters"]["word"])
    """)
    assert code == 0, stderr
    assert engine.read("length.txt") == "3"
    assert engine.read("run.txt") == "hello"
    assert sorted(engine.queue.runs) == ["length", "python", "text"]


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


def test_the_command_runs_under_the_shell_settings_of_snakemake(engine: Engine) -> None:
    code, stderr = engine.run("""
        shell.prefix("set -eo pipefail; export WORD=prefixed; ")
        rule piped:
            output: "word.txt"
            shell: "echo $WORD | cat > {output}"
    """)
    assert code == 0, stderr
    assert engine.read("word.txt") == "prefixed\n"
    code, _ = engine.run("""
        rule piped:
            output: "other.txt"
            shell: "false | cat > {output}"
    """)
    assert code == 1


def test_directories_logs_and_nested_folders_are_declared_and_made(engine: Engine) -> None:
    (engine.root / "inputs" / "reads").mkdir()
    (engine.root / "inputs" / "reads" / "a.txt").write_text("a")
    code, stderr = engine.run(f"""
        rule all:
            input: "deep/down/all.txt"
        rule parts:
            input: "{engine.root}/inputs/reads/a.txt"
            output: directory("parts")
            log: "logs/parts/parts.log"
            shell: "mkdir {{output}}; cp {{input}} {{output}}/1; cp {{input}} {{output}}/2; echo made > {{log}}"
        rule join:
            input: "parts"
            output: "deep/down/all.txt"
            shell: "cat {{input}}/* > {{output}}"
    """)
    assert code == 0, stderr
    assert engine.read("deep/down/all.txt") == "aa"
    work = engine.root / "work"
    parts, join = engine.queue.specs.values()
    assert parts["inputs"] == [_file(engine.root / "inputs" / "reads" / "a.txt")]
    assert parts["outputs"] == [_file(work / "parts", "DIRECTORY"), _file(work / "logs" / "parts" / "parts.log")]
    assert join["inputs"] == [_file(work / "parts", "DIRECTORY")]


def test_a_command_longer_than_an_argument_may_be_is_sent_as_a_file(engine: Engine, tmp_path: Path) -> None:
    code, stderr = engine.run("""
        rule long:
            output: "long.txt"
            params: words=" ".join(["word"] * 40_000)
            shell: "echo {params.words} | wc -w > {output}"
    """)
    assert code == 0, stderr
    assert engine.read("long.txt").strip() == "40000"
    (spec,) = engine.queue.specs.values()
    assert spec["executors"][0]["command"][1] == spec["inputs"][-1]["path"]


def test_resources_become_those_of_the_task(engine: Engine) -> None:
    code, stderr = engine.run("""
        rule sized:
            output: "sized.txt"
            threads: 3
            resources: mem_mb=1500, disk_mb=250, runtime=10
            shell: "echo $OMP_NUM_THREADS > {output}"
    """)
    assert code == 0, stderr
    (spec,) = engine.queue.specs.values()
    limit = {"time_limit_s": "600"}
    assert spec["resources"] == {"cpu_cores": 3, "ram_gb": 1.5, "disk_gb": 0.25, "backend_parameters": limit}
    assert engine.read("sized.txt") == "3\n"


def test_all_that_is_ready_goes_in_one_call_with_the_number_of_processes_in_all(engine: Engine) -> None:
    engine.run(CHAIN)
    assert [(batch["total"], len(batch["tasks"])) for batch in engine.queue.batches] == [(4, 3), (4, 1)]


CHECKPOINT = """
    def parts(_):
        folder = checkpoints.split.get().output[0]
        return [f"{folder}/{n}" for n in glob_wildcards(folder + "/{n,[0-9]+}").n]
    rule all:
        input: "joined.txt"
    checkpoint split:
        output: directory("split")
        shell: "mkdir {output}; touch {output}/1 {output}/2"
    rule part:
        input: "split/{n}"
        output: temp("done/{n}")
        shell: "cp {input} {output}"
    rule join:
        input: lambda w: [part.replace("split", "done") for part in parts(w)]
        output: "joined.txt"
        shell: "ls {input} > {output}"
"""


def test_a_checkpoint_raises_the_number_of_processes(engine: Engine) -> None:
    code, stderr = engine.run(CHECKPOINT)
    assert code == 0, stderr
    assert [batch["total"] for batch in engine.queue.batches] == [2, 4, 4]


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


def _file(path: Path, kind: str = "FILE") -> dict[str, str]:
    return {"url": f"file://{path}", "path": str(path), "type": kind}
