"""``penstock admin``: what an operator does on the server's machine, directly on its database."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from penstock import consistency
from penstock.access import store
from penstock.access.models import StoredToken
from penstock.access.service import BEARER, AccessService, alive, matches
from penstock.cli import admin_credentials, backup, collect
from penstock.cli.admin_database import day as _day
from penstock.cli.admin_database import note as _note
from penstock.cli.admin_database import on_database as _read
from penstock.clock import MICROSECONDS, iso, now_us
from penstock.database.opening import migrate_database
from penstock.errors import InvalidInput, NotFound
from penstock.settings import Settings
from penstock.tasks import sites

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="Operate a server on its own machine.")
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens.")
site = typer.Typer(no_args_is_help=True, help="List sites and forget those that are gone.")
app.add_typer(token, name="token")
app.add_typer(site, name="site")
app.add_typer(admin_credentials.app, name="credentials")
Owner = Annotated[str, typer.Option(help="Owner that the token stands for.")]
Scopes = Annotated[list[str], typer.Option("--scope", help="workloads, tasks, admin or agent:<site>; may be repeated.")]
Days = Annotated[float | None, typer.Option(help="Days until the token expires; default: never.")]


@app.command("migrate")
def bring_up_to_date() -> None:
    """Bring the database to this release's schema, which a server does by itself for SQLite only.

    Prints `migrated` or `unchanged`.
    """
    settings = Settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    Console().print("migrated" if asyncio.run(migrate_database(settings)) else "unchanged")


@app.command("check")
def check_store(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Look whether the store agrees with itself and with the workspace; the exit code is 1 if it does not."""
    workspace = Settings().workspace_path
    folders = consistency.look(workspace)
    found = _read(lambda database: database.snapshot(lambda c: consistency.check(c, folders, workspace)))
    if as_json:
        Console().print_json(json.dumps({"findings": [vars(one) for one in found]}))
    else:
        for one in found:
            Console().print(f"{one.rule}: {one.what}", markup=False, highlight=False, soft_wrap=True)
        Console().print(f"{len(found)} findings" if found else "Everything agrees.", highlight=False)
    if found:
        raise typer.Exit(1)


app.command("backup")(backup.make)
app.command("restore")(backup.restore)
app.command("collect")(collect.collect)


@token.command("create")
def create(owner: Owner, scope: Scopes, days: Days = None) -> None:
    """Make a token and print it: the only time it is shown."""
    secret = _with_access(lambda access: access.issue(owner, scope, _seconds(days)))
    _note("token create", token=_id_of(secret), for_owner=owner, scopes=sorted(scope))
    Console().print(secret, markup=False, soft_wrap=True)


@token.command("ensure")
def ensure(
    owner: Owner,
    scope: Scopes,
    file: Annotated[Path, typer.Option(help="File that holds the token, 0600.")],
    days: Days = None,
) -> None:
    """Make a token in a file unless the file holds a valid one already; prints `created` or `unchanged`."""
    if _holds(file, owner, frozenset(scope)):
        Console().print("unchanged")
        return
    secret = _with_access(lambda access: access.issue(owner, scope, _seconds(days)))
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(f"{secret}\n")
    beside.rename(file)
    Console().print("created")


@token.command("enter")
def enter(
    owner: Owner,
    scope: Scopes,
    file: Annotated[Path, typer.Option(help="File with the token, e.g. of a Kubernetes secret.")],
    days: Days = None,
) -> None:
    """Make the token in a file valid, which somebody else chose; prints `entered` or `unchanged`."""
    if _holds(file, owner, frozenset(scope)):
        Console().print("unchanged")
        return
    text = file.read_text().strip()
    public = text.partition("_")[2].partition("_")[0]
    if _read(lambda database: database.read(lambda connection: store.find(connection, public))) is not None:
        raise InvalidInput(
            f"The token {public!r} in {file} is known, but is not a live one of {owner!r} with these scopes.",
            hint="Put another token into the file.",
        )
    _with_access(lambda access: access.enter(text, owner, scope, _seconds(days)))
    Console().print("entered")


