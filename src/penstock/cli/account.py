"""``penstock account``: what opens a workload's downloads for somebody who has no token."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli import words
from penstock.cli.session import server
from penstock.cli.terminal import print_json, print_text, stdout
from penstock.cli.workloads import Id, Json
from penstock.client.accounts import Accounts
from penstock.client.state import Records

app = typer.Typer(no_args_is_help=True, help="Accounts and links that open one workload's results.")
FILES = "files/"
AN_HOUR_S = 3600


@app.command("show")
def show(workload: Id, json: Json = False) -> None:
    """Show whether the account is open, and since when its secret holds. Never the secret."""
    with server() as connection:
        found = Accounts(connection).get(workload)
    if json:
        print_json(found.model_dump())
    elif found.name is None:
        stdout().print("revoked")
    else:
        stdout().print(f"{found.name}  active, its secret is of {words.moment(found.rotated_at)}", markup=False)


@app.command("rotate")
def rotate(workload: Id, json: Json = False) -> None:
    """Make a new secret and print it: the only time it is shown. The old one, and all links, end at once."""
    with server() as connection:
        made = Accounts(connection).rotate(workload)
        Records(connection.settings.state).replace_account(workload, made)
    if json:
        print_json(made.model_dump())
    else:
        print_text(f"{made.name} {made.secret}")


@app.command("revoke")
def revoke(workload: Id) -> None:
    """Close the account and all links at once; harmless when done again. `rotate` opens it anew."""
    with server() as connection:
        Accounts(connection).revoke(workload)
    stdout().print(f"{workload}  revoked")


@app.command("link")
def link(
    workload: Id,
    file: Annotated[str, typer.Argument(help="A result, as `penstock status` lists it, or results.tar.zst.")],
    hours: Annotated[float, typer.Option(min=0.01, max=720, help="Hours until it expires.")] = 24.0,
    json: Json = False,
) -> None:
    """Print an address that hands one file to whoever has it, until it expires."""
    whole = file in ("results.tar.zst", "manifest.sha256") or file.startswith(FILES)
    with server() as connection:
        made = Accounts(connection).link(workload, file if whole else f"{FILES}{file}", int(hours * AN_HOUR_S))
    if json:
        print_json(made.model_dump())
    else:
        print_text(made.url)
