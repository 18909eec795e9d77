"""An attempt's files before and after its pod: in the workspace that agent and pods mount, or with the pod itself."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from penstock.agents.protocol import Work
from penstock.backends.attempt import folder
from penstock.backends.attempt.collect import collect
from penstock.backends.attempt.failure import Failure, lost
from penstock.backends.attempt.shape import ExecutorResult, OutputResult, Tree
from penstock.backends.attempt.stage import ROOT, Staged, stage
from penstock.backends.attempt.tails import FileTail
from penstock.backends.kubernetes.manifest import Mount, attempt_folder, join
from penstock.backends.kubernetes.plan import PodPlan
from penstock.backends.kubernetes.site import Site
from penstock.staging import storage
from penstock.staging.urls import below
from penstock.tasks.models import AttemptLog, ExecutorLog, Published

REPORT = "transfers.json"
BINDS = "binds.json"
TOLD = ".told"  # how the names of files end by which launchers tell of their executors
MARK = "site"  # the file that says whose attempt a directory is
_NEVER_WRITTEN_NS = 0  # the modification time of a file that was made only to be mounted


@dataclass(frozen=True)
class Found:
    """What an attempt left; ``problem`` is why an output cannot be published. ``tails`` by step: stdout, stderr."""

    outputs: list[OutputResult] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    problem: Failure | None = None
    tails: list[tuple[str, str]] = field(default_factory=list)

    def entry(self, executors: list[ExecutorResult], lines: list[str]) -> AttemptLog:
        """What the server keeps of it; ``lines`` are its system logs."""
        logs = [ExecutorLog.model_validate(one) for one in executors]
        for one, (stdout, stderr) in zip(logs, self.tails, strict=False):
            one.stdout, one.stderr = stdout, stderr
        outputs = [Published.model_validate(one) for one in self.outputs]
        return AttemptLog(executors=logs, outputs=outputs, system_logs=lines)


class Files(Protocol):
    """Blocking calls. Failure, InvalidInput and OSError say what cannot be."""

    def prepare(self, work: Work, plan: PodPlan) -> list[Mount]:
        """Make what the pod needs; what of it the executors see."""

    def remove(self, attempt: str) -> None:
        """Remove all of the attempt that lies outside of its pod."""

    def left(self) -> list[str]:
        """Attempts of this site of which something is there."""


class WorkspaceFiles:
    """At a site that mounts the workspace: the agent makes the tree and looks through it; nothing is copied."""

    def __init__(self, workspace: Path, site: Site) -> None:
        self._workspace = workspace.resolve()
        self._site = site

    def prepare(self, work: Work, plan: PodPlan) -> list[Mount]:
        """The attempt's directory with its tree; an earlier agent's unfinished one is made anew."""
        self.remove(work.attempt)
        path = folder.place(self._workspace, work.attempt)
        folder.make(path)
        (path / MARK).write_text(f"{self._site.deployment} {self._site.site}\n")
        (path / "run").mkdir()
        if plan.head:
            self._write_secrets(path / "secrets", work)
        if plan.transfers:
            (path / "plan.json").write_text(json.dumps({"transfers": plan.transfers}))
        if work.storage:
            folder.write_secret(path / storage.FILE, storage.dump(work.storage))
        mounts = self._stage(work.attempt, plan, path)
        _give(path, self._site.user)
        return mounts

    def found(self, attempt: str, plan: PodPlan, steps: int) -> Found:
        """What the executors left. Can be repeated."""
        path = folder.place(self._workspace, attempt)
        logs = _transfer_lines(path)
        if not (path / ROOT).is_dir():
            return Found(problem=lost("The attempt's directory is gone."), logs=logs)
        tails = read_tails(path / "run", steps)
        drop_unwritten(path, plan)
        staged = Staged(self._tree(plan), str(path))
        try:
            for where, host, writable in json.loads((path / BINDS).read_text()):
                staged.view.mount(where, f"{self._workspace}/{host}", writable=writable)
            collection = collect(staged.plan, staged.view, str(path))
        finally:
            staged.close()
        return Found(collection.outputs, [*logs, *collection.logs], collection.problem, tails)

    def tails(self, attempt: str, steps: int) -> list[tuple[str, str]]:
        """The ends of what the executors wrote so far."""
        return read_tails(self.run_folder(attempt), steps)

    def run_folder(self, attempt: str) -> Path:
        """Where launchers write."""
        return folder.place(self._workspace, attempt) / "run"

    def told(self, attempt: str, steps: int) -> list[str]:
        """What launchers have told of the first steps, as far as they have come."""
        texts = (_tail(self.run_folder(attempt) / f"{step}{TOLD}") for step in range(steps))
        return [*itertools.takewhile(bool, texts)]

    def remove(self, attempt: str) -> None:
        """Remove the attempt's directory."""
        folder.remove(folder.place(self._workspace, attempt))

    def left(self) -> list[str]:
        """Attempts whose directories this site's agents have made."""
        mine = f"{self._site.deployment} {self._site.site}\n"
        marks = (self._workspace / "tasks").glob(f"*/*/{MARK}")
        return [f"{mark.parts[-3]}-{mark.parts[-2]}" for mark in marks if _text(mark) == mine]

    def _tree(self, plan: PodPlan) -> Tree:
        return {**plan.tree, "workspace": str(self._workspace)}

    def _stage(self, attempt: str, plan: PodPlan, path: Path) -> list[Mount]:
        folders = [path / one["target"] for one in plan.transfers if one.get("type") == "DIRECTORY"]
        files = [path / one["target"] for one in plan.transfers if one.get("type") != "DIRECTORY"]
        for one in (*folders, *files):  # their content comes later, by the pod's transfer container
            one.parent.mkdir(exist_ok=True)
            one.mkdir() if one in folders else one.touch()
        staged = stage(self._tree(plan), str(path))
        try:
            make_points(path, plan)
            binds = [(one.path, os.path.relpath(one.host, self._workspace), one.writable) for one in staged.mounts]
        finally:
            staged.close()
        for one in folders:
            one.rmdir()
        for one in files:
            one.unlink()
        (path / BINDS).write_text(json.dumps(binds))
        within = [(where, join(self._site.claim_folder, host), writable) for where, host, writable in binds]
        return tree_mounts(plan, attempt_folder(attempt, self._site), "workspace", within)

    def _write_secrets(self, path: Path, work: Work) -> None:
        path.mkdir(0o700)
        folder.write_secret(path / "token", work.token)
        if self._site.ca:
            (path / "ca.pem").write_text(self._site.ca)


