"""``penstock credentials``: what an owner's tasks need to reach object stores and FTP servers.

Secret values come from a file or standard input, never from the command line, where every process could read them.
"""

from __future__ import annotations

import json as notation
import sys
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli import words
from penstock.cli.session import server
from penstock.cli.terminal import print_json, stdout, table
from penstock.cli.workloads import Json
from penstock.client.credentials import Credentials
from penstock.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Storage credentials that your tasks use.")
Name = Annotated[str, typer.Argument(help="Your name for it: a-z, 0-9 and '-'.")]
GOOGLE = "service_account"


@app.command("set")
def put(
    name: Name,
    scheme: Annotated[str, typer.Option(help="s3, gs, az or ftp.")],
    bucket: Annotated[str, typer.Option(help="Bucket or container; for ftp the host, with its port if it has one.")],
    file: Annotated[
        Path | None, typer.Option(help="File with the values: NAME=VALUE lines or a JSON object; default: stdin.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="Address of the store; default: the provider's own.")] = "",
    region: Annotated[str, typer.Option(help="Region of the bucket (s3).")] = "",
    prefix: Annotated[str, typer.Option(help="Use it only below this folder of the bucket.")] = "",
    json: Json = False,
) -> None:
    """Store a credential, or new values of it.

    Values: access_key_id, secret_access_key and session_token (s3), service_account_key (gs), account_name and
    account_key (az), username and password (ftp).
    """
    values = read_values(sys.stdin.read() if file is None else _text(file))
    what = {"scheme": scheme, "bucket": bucket, "endpoint": endpoint, "region": region, "prefix": prefix}
    with server() as connection:
        made = Credentials(connection).set(name, what, values)
    if json:
        print_json(made.model_dump())
    else:
        stdout().print(f"{made.name}  {made.scheme}://{made.bucket}/{made.prefix}", markup=False)


@app.command("list")
def list_all(json: Json = False) -> None:
    """List your credentials. Never their values."""
    with server() as connection:
        found = Credentials(connection).list()
    if json:
        print_json([one.model_dump() for one in found])
        return
    columns = [(heading, "left") for heading in ("name", "opens", "endpoint", "region", "changed")]
    rows = [
        [one.name, f"{one.scheme}://{one.bucket}/{one.prefix}", one.endpoint, one.region, words.moment(one.changed_at)]
        for one in found
    ]
    stdout().print(table(columns, rows))


@app.command("remove")
def remove(name: Name) -> None:
    """Remove a credential. Tasks that start from now on do not have it."""
    with server() as connection:
        Credentials(connection).remove(name)
    stdout().print(f"{name}  removed", markup=False)


def read_values(text: str) -> dict[str, str]:
    """The values in a file: a JSON object, a Google service account's key as it is, or NAME=VALUE lines."""
    if text.lstrip().startswith("{"):
        try:
            found = notation.loads(text)
        except ValueError as error:
            raise InvalidInput("The values are no JSON object.") from error
        return {"service_account_key": text} if found.get("type") == GOOGLE else found
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or not all("=" in line for line in lines):
        raise InvalidInput("The values must be NAME=VALUE lines or a JSON object.", hint="For s3: access_key_id=… .")
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise InvalidInput(f"The file {str(file)!r} cannot be read: {error.strerror}.") from error