@token.command("list")
def list_tokens(
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tokens; never their secrets."""
    if json:
        found = _read(lambda database: database.read(lambda connection: store.of_owner(connection, owner)))
        Console().print_json(data=[_told(one) for one in found])
        return
    table = Table("id", "owner", "scopes", "created", "expires", "state")
    for one in _read(lambda database: database.read(lambda connection: store.of_owner(connection, owner))):
        expires = "never" if one.expires_us is None else _day(one.expires_us)
        table.add_row(one.id, one.owner, " ".join(sorted(one.scopes)), _day(one.created_us), expires, _state(one))
    Console().print(table)


@token.command("rotate")
def rotate(
    token_id: Annotated[str, typer.Argument(help="Id as `list` shows it.")],
    days: Days = None,
    grace: Annotated[float, typer.Option(help="Hours for which the old one still works.")] = 0.0,
) -> None:
    """Make a new token of the same owner and scopes, print it, and end the old one."""
    old = _read(lambda database: database.read(lambda connection: store.find(connection, token_id)))
    if old is None or not alive(old):
        raise _no_such_token(token_id)
    secret = _with_access(lambda access: access.issue(old.owner, old.scopes, _seconds(days)))
    ends = now_us() + int(grace * 3600 * MICROSECONDS)
    _read(lambda database: database.write(lambda connection: store.expire(connection, token_id, ends)))
    _note("token rotate", old=token_id, token=_id_of(secret), for_owner=old.owner)
    Console().print(secret, markup=False, soft_wrap=True)


@token.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(help="Id as `list` shows it.")]) -> None:
    """Revoke a token at once."""
    if not _read(lambda database: database.write(lambda connection: store.revoke(connection, token_id, now_us()))):
        raise _no_such_token(token_id)
    _note("token revoke", token=token_id)
    Console().print(f"revoked {token_id}")


@site.command("list")
def list_sites() -> None:
    """List the sites that have registered, and when their agents were last heard of."""
    table = Table("name", "cpu cores", "memory GB", "slots", "tags", "last heard of")
    for one in _read(lambda database: database.read(sites.everyone)):
        tags = " ".join(f"{key}={value}" for key, value in sorted(one.tags.items()))
        room = one.room
        table.add_row(one.name, f"{room.cpu_cores:g}", f"{room.ram_gb:.1f}", str(room.slots), tags, _day(one.seen_us))
    Console().print(table)


@site.command("remove")
def remove_site(name: Annotated[str, typer.Argument(help="Name as `list` shows it.")]) -> None:
    """Forget a site for good; an agent of it that still runs enters it again."""
    if not _read(lambda database: database.write(lambda connection: sites.remove(connection, name))):
        raise NotFound(f"There is no site {name!r}.", hint="`penstock admin site list` shows them.")
    Console().print(f"removed {name}")


def _told(one: StoredToken) -> dict[str, object]:
    expires = None if one.expires_us is None else iso(one.expires_us)
    told = {"id": one.id, "owner": one.owner, "scopes": sorted(one.scopes), "state": _state(one)}
    return {**told, "created": iso(one.created_us), "expires": expires}


def _no_such_token(token_id: str) -> NotFound:
    return NotFound(f"There is no live token {token_id!r}.", hint="`penstock admin token list` shows their ids.")


def _id_of(secret: str) -> str:
    """The public part of a token."""
    return secret.split("_")[1]


def _with_access(job: Callable[[AccessService], Awaitable[T]]) -> T:
    return _read(lambda database: job(AccessService(database, b"", None)))


def _holds(file: Path, owner: str, scopes: frozenset[str]) -> bool:
    """Whether ``file`` has a live token of this owner with these scopes."""
    if not file.is_file():
        return False
    kind, _, rest = file.read_text().strip().partition("_")
    name, _, secret = rest.rpartition("_")
    found = _read(lambda database: database.read(lambda connection: store.find(connection, name)))
    if kind != BEARER or found is None or not matches(found, secret) or not alive(found):
        return False
    return found.owner == owner and found.scopes == scopes


def _seconds(days: float | None) -> int | None:
    return None if days is None else int(days * 86_400)


def _state(one: StoredToken) -> str:
    if one.revoked_us is not None:
        return "revoked"
    return "live" if alive(one) else "expired"
