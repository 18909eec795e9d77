"""``penstock task``: single tasks by the GA4GH TES API."""

from __future__ import annotations

import json as json_text
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import words
from penstock.cli.outcome import CANCELED, FAILED, SUCCEEDED
from penstock.cli.session import server, terminable
from penstock.cli.terminal import print_json, print_table, print_text, state, stderr, stdout, table
from penstock.cli.workloads import show_output
from penstock.client.patience import Patience
from penstock.client.tasks import Document, Tasks, is_final
from penstock.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Work with single GA4GH TES tasks.")
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of tasks.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EVERY_S = 1.0  # TES has no call that waits
_COLUMNS = [("id", "left"), ("name", "left"), ("state", "left"), ("created", "left"), ("took", "right")]


@app.command("create")
def create(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A TES task as JSON; - reads it from standard input.")],
    json: Json = False,
) -> None:
    """Queue a task and print its id."""
    document = _read(file)
    with server() as connection:
        task = Tasks(connection).create(document)
    if json:
        print_json({"id": task})
    else:
        print_text(task)


@app.command("list")
def list_tasks(
    only: Annotated[str | None, typer.Option("--state", help="Only tasks in this state.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only tasks whose names begin so.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="KEY[=VALUE]", help="Only with this tag.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many at most.")] = 20,
    json: Json = False,
) -> None:
    """List your tasks, newest first."""
    tags = {key: value for key, _, value in (pair.partition("=") for pair in tag or [])}
    with server() as connection:
        found = list(
            Tasks(connection).newest(state=only.upper() if only else None, name_prefix=name, tags=tags, most=most)
        )
    if json:
        print_json(found)
    else:
        print_table(_COLUMNS, [_row(task) for task in found])


@app.command("show")
def show(task: Id, json: Json = False) -> None:
    """Show a task: what was asked for, and each attempt."""
    with server() as connection:
        document = Tasks(connection).get(task)
    if json:
        print_json(document)
        return
    console = stdout()
    for heading in ("id", "name", "description", "creation_time"):
        if document.get(heading):
            console.print(f"{heading.split('_')[0]:<12}{document[heading]}", markup=False)
    console.print(f"{'state':<12}", state(document["state"]), sep="")
    for executor in document.get("executors", []):
        console.print(f"{'command':<12}{' '.join(executor['command'])}  [{executor['image']}]", markup=False)
    for kind in ("inputs", "outputs"):
        for entry in document.get(kind) or []:
            console.print(f"{kind[:-1]:<12}{entry.get('url') or '(content)'} → {entry['path']}", markup=False)
    rows = [_attempt(number, entry) for number, entry in enumerate(document.get("logs") or [], 1)]
    headings = ("attempt", "started", "took", "exit codes", "notes")
    print_table([(heading, "left") for heading in headings], rows, below=True)


@app.command("logs")
def logs(task: Id, json: Json = False) -> None:
    """Show what a task's executors wrote."""
    with server() as connection:
        document = Tasks(connection).get(task)
    if json:
        print_json(document.get("logs") or [])
    else:
        show_output(document)


@app.command("cancel")
def cancel(tasks: Ids) -> None:
    """Cancel tasks; harmless for those that have ended."""
    with server() as connection:
        for task in tasks:
            Tasks(connection).cancel(task)


@app.command("watch")
def watch(
    tasks: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids of tasks; default: the newest.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many at most, without ids.")] = 20,
    json: Json = False,
) -> None:
    """Watch tasks until all of them have ended; exit code 0 only if all are complete."""
    with server() as connection, terminable():
        calls = Tasks(connection)
        patience = Patience(connection.settings.patience_s, lambda error, _: stderr().print(error.message))

        def look() -> list[Document]:
            if tasks:
                return [calls.get(task, "BASIC") for task in tasks]
            return list(calls.newest(most=most))

        ended = _watch_live(look, patience) if stderr().is_terminal else _watch_lines(look, patience)
    if json:
        print_json(ended)
    raise typer.Exit(_code(ended))


def _watch_live(look: Any, patience: Patience) -> list[Document]:  # noqa: ANN401
    from rich.live import Live

    with Live(console=stderr(), auto_refresh=False) as live:
        while True:
            found: list[Document] = patience.insist(look)
            live.update(table(_COLUMNS, [_row(task) for task in found]), refresh=True)
            if all(map(is_final, found)):
                return found
            time.sleep(EVERY_S)


def _watch_lines(look: Any, patience: Patience) -> list[Document]:  # noqa: ANN401
    known: dict[str, str] = {}
    while True:
        found: list[Document] = patience.insist(look)
        for task in found:
            if known.get(task["id"]) != task["state"]:
                known[task["id"]] = task["state"]
                stderr().print(f"{task['id']}  {task['state']}  {task.get('name') or ''}", markup=False)
        if all(map(is_final, found)):
            return found
        time.sleep(EVERY_S)


def _code(tasks: list[Document]) -> int:
    states = {task["state"] for task in tasks}
    if states <= {"COMPLETE"}:
        return SUCCEEDED
    return CANCELED if states <= {"COMPLETE", "CANCELED"} else FAILED


def _read(file: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        document = json_text.loads(text)
    except OSError as error:
        raise InvalidInput(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{file} does not hold a JSON object.", hint='A TES task is {"executors": […], …}.')
    return document


def _row(task: Document) -> tuple[Any, ...]:
    logs_ = task.get("logs") or [{}]
    took = words.seconds_between(logs_[-1].get("start_time"), logs_[-1].get("end_time"))
    shown = words.duration(took) if took is not None else ""
    return task["id"], task.get("name") or "", state(task["state"]), words.moment(task.get("creation_time")), shown


def _attempt(number: int, entry: Mapping[str, Any]) -> tuple[str, ...]:
    took = words.seconds_between(entry.get("start_time"), entry.get("end_time"))
    codes = " ".join(str(log.get("exit_code")) for log in entry.get("logs") or [])
    notes = "; ".join(entry.get("system_logs") or [])
    return str(number), words.moment(entry.get("start_time")), words.duration(took) if took else "", codes, notes
