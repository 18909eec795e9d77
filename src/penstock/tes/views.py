"""A stored task as TES shows it: pure functions (TES 1.1, tesTask and the ``view`` parameter)."""

from __future__ import annotations

import json

from penstock.clock import iso
from penstock.tasks.listing import Brief
from penstock.tasks.models import Attempt, ExecutorLog, FileType, Input, State, Task
from penstock.tes.models import TesExecutorLog, TesOutputFileLog, TesTask, TesTaskLog, View
from penstock.tes.parameters import BACKEND_PARAMETERS


def minimal(task: Brief) -> TesTask:
    """``task`` in the view MINIMAL."""
    return TesTask(id=task.id, state=task.state)


def view(task: Task, wanted: View) -> TesTask:
    """``task`` in the view BASIC or FULL."""
    full = wanted is View.FULL
    spec = task.spec.model_dump()
    spec["inputs"] = None if task.spec.inputs is None else [_input(one, full=full) for one in task.spec.inputs]
    if spec["resources"]:
        spec["resources"]["backend_parameters"] = _known_parameters(task)
    logs = _logs(task, full=full)
    return TesTask(id=task.id, state=task.state, creation_time=iso(task.created_us), logs=logs, **spec)


def _input(one: Input, *, full: bool) -> Input:
    kind = one.type or FileType.FILE
    return one.model_copy(update={"type": kind} if full else {"type": kind, "content": None})


def _known_parameters(task: Task) -> dict[str, str] | None:
    """Those that count, as text: TES 1.1 has them as a map of texts."""
    sent = task.spec.resources.backend_parameters if task.spec.resources else None
    if sent is None:
        return None
    known = {name: value for name, value in sent.items() if name.lower() in BACKEND_PARAMETERS}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()}


def _logs(task: Task, *, full: bool) -> list[TesTaskLog] | None:
    told = [_log(attempt, full=full) for attempt in task.attempts]
    notes = [*task.terms.warnings, *([task.reason] if task.reason and task.state.final else [])]
    if not told:
        ended = task.state.final and task.state is not State.CANCELED
        return [TesTaskLog(logs=[], outputs=[], system_logs=notes if full else None)] if ended and notes else None
    last = told[-1]
    if full and notes:
        kept = [line for line in last.system_logs or [] if line not in notes]
        told[-1] = last.model_copy(update={"system_logs": kept + notes})
    return told


def _log(attempt: Attempt, *, full: bool) -> TesTaskLog:
    entry = attempt.log
    system = [*entry.system_logs, *([attempt.reason] if attempt.reason else [])]
    return TesTaskLog(
        logs=[_executor(one, full=full) for one in entry.executors],
        metadata={"attempt": attempt.id, "site": attempt.site, **_usage(entry.executors)},
        start_time=None if attempt.started_us is None else iso(attempt.started_us),
        end_time=None if attempt.ended_us is None else iso(attempt.ended_us),
        outputs=[TesOutputFileLog(url=one.url, path=one.path, size_bytes=str(one.size_bytes)) for one in entry.outputs],
        system_logs=system if full else None,
    )


def _executor(one: ExecutorLog, *, full: bool) -> TesExecutorLog:
    return TesExecutorLog(
        start_time=iso(one.start_us),
        end_time=None if one.end_us is None else iso(one.end_us),
        stdout=one.stdout if full else None,
        stderr=one.stderr if full else None,
        exit_code=one.exit_code,
    )


def _usage(executors: list[ExecutorLog]) -> dict[str, str]:
    """What each executor used; TES leaves the keys of ``metadata`` to the server."""
    used: dict[str, str] = {}
    for number, one in enumerate(executors):
        used[f"executor.{number}.cpu_s"] = f"{one.cpu_s:.3f}"
        used[f"executor.{number}.peak_bytes"] = str(one.peak_bytes)
    return used
