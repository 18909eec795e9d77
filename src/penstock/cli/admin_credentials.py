"""``penstock admin credentials``: everybody's storage credentials, on the server's machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from penstock.access.service import load_key
from penstock.cli.admin_database import day, note, on_database
from penstock.credentials.service import CredentialService
from penstock.errors import InvalidInput
from penstock.settings import Settings

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="List and remove owners' storage credentials; seal them anew.")


@app.command("list")
def list_all(owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None) -> None:
    """List storage credentials; never their values."""
    table = Table("owner", "name", "opens", "endpoint", "changed")
    for one in _with_service(lambda service: service.of_owner(owner)):
        table.add_row(
            one.owner, one.name, f"{one.scheme}://{one.bucket}/{one.prefix}", one.endpoint, day(one.changed_us)
        )
    Console().print(table)


@app.command("remove")
def remove(
    owner: Annotated[str, typer.Argument(help="Whose it is.")],
    name: Annotated[str, typer.Argument(help="Its name, as `list` shows it.")],
) -> None:
    """Remove one; tasks that start from now on do not have it."""
    _with_service(lambda service: service.remove(owner, name))
    note("credentials remove", owner=owner, name=name)
    Console().print(f"removed {name} of {owner}", markup=False)


@app.command("reseal")
def reseal(old_key: Annotated[Path, typer.Option(help="File with the server's key as it was before.")]) -> None:
    """After a change of the server's key (secrets/key): seal with the new one what the old one sealed."""
    try:
        old = old_key.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The file {str(old_key)!r} cannot be read: {error.strerror}.") from error
    count = _with_service(lambda service: service.reseal(old))
    note("credentials reseal", count=count)
    Console().print(f"resealed {count}")


def _with_service(job: Callable[[CredentialService], Awaitable[T]]) -> T:
    key = load_key(Settings().key_path)
    return on_database(lambda database: job(CredentialService(database, key)))
