"""``penstock admin``: tokens and sites, straight on the database, and noted in the audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from typer.testing import CliRunner

from penstock.access.service import AccessService
from penstock.audit import AUDIT_LOG
from penstock.cli.admin import app
from penstock.database.engine import Database
from penstock.database.opening import open_database
from penstock.errors import NotAuthenticated, NotFound
from penstock.settings import Settings
from penstock.tasks import sites
from penstock.tasks.room import Room

T = TypeVar("T")


class Admin:
    """The commands, on a data folder of their own."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *words: str) -> str:
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def tokens(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("token", "list", "--json", *words))
        return found

    def owner_of(self, secret: str) -> str:
        """Whose token it is."""
        return self.within(lambda database: AccessService(database, b"", None).principal(secret)).owner

    def within(self, job: Callable[[Database], Awaitable[T]]) -> T:
        """What the job answers about the same database."""

        async def run() -> T:
            database = open_database(Settings())
            await database.start()
            try:
                return await job(database)
            finally:
                await database.close()

        return asyncio.run(run())

    @property
    def deeds(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.data / AUDIT_LOG).read_text().splitlines()]


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Admin]:
    """An empty data folder."""
    monkeypatch.setenv("PENSTOCK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("PENSTOCK_DATABASE_URL", raising=False)
    yield Admin(tmp_path / "data")
    structlog.reset_defaults()  # the commands let it write to a standard error that is the runner's


def test_a_token_is_listed_with_its_scopes_and_end_but_without_its_secret(admin: Admin) -> None:
    secret = admin.run("token", "create", "--owner", "ada", "--scope", "tasks", "--scope", "workloads", "--days", "1")
    admin.run("token", "create", "--owner", "bob", "--scope", "tasks")
    (one,) = admin.tokens("--owner", "ada")
    assert (one["id"], one["scopes"], one["state"]) == (secret.split("_")[1], ["tasks", "workloads"], "live")
    assert one["expires"] > one["created"]
    assert secret.split("_")[2] not in json.dumps(admin.tokens()) + admin.run("token", "list")
    assert [token["owner"] for token in admin.tokens()] == ["ada", "bob"]


def test_a_rotated_token_ends_and_the_new_one_can_do_the_same(admin: Admin) -> None:
    old = admin.run("token", "create", "--owner", "ada", "--scope", "tasks")
    new = admin.run("token", "rotate", old.split("_")[1])
    assert admin.owner_of(new) == "ada"
    with pytest.raises(NotAuthenticated):
        admin.owner_of(old)
    assert [(one["scopes"], one["state"]) for one in admin.tokens()] == [(["tasks"], "expired"), (["tasks"], "live")]


def test_a_rotated_token_may_have_a_time_of_grace(admin: Admin) -> None:
    old = admin.run("token", "create", "--owner", "ada", "--scope", "tasks")
    new = admin.run("token", "rotate", old.split("_")[1], "--grace", "1")
    assert (admin.owner_of(old), admin.owner_of(new)) == ("ada", "ada")
    assert admin.tokens()[0]["expires"] is not None


def test_an_expired_token_opens_nothing(admin: Admin) -> None:
    secret = admin.run("token", "create", "--owner", "ada", "--scope", "tasks", "--days", "0")
    with pytest.raises(NotAuthenticated):
        admin.owner_of(secret)
    with pytest.raises(NotFound):
        admin.run("token", "rotate", secret.split("_")[1])


def test_a_revoked_token_opens_nothing_and_cannot_be_rotated(admin: Admin) -> None:
    secret = admin.run("token", "create", "--owner", "ada", "--scope", "tasks")
    admin.run("token", "revoke", secret.split("_")[1])
    with pytest.raises(NotAuthenticated):
        admin.owner_of(secret)
    for words in (("rotate", secret.split("_")[1]), ("revoke", secret.split("_")[1]), ("rotate", "unknown")):
        with pytest.raises(NotFound):
            admin.run("token", *words)


def test_what_operators_do_with_tokens_is_noted(admin: Admin) -> None:
    old = admin.run("token", "create", "--owner", "ada", "--scope", "tasks")
    new = admin.run("token", "rotate", old.split("_")[1])
    admin.run("token", "revoke", new.split("_")[1])
    assert [one["what"].removeprefix("penstock admin token ") for one in admin.deeds] == ["create", "rotate", "revoke"]
    assert all(one["operator"] for one in admin.deeds)
    assert new.split("_")[2] not in json.dumps(admin.deeds)


def test_sites_are_listed_and_forgotten(admin: Admin) -> None:
    admin.run("site", "list")
    room = Room(cpu_cores=8, ram_gb=16, disk_gb=1, slots=4)
    register = partial(sites.register, name="far", incarnation="1", total=room, tags={"disk": "nvme"}, mounts=True)
    admin.within(lambda database: database.write(register))
    told = admin.run("site", "list")
    assert "far" in told
    assert "disk=nvme" in told
    assert admin.run("site", "remove", "far") == "removed far"
    with pytest.raises(NotFound, match="no site 'far'"):
        admin.run("site", "remove", "far")
