"""Why a workload failed, in words of the program that failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.tasks.models import ExecutorLog, Task

LONGEST_LINE = 1000
MOST_LOGS = 100


def failure_reason(head: Task | None, failed: Sequence[Task]) -> str:
    """One sentence: the first failed process with what it said, else what ended the engine."""
    if failed:
        others = f" ({len(failed) - 1} more processes failed.)" if len(failed) > 1 else ""
        return f"{rule(failed[0])}: {said(failed[0])}{others}"
    if head is None:
        return "The workload's head task is gone."
    words = _error_line(_stderr(head))
    return f"The engine failed: {head.reason or 'no reason was given.'}{f' {words}' if words else ''}"


def rule(task: Task) -> str:
    """The rule that a process belongs to."""
    return (task.spec.tags or {}).get("rule") or (task.spec.name or task.id).partition("[")[0]


def said(task: Task) -> str:
    """The last ``error: …`` line of what the process wrote to stderr, else its last line, else the task's reason."""
    text = _stderr(task)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (_error_line(text) or (lines[-1] if lines else "") or task.reason or "It failed.")[:LONGEST_LINE]


def logs(head: Task | None, failed: Sequence[Task]) -> dict[str, str]:
    """Text files for whoever wants to know more: name below ``logs/`` to content."""
    named = {f"{_safe(rule(task))}.{task.id}.txt": _log(task) for task in failed[:MOST_LOGS]}
    return named if head is None else {"engine.txt": _log(head), **named}


def _log(task: Task) -> str:
    lines = [f"task {task.id}: {task.spec.name or ''}", f"state {task.state.value}: {task.reason}"]
    for attempt in task.attempts:
        lines.append(f"attempt {attempt.number} at {attempt.site}: {attempt.outcome or attempt.state} {attempt.reason}")
        for number, executor in enumerate(attempt.log.executors):
            lines.append(f"executor {number} exited with {executor.exit_code}")
            lines += ["--- stderr", executor.stderr, "--- stdout", executor.stdout]
        lines += attempt.log.system_logs
    return "\n".join(lines) + "\n"


def _stderr(task: Task) -> str:
    executors: list[ExecutorLog] = task.attempts[-1].log.executors if task.attempts else []
    failed = [executor for executor in executors if executor.exit_code != 0] or executors
    return failed[-1].stderr if failed else ""


def _error_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip().lower().startswith("error: ")]
    return lines[-1][:LONGEST_LINE] if lines else ""


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:100]
