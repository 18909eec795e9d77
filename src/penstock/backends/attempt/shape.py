"""What agent and runner write for each other as JSON. Read by the type checker and the agent; the runner skips it.

The attempt's directory, ``<workspace>/tasks/<task>/<number>/``:

    plan.json      what to do, written before the runner starts
    runner.lock    held (flock) as long as the runner lives; its first line is the runner's process id
    runner.log     what the runner itself complained about
    started        exists when the first executor has started; holds the time
    result.json    how it ended
    token          the attempt's own token, for head tasks
    storage.json   the owner's storage credentials that the inputs need, 0600; gone when they have come
    etc/           the sandbox's /etc
    inputs/<n>     inputs that were given by content or fetched
    outputs/<n>    outputs that could not be left where they lay
    root/          the sandbox's / (writable part)
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Bind(TypedDict):
    """Something from outside that appears in the sandbox.

    ``kind`` says how ``source`` is meant: a virtual path of the workspace; a path on this machine that must stay below
    ``within``; or a path in the attempt's directory.
    """

    path: str
    type: Literal["FILE", "DIRECTORY"]
    kind: Literal["workspace", "path", "own"]
    source: str
    within: str
    writable: bool
    label: str


class Transfer(TypedDict):
    """A remote URL to fetch into the attempt's directory before the first executor."""

    url: str
    target: str
    type: NotRequired[Literal["FILE", "DIRECTORY"]]


class Command(TypedDict):
    """One executor."""

    command: list[str]
    workdir: str | None
    stdin: str | None
    stdout: str | None
    stderr: str | None
    env: dict[str, str]
    ignore_error: bool


class Wanted(TypedDict):
    """One declared output."""

    url: str
    path: str
    prefix: str | None
    type: Literal["FILE", "DIRECTORY"]


class Point(TypedDict):
    """Something that must exist in ``etc/`` or ``root/`` for the sandbox to be put together."""

    path: str
    type: Literal["FILE", "DIRECTORY", "LINK"]
    content: NotRequired[str]


class Tree(TypedDict):
    """What ``stage`` puts together and ``collect`` looks through: a tree below ``root/`` and what is mounted in it."""

    attempt: str
    workspace: str
    etc: list[Point]
    skeleton: list[Point]
    system: list[str]
    folders: list[str]
    contents: dict[str, str]
    binds: list[Bind]
    executors: list[Command]
    outputs: list[Wanted]


class Plan(Tree):
    """All a local runner needs to know. ``sandbox`` is the command line that all executors share."""

    notify: str
    sandbox: list[str]
    transfers: list[Transfer]
    fetch: list[str]
    time_limit_s: int | None
    ram_bytes: int
    system_logs: list[str]


class ExecutorResult(TypedDict):
    """As ``penstock.tasks.models.ExecutorLog``."""

    start_us: int
    end_us: int
    exit_code: int
    stdout: str
    stderr: str
    cpu_s: float
    peak_bytes: int


class OutputResult(TypedDict):
    """As ``penstock.tasks.models.Published``."""

    source: str | None
    url: str
    path: str
    size_bytes: int
    type: str


class Log(TypedDict):
    """As ``penstock.tasks.models.AttemptLog``."""

    executors: list[ExecutorResult]
    outputs: list[OutputResult]
    system_logs: list[str]


class Result(TypedDict):
    """How an attempt ended; ``outcome`` as ``penstock.tasks.models.Outcome``."""

    outcome: str
    reason: str
    at_us: int
    log: Log
