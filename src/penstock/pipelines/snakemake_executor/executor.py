"""The executor itself: submits what Snakemake finds ready, and tells it at once what has ended."""

# No "from __future__ import annotations": Snakemake calls the type of each field of ExecutorSettings.

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecMode, ExecutorSettingsBase

from penstock.errors import PenstockError
from penstock.pipelines.snakemake_executor.connection import Address, Connection
from penstock.pipelines.snakemake_executor.jobs import Run, is_last_try, needs_snakemake, process_of
from penstock.pipelines.snakemake_executor.process import Process, key_of, task_of

BATCH = 200
WAIT_S = 30.0
COMPLETE = "COMPLETE"
FINAL = frozenset({COMPLETE, "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"})
SHOWN_LINES = 30


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]  # Snakemake's interface has no types
    """Options of the command line, with the prefix ``--penstock-``."""

    image: str = field(
        default="penstock/tools:1", metadata={"help": "Image of the processes whose rule names no container."}
    )


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)


@dataclass
class _Submission:
    info: SubmittedJobInfo
    process: Process


class Executor(RealExecutor):  # type: ignore[misc]  # as above
    """Runs each job as a process of the workload that this Snakemake is the head of."""

    def __post_init__(self) -> None:
        """Called by the base class at the end of its constructor."""
        address = Address.from_environment()
        self._submitting = Connection(address)
        self._watching = Connection(address)
        self._workload = os.environ.get("PENSTOCK_WORKLOAD", "")
        self._lock = threading.Lock()
        self._active: dict[str, _Submission] = {}
        self._ended: dict[str, dict[str, Any]] = {}  # of tasks whose create has not been answered yet
        self._closing = threading.Event()
        self._some_active = threading.Event()
        self._failed = False
        threading.Thread(target=self._watch, name="penstock-watch", daemon=True).start()

    @property
    def cores(self) -> str:
        """A nested Snakemake may use what its process has."""
        return "all"

    def get_exec_mode(self) -> ExecMode:
        """The mode of a nested Snakemake."""
        return ExecMode.REMOTE

    def get_python_executable(self) -> str:
        """The Python that sandboxes see at the same path."""
        return sys.executable

    def run_job(self, job: Any) -> None:  # noqa: ANN401 - Snakemake's job
        """Submit one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: Sequence[Any]) -> None:
        """Submit all that is ready, in as few calls as may be."""
        run = self._run()
        waiting = []
        for job in jobs:
            self.run_job_pre(job)
            nested = self.format_job_exec(job) if needs_snakemake(job) else None
            waiting.append(_Submission(SubmittedJobInfo(job), process_of(job, run, nested)))
        for start in range(0, len(waiting), BATCH):
            self._submit(waiting[start : start + BATCH])

    def shutdown(self) -> None:
        """Stop watching. The thread may be in a long-poll: it is a daemon and is not waited for."""
        self._closing.set()
        self._some_active.set()

    def cancel(self) -> None:
        """Cancel what runs, then stop: the user pressed Ctrl-C, or Snakemake itself failed."""
        self._cancel_active()
        self.shutdown()

    def _run(self) -> Run:
        sources = [str(Path(self.workflow.main_snakefile).parent), *map(str, self.workflow.overwrite_configfiles)]
        settings = self.workflow.executor_settings
        cache = str(self.workflow.sourcecache.runtime_cache_path)
        return Run(str(Path.cwd()), settings.image, tuple(sources), self.envvars(), cache)

    def _submit(self, submissions: list[_Submission]) -> None:
        for repeat in count():
            keys = [key_of(each.process, self._workload) + (f".{repeat}" if repeat else "") for each in submissions]
            answers = self._created(submissions, keys)
            again = []
            for submission, answer in zip(submissions, answers, strict=True):
                if answer["state"] == COMPLETE and submission.process.missing_outputs():
                    again.append(submission)  # done by an earlier head attempt, and lost since
                else:
                    self._submitted(submission, answer)
            if not again:
                return
            submissions = again

    def _created(self, submissions: list[_Submission], keys: list[str]) -> list[dict[str, Any]]:
        tasks = [
            {"key": key, "task": task_of(submission.process)} for key, submission in zip(keys, submissions, strict=True)
        ]
        try:
            answer = self._submitting.call("POST", "/api/v1/tasks:batch", {"total": self._total(), "tasks": tasks})
        except PenstockError as error:
            raise WorkflowError(str(error)) from error
        by_key = {task["key"]: task for task in answer["tasks"]}
        return [by_key[key] for key in keys]

    def _total(self) -> int:
        """How many processes the workload will have had at its end, those of earlier head attempts included."""
        return sum(1 for job in self.dag.jobs if not job.is_local)

    def _submitted(self, submission: _Submission, answer: dict[str, Any]) -> None:
        submission.info.external_jobid = answer["id"]
        self.report_job_submission(submission.info, register_job=False)
        with self._lock:
            ended = self._ended.pop(answer["id"], None)
            if ended is None and answer["state"] not in FINAL:
                self._active[answer["id"]] = submission
                self._some_active.set()
                return
        self._report(submission, ended or answer)

    def _watch(self) -> None:
        sequence = 0
        try:
            while self._some_active.wait() and not self._closing.is_set():
                path = f"/api/v1/tasks?parent={self._workload}&after={sequence}&wait={WAIT_S:.0f}"
                answer = self._watching.call("GET", path, waits_s=WAIT_S)
                sequence = answer["sequence"]
                self._take(change for change in answer["tasks"] if change["state"] in FINAL)
        except PenstockError as error:
            if not self._closing.is_set():
                self.workflow.scheduler.executor_error_callback(WorkflowError(str(error)))

    def _take(self, changes: Iterable[dict[str, Any]]) -> None:
        for change in changes:
            with self._lock:
                submission = self._active.pop(change["id"], None)
                if submission is None:
                    self._ended[change["id"]] = change
                elif not self._active:
                    self._some_active.clear()
            if submission is not None:
                self._report(submission, change)

    def _report(self, submission: _Submission, change: dict[str, Any]) -> None:
        if change["state"] == COMPLETE:
            self.report_job_success(submission.info)
            return
        if not (self._failed and change["state"] == "CANCELED"):  # those were canceled because of the first failure
            _tell(submission.process, change)
        if is_last_try(submission.info.job) and not self.workflow.execution_settings.keep_going:
            self._failed = True
            self._cancel_active()
        self.workflow.scheduler.error_callback(submission.info.job)

    def _cancel_active(self) -> None:
        """Nobody needs the others any more, and Snakemake waits for all before it ends."""
        with self._lock:
            ids = list(self._active)
        connection = Connection(Address.from_environment(), patience_s=10)
        for task in ids:
            try:
                connection.call("POST", f"/ga4gh/tes/v1/tasks/{task}:cancel", {})
            except PenstockError as error:
                sys.stderr.write(f"Cannot cancel task {task}: {error}\n")
        connection.close()


def _tell(process: Process, change: dict[str, Any]) -> None:
    """What a person needs to see of a failure, in one piece on stderr."""
    reason = change.get("reason") or change["state"]
    tail = (change.get("stderr") or "").strip() or _end_of(process.logs)
    shown = "".join(f"    {line}\n" for line in tail.splitlines()[-SHOWN_LINES:])
    sys.stderr.write(f"Process {process.name} failed: {reason}\n{shown}")
    sys.stderr.flush()


def _end_of(logs: Sequence[str]) -> str:
    for path in logs:
        try:
            text = Path(path).read_text(errors="replace").strip()
        except OSError:
            continue
        if text:
            return text[-16_384:]
    return ""
