"""Snakemake with our executor, and a server that runs each process at once, without sandbox, in a thread.

The engines' API is spoken for real, over a unix socket; the faults (a restart, a lost output) can only be made here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
