"""``penstock keep`` and ``penstock data``: results that outlive their workloads."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli import words
from penstock.cli.session import server
from penstock.cli.terminal import print_json, print_table, stdout
from penstock.cli.workloads import Id, Json
from penstock.client.data import Data

app = typer.Typer(no_args_is_help=True, help="What you keep on the server.")


def keep(
    workload: Id,
    name: Annotated[str | None, typer.Option(help="Name of the new folder; default: the workload's id.")] = None,
    json: Json = False,
) -> None:
    """Let a workload's results outlive it, in a folder of your data on the server."""
    with server() as connection:
        kept = Data(connection).keep(workload, name)
    if json:
        print_json(kept.model_dump())
    else:
        stdout().print(f"{words.count(kept.files, 'file')}, {words.size(kept.bytes)}: {kept.url}", markup=False)


@app.command("list")
def list_data(json: Json = False) -> None:
    """List what you keep on the server; each can be named as an input by its URL."""
    with server() as connection:
        found = Data(connection).list()
    if json:
        print_json([one.model_dump() for one in found])
        return
    columns = [("name", "left"), ("files", "right"), ("size", "right"), ("changed", "left"), ("url", "left")]
    rows = [(one.name, one.files, words.size(one.bytes), words.moment(one.modified_at), one.url) for one in found]
    print_table(columns, rows)


@app.command("remove")
def remove(names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names as `list` shows them.")]) -> None:
    """Remove what you keep; harmless when done again."""
    with server() as connection:
        for name in names:
            Data(connection).remove(name)
            stdout().print(f"{name}  removed", markup=False)
