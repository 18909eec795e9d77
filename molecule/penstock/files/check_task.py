#!/usr/bin/python3
"""check_task.py SOCKET TOKEN start|finish|refused: a task that goes on while server and agent are killed."""

import http.client
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

SOCKET, TOKEN, ACTION = sys.argv[1:]
STATE = Path("/tmp/task")  # noqa: S108 - the host is thrown away
TASKS = "/ga4gh/tes/v1/tasks"


class Connection(http.client.HTTPConnection):
    """To the server's socket."""

    def connect(self) -> None:
        """By its path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and document of an answer."""
    connection = Connection("penstock", timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


def wait_for(task: str, *states: str) -> Any:
    """The whole task once it is in one of these states."""
    deadline = time.monotonic() + 60
    while True:
        _, found = ask("GET", f"{TASKS}/{task}?view=FULL")
        if found["state"] in states:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def start() -> None:
    """Create it, and return when it runs."""
    command = ["sh", "-c", "echo begun; sleep 4; echo done"]
    executor = {"image": "penstock/tools:1", "command": command}
    resources = {"backend_parameters": {"tags": '{"where": "here"}'}}
    status, made = ask("POST", TASKS, {"executors": [executor], "resources": resources})
    assert status == 200, made
    STATE.write_text(made["id"])
    wait_for(made["id"], "RUNNING")


def finish() -> None:
    """It has run once, to its end."""
    task = wait_for(STATE.read_text(), "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR")
    assert task["state"] == "COMPLETE", task
    assert len(task["logs"]) == 1, task["logs"]
    assert task["logs"][0]["logs"][0]["stdout"] == "begun\ndone\n", task["logs"]


def refused() -> None:
    """Nobody gets in without a token that is valid."""
    assert ask("GET", TASKS)[0] == 401


if __name__ == "__main__":
    {"start": start, "finish": finish, "refused": refused}[ACTION]()
