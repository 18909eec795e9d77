"""``penstock status``, ``logs``, ``list``, ``cancel``, ``download`` and ``ack``: workloads that are at the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli import words
from penstock.cli.outcome import workload_code
from penstock.cli.progress import STATES, counted
from penstock.cli.report import as_downloaded
from penstock.cli.session import runs, server, terminable
from penstock.cli.terminal import print_json, print_table, state, stdout
from penstock.client.state import Records, take_up
from penstock.client.tasks import Document, Tasks
from penstock.client.workloads import State, Workload, Workloads
from penstock.errors import Conflict, Forbidden

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a workload.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of workloads.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def status(
    workload: Id,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end; exit code 0 only if it succeeded.")] = False,
    json: Json = False,
) -> None:
    """Show a workload, or wait for its end."""
    with runs() as going, terminable():
        going.take_up(workload)
        current = going.wait(workload) if wait else going.workloads.get(workload)
    if json:
        print_json(current.model_dump(mode="json"))
    else:
        _show(current)
    if wait:
        raise typer.Exit(workload_code(current.state, unsent=current.unsent))


def logs(
    workload: Id,
    everything: Annotated[bool, typer.Option("--all", help="Also of processes that did not fail.")] = False,
    json: Json = False,
) -> None:
    """Show a workload's events and what its failed processes wrote."""
    with server() as connection:
        calls, tasks = Workloads(connection), Tasks(connection)
        events = calls.events(workload)
        documents = [tasks.get(task) for task in _worth_showing(calls, workload, everything=everything)]
    if json:
        print_json({"id": workload, "events": [one.model_dump() for one in events], "processes": documents})
        return
    print_table(
        [("time", "left"), ("state", "left"), ("reason", "left")],
        [(words.moment(one.at), state(one.state), one.reason or "") for one in events],
    )
    for document in documents:
        show_output(document)


def _worth_showing(calls: Workloads, workload: str, *, everything: bool) -> list[str]:
    """Ids of the tasks that failed; the engine's own where no process did and the workload failed all the same."""
    try:
        found = calls.processes(workload)
    except Forbidden:  # it has no tasks yet
        return []
    failed = [one.id for one in found.tasks if everything or one.state.endswith("_ERROR")]
    heads = [found.head] if found.head else []
    if everything:
        return failed + heads
    return failed or (heads if calls.get(workload).state == State.FAILED else [])


def list_workloads(
    only: Annotated[str | None, typer.Option("--state", help="Only workloads in this state.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many at most.")] = 20,
    json: Json = False,
) -> None:
    """List your workloads, newest first."""
    with server() as connection:
        found = list(Workloads(connection).newest(state=only.upper() if only else None, most=most))
    if json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    columns = [("id", "left"), ("name", "left"), ("pipeline", "left"), ("state", "left"), ("created", "left")]
    rows = [(one.id, one.name or "", one.pipeline, state(one.state), words.moment(one.created_at)) for one in found]
    print_table(columns, rows)


def cancel(workloads: Ids, json: Json = False) -> None:
    """Cancel workloads; harmless for those that have ended."""
    with server() as connection:
        calls, records = Workloads(connection), Records(connection.settings.state)
        ended = [calls.cancel(workload) for workload in workloads if take_up(connection, workload)]
        for workload in workloads:
            records.forget_workload(workload)
    if json:
        print_json([{"id": one.id, "state": str(one.state)} for one in ended])
        return
    for one in ended:
        stdout().print(f"{one.id}  ", state(one.state))


def download(
    workload: Id,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", file_okay=False)],
    json: Json = False,
) -> None:
    """Bring back a workload's results, verified; a download that was cut goes on where it ended."""
    with runs() as going, terminable():
        going.take_up(workload)
        current = going.workloads.get(workload)
        if current.state != State.SUCCEEDED and not (current.state.final and current.results):
            hint = "" if current.state.final else f"`penstock status --wait {workload}` waits for its end."
            reason = f": {current.reason}" if current.reason else ""
            raise Conflict(f"Workload {workload} has no results, it is {current.state}{reason}.", hint=hint)
        found = going.records.of_workload(workload)
        results = going.download(current, output, found[1].account if found else None)
        going.watcher.note(f"{words.count(len(results), 'file')} in {output}/")
        if current.state != State.SUCCEEDED:
            going.watcher.note(f"The workload did not succeed, these are its logs: {current.reason or current.state}")
    if json:
        print_json([as_downloaded(one, output) for one in results])
    raise typer.Exit(workload_code(current.state))


def ack(workloads: Ids) -> None:
    """Have everything of workloads removed from the server; harmless when done again."""
    with server() as connection:
        records = Records(connection.settings.state)
        for workload in workloads:
            take_up(connection, workload)
            Workloads(connection).acknowledge(workload)
            records.forget_workload(workload)
            stdout().print(f"{workload}  removed")


def show_output(document: Document) -> None:
    """What the executors of a task's last attempt wrote."""
    console = stdout()
    console.rule(f"{document.get('name') or document['id']} · {document['state']}", align="left")
    attempts = document.get("logs")
    last = attempts[-1] if isinstance(attempts, list) and attempts else {}
    for line in last.get("system_logs") or []:
        console.print(line, markup=False, soft_wrap=True, style="dim")
    for log in last.get("logs") or []:
        for stream in ("stdout", "stderr"):
            if text := (log.get(stream) or "").rstrip():
                console.print(f"[bold]{stream}[/bold] (exit code {log.get('exit_code')})")
                console.print(text, markup=False, soft_wrap=True)


def _show(workload: Workload) -> None:
    console = stdout()
    title = f"{workload.pipeline} {workload.version or ''}".strip()
    facts = [
        ("workload", workload.id),
        ("name", workload.name or ""),
        ("pipeline", title),
        ("created", words.moment(workload.created_at)),
        ("changed", words.moment(workload.updated_at)),
        ("kept until", words.moment(workload.expires_at)),
        ("results to", _sent(workload)),
    ]
    for heading, value in facts:
        if value:
            console.print(f"{heading:<11}{value}", markup=False)
    console.print(f"{'state':<11}", state(workload.state), sep="")
    if workload.reason:
        console.print(f"{'':<11}{workload.reason}", markup=False, soft_wrap=True)
    elif workload.state in STATES:
        console.print(f"{'':<11}{STATES[workload.state]}")
    _show_rules(workload)
    _show_inputs(workload)
    if workload.results:
        rows = [(one.name, words.size(one.size)) for one in workload.results]
        print_table([("result", "left"), ("size", "right")], rows, below=True)


def _sent(workload: Workload) -> str:
    if workload.results_to is None or workload.results_sent_at is None:
        return workload.results_to or ""
    return f"{workload.results_to}, sent {words.moment(workload.results_sent_at)}"


def _show_rules(workload: Workload) -> None:
    entries = [*workload.progress.rules.items(), ("all", workload.progress)]
    if workload.progress.total or workload.progress.done:
        columns = [("processes", "left"), ("done", "right"), ("running", "right"), ("failed", "right")]
        print_table(columns, [(name, counted(rule), rule.running, rule.failed) for name, rule in entries], below=True)


def _show_inputs(workload: Workload) -> None:
    if workload.inputs and workload.state == State.UPLOADING:
        columns = [("input", "left"), ("file", "left"), ("received", "right"), ("size", "right")]
        print_table(
            columns,
            [
                (one.role, one.name or one.url, words.size(one.received or 0), words.size(one.size or 0))
                for one in workload.inputs
            ],
            below=True,
        )
