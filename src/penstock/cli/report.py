"""What a run says at its start and at its end."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.cli import words
from penstock.cli.terminal import fitting, print_json, print_problem, print_table, stderr
from penstock.client.inputs import LocalFile, RemoteFile, pack
from penstock.client.runs import Order, Ticket, Watcher
from penstock.client.workloads import Result, State, Workload
from penstock.pipelines.models import Definition

MOST_NAMED, MOST_ROWS = 4, 30


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    workload: Workload
    ticket: Ticket
    results: Sequence[Result]
    output: Path
    acknowledged: bool

    def document(self) -> dict[str, Any]:
        """What ``--json`` prints; docs/cli.md explains it."""
        workload, output = self.workload, self.output
        return {
            "id": workload.id,
            "pipeline": workload.pipeline,
            "version": workload.version,
            "name": workload.name,
            "state": str(workload.state),
            "reason": workload.reason or "",
            "resumed": self.ticket.resumed,
            "acknowledged": self.acknowledged,
            "output": str(output) if self.results else None,
            "results": [as_downloaded(one, output) for one in self.results],
            "created_at": workload.created_at,
            "ended_at": workload.updated_at,
            "results_to": workload.results_to,
            "results_sent_at": workload.results_sent_at,
            "times": {name: round(seconds, 3) for name, seconds in asdict(self.ticket.times).items()},
        }


def as_downloaded(result: Result, output: Path) -> dict[str, Any]:
    """A result that lies in ``output``, for programs."""
    return {"name": result.name, "path": str(output / result.name), "size": result.size, "sha256": result.sha256}


def started(watcher: Watcher, order: Order, ticket: Ticket) -> None:
    """Which workload it is, and on what."""
    verb = "Going on with workload" if ticket.resumed else "Workload"
    watcher.note(f"{verb} {ticket.record.workload}: {order.pipeline} {order.version} at {ticket.record.server}")
    if ticket.resumed:
        return
    for role, names in _by_role(order).items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        watcher.note(f"  {role}: {', '.join(names[:MOST_NAMED])}{more}")


def ended(watcher: Watcher, definition: Definition, end: Ended) -> None:
    """How it ended, where the results lie, and the pipeline's own summary."""
    workload = end.workload
    if workload.state != State.SUCCEEDED:
        return _failed(workload)
    took = words.seconds_between(workload.created_at, workload.updated_at)
    after = f" after {words.duration(took)}" if took is not None else ""
    total = words.size(sum(result.size for result in end.results))
    watcher.done(f"Succeeded{after}: {words.count(len(end.results), 'file')}, {total}, in {end.output}/")
    if workload.results_sent_at is not None:
        watcher.done(f"The results were sent to {workload.results_to}")
    elif workload.unsent:
        print_problem(workload.reason or f"The results were not sent to {workload.results_to}.")
    if not end.acknowledged:
        watcher.note(f"The server keeps it; `penstock ack {workload.id}` removes it.")
    path = _summary_path(definition, end)
    if path is not None:
        _show_summary(path)
    return None


def dry_run(url: str, definition: Definition, order: Order, *, json: bool) -> None:
    """What would be sent."""
    if json:
        inputs = [_planned(entry) for entry in order.inputs]
        plan = {"server": url, "pipeline": order.pipeline, "version": order.version, "inputs": inputs}
        return print_json(plan | {"parameters": dict(order.parameters), "bundle": pack(order.files) is not None})
    print_table(
        [("input", "left"), ("file", "left"), ("size", "right")],
        [(role, name, size) for role, name, size in map(_row, order.inputs)],
    )
    if order.parameters:
        units = definition.parameters.get("properties", {})
        rows = [(name, value, units.get(name, {}).get("x-unit", "")) for name, value in order.parameters.items()]
        print_table([("parameter", "left"), ("value", "right"), ("unit", "left")], rows, below=True)
    note = "in one bundle" if pack(order.files) else "each by itself"
    stderr().print(f"Everything fits {order.pipeline} {order.version} at {url}; files would go {note}. Nothing sent.")
    return None


def _failed(workload: Workload) -> None:
    if workload.state == State.CANCELED:
        print_problem(f"Workload {workload.id} was canceled. {workload.reason or ''}")
        return
    hint = f"`penstock logs {workload.id}` shows what its processes wrote."
    print_problem(f"Workload {workload.id} ended as {workload.state}. {workload.reason or ''}", hint)


def _summary_path(definition: Definition, end: Ended) -> Path | None:
    """The file of the table to show: results may lie in fewer folders than in the working directory."""
    wanted = definition.results.summary
    names = [result.name for result in end.results]
    for name in names:
        if wanted is not None and (name == wanted or wanted.endswith(f"/{name}") or name.endswith(f"/{wanted}")):
            return end.output / name
    return None


def _show_summary(path: Path) -> None:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [row for row in csv.reader(file, delimiter="\t") if row]
    if len(rows) < 2:
        return
    width = len(rows[0])
    body = [[*row, *[""] * width][:width] for row in rows[1 : MOST_ROWS + 1]]
    sides = ["right" if all(_is_number(row[at]) for row in body) else "left" for at in range(width)]
    columns = [(heading.replace("_", " "), side) for heading, side in zip(rows[0], sides, strict=True)]
    console = stderr()
    console.print()
    shown, left_out = fitting(console, columns, body)
    console.print(shown, soft_wrap=False)
    if left_out:
        console.print(f"… {words.count(left_out, 'more column')} in {path}")
    if len(rows) - 1 > MOST_ROWS:
        console.print(f"… {len(rows) - 1 - MOST_ROWS} more rows in {path}")


def _is_number(text: str) -> bool:
    try:
        float(text or 0)
    except ValueError:
        return text in (".", "-", "NA")
    return True


def _by_role(order: Order) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = defaultdict(list)
    for entry in order.inputs:
        _, name, size = _row(entry)
        roles[entry.role].append(f"{name} ({size})" if size else name)
    return roles


def _row(entry: LocalFile | RemoteFile) -> tuple[str, str, str]:
    if isinstance(entry, LocalFile):
        return entry.role, entry.name, words.size(entry.size)
    return entry.role, entry.url, ""


def _planned(entry: LocalFile | RemoteFile) -> dict[str, Any]:
    if isinstance(entry, LocalFile):
        return {"role": entry.role, "path": str(entry.path), "size": entry.size}
    return {"role": entry.role, "url": entry.url}