class PodFiles:
    """At a site that does not mount the workspace: everything lies in the pod and goes with it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def prepare(self, _work: Work, plan: PodPlan) -> list[Mount]:
        """Only what the pod's transfer container will make is mounted."""
        within = [(bind["path"], bind["source"], False) for bind in plan.tree["binds"]]
        return tree_mounts(plan, "", "attempt", within)

    def remove(self, attempt: str) -> None:
        """There is nothing."""

    def left(self) -> list[str]:
        """There is nothing."""
        return []


def tree_mounts(plan: PodPlan, own: str, volume: str, within: list[tuple[str, str, bool]]) -> list[Mount]:
    """The parts of the tree and what lies in it: path, folder of the volume, writable."""
    prefix = f"{own}/{ROOT}" if own else ROOT
    mounted = {path for path, _, _ in within}
    covered = [path for path, _, writable in within if writable]
    spread = [
        bind["path"]
        for bind in plan.tree["binds"]
        if bind["path"] not in mounted and any(below(path, bind["path"]) for path in mounted | {*plan.roots})
    ]
    roots = [root for root in dict.fromkeys([*plan.roots, *spread]) if root not in mounted]
    roots = [root for root in roots if not any(root != other and below(root, other) for other in roots)]
    roots = [root for root in roots if not any(below(root, path) for path in covered)]
    tree = [Mount(path, volume, f"{prefix}{path}", read_only=False) for path in [*roots, *plan.points]]
    return [*tree, *(Mount(path, volume, source, read_only=not writable) for path, source, writable in within)]


def make_points(path: Path, plan: PodPlan) -> None:
    """Files that must exist to be mounted; their age says later whether anybody has written to them."""
    for point in plan.points:
        file = Path(f"{path}/{ROOT}{point}")
        file.touch(0o640)
        os.utime(file, ns=(_NEVER_WRITTEN_NS, _NEVER_WRITTEN_NS))


def drop_unwritten(path: Path, plan: PodPlan) -> None:
    """Remove those of ``make_points`` that no executor has written."""
    for point in plan.points:
        file = Path(f"{path}/{ROOT}{point}")
        if file.exists() and file.stat().st_mtime_ns == _NEVER_WRITTEN_NS:
            file.unlink()


def read_tails(run: Path, steps: int) -> list[tuple[str, str]]:
    """The ends of the streams of the first steps."""
    return [(_tail(run / f"{step}.stdout"), _tail(run / f"{step}.stderr")) for step in range(steps)]


def _tail(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # it never got so far
        return ""
    try:
        return FileTail(descriptor).text()
    finally:
        os.close(descriptor)


def _transfer_lines(path: Path) -> list[str]:
    try:
        lines: list[str] = json.loads((path / REPORT).read_text())["lines"]
    except (OSError, ValueError, KeyError):
        return []
    return lines


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _give(path: Path, user: int) -> None:
    """Let the pod's user own the tree, where the agent may do that: as root. Else both are the same user."""
    if os.geteuid() != 0:
        return
    for one in (path, *path.rglob("*")):
        os.chown(one, user, user, follow_symlinks=False)
