"""``penstock run`` and ``penstock submit``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli import report
from penstock.cli.arguments import read_definition, read_inputs, read_parameters, role_values
from penstock.cli.options import OPTIONS
from penstock.cli.outcome import Interrupted, workload_code
from penstock.cli.session import runs, terminable
from penstock.cli.terminal import print_json, print_text
from penstock.client.pipelines import get_pipeline
from penstock.client.runs import Order, Runs, Ticket
from penstock.client.workloads import State
from penstock.errors import InvalidInput, SetupError
from penstock.pipelines.models import Definition

Pipeline = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name of a pipeline of the catalogue.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]
Name = Annotated[str | None, typer.Option(help="A name of your own for the workload.")]
Version = Annotated[str | None, typer.Option(help="Version of the pipeline; default: the newest.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and send nothing.")]
ResultsTo = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Folder of a bucket (s3://bucket/folder/) to send the results to, too."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")]


@dataclass(frozen=True)
class _Asked:
    """The words of the command line that both commands share."""

    pipeline: str
    words: list[str]
    param: list[str]
    name: str | None
    version: str | None
    results_to: str | None


def run(
    ctx: typer.Context,
    pipeline: Pipeline,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", file_okay=False)],
    param: Param = None,
    name: Name = None,
    version: Version = None,
    results_to: ResultsTo = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the workload on the server afterwards.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a pipeline on files and bring back the results.

    Inputs are options named after the pipeline's roles, each with one or more files or URLs:
    penstock run variants --reference ref.fa --reads r1.fq.gz r2.fq.gz --param ploidy=2 --output results/

    The same command again goes on where an interrupted one ended. `penstock pipelines show PIPELINE` lists inputs
    and parameters. The exit code is 0 only if the workload succeeded.
    """
    asked = _Asked(pipeline, ctx.args, param or [], name, version, results_to)
    with runs() as going, terminable():
        definition, order = _order(going, asked)
        if dry_run:
            report.dry_run(going.server.url, definition, order, json=json)
            return
        _check_output(output)
        code = _run(going, definition, order, output, keep=keep, json=json)
    raise typer.Exit(code)


def submit(
    ctx: typer.Context,
    pipeline: Pipeline,
    param: Param = None,
    name: Name = None,
    version: Version = None,
    results_to: ResultsTo = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send a workload and do not wait for it.

    Takes what `penstock run` takes, without --output, and prints the workload's id once all inputs are sent. Then:
    `penstock status --wait ID`, `penstock download ID --output DIR`, `penstock ack ID`.
    """
    asked = _Asked(pipeline, ctx.args, param or [], name, version, results_to)
    with runs() as going, terminable():
        definition, order = _order(going, asked)
        if dry_run:
            report.dry_run(going.server.url, definition, order, json=json)
            return
        with _started(going, order) as (read, ticket):
            going.upload(read, ticket)
    if json:
        print_json({"id": ticket.record.workload, "resumed": ticket.resumed, "url": going.server.url})
    else:
        print_text(ticket.record.workload)


def _order(going: Runs, asked: _Asked) -> tuple[Definition, Order]:
    """What is asked for, checked without reading a file or sending one."""
    if asked.pipeline.startswith("-"):
        hint = "The pipeline's name comes first: penstock run PIPELINE --reads FILE …"
        raise InvalidInput(f"{asked.pipeline!r} is not the name of a pipeline.", hint=hint)
    pairs = role_values(asked.words)
    definition = read_definition(get_pipeline(going.server, asked.pipeline, asked.version))
    inputs = read_inputs(definition, pairs, OPTIONS)
    parameters = read_parameters(definition, asked.param)
    return definition, Order(definition.name, definition.version, parameters, inputs, asked.name, asked.results_to)


def _check_output(output: Path) -> None:
    """Whether the folder could be made: to learn after an hour that it cannot would be late. Nothing is made yet."""
    place = output.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = "is not a directory" if not place.is_dir() else "is not yours to write to"
        raise SetupError(f"Cannot put results into {output}: {place} {what}.")


@contextmanager
def _started(going: Runs, order: Order) -> Iterator[tuple[Order, Ticket]]:
    """A workload for the order, and what to say if this is interrupted."""
    read = going.read(order)
    key = going.key(read)
    with going.records.hold(key):
        ticket = going.start(read, key)
        report.started(going.watcher, read, ticket)
        try:
            yield read, ticket
        except KeyboardInterrupt:
            workload = ticket.record.workload
            raise Interrupted(
                f"Interrupted. Workload {workload} is still there.",
                f"The same command goes on with it; `penstock cancel {workload}` ends it.",
            ) from None


def _run(going: Runs, definition: Definition, order: Order, output: Path, *, keep: bool, json: bool) -> int:
    with _started(going, order) as (read, ticket):
        going.upload(read, ticket)
        workload = going.wait(ticket.record.workload, ticket.times)
        results = []
        if workload.state == State.SUCCEEDED:
            results = going.download(workload, output, ticket.record.account, ticket.times)
            keep = keep or workload.unsent  # they are not where they were wanted: the server's are left there
            if not keep:
                going.acknowledge(workload.id)
        going.finish(ticket, kept=keep and workload.state == State.SUCCEEDED)
    ended = report.Ended(workload, ticket, results, output, acknowledged=bool(results) and not keep)
    if json:
        print_json(ended.document())
    report.ended(going.watcher, definition, ended)
    return workload_code(workload.state, unsent=workload.unsent)
