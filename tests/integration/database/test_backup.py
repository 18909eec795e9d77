"""A backup brings back what was there, into either store; what is wrong with one is found before anything changes."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from tests.postgres import Postgres
from typer.testing import CliRunner

from penstock import backup
from penstock.access.service import AccessService, load_key
from penstock.cli.admin import app
from penstock.database.opening import migrate_database, open_database
from penstock.database.tables import metadata
from penstock.errors import Conflict, InvalidInput, PenstockError, SetupError
from penstock.settings import Settings
from penstock.tasks import store as tasks
from penstock.tasks.models import Executor, Kind, NewTask, TaskSpec, Terms

SPEC = TaskSpec(
    name="base64:not really", executors=[Executor(image="penstock/tools:1", command=["true"])], tags={"é": "☃\n"}
)
Make = Callable[[str], Settings]


@pytest.fixture
def make(tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Settings of a new store, with this release's schema and no rows, which the commands then use."""

    def one(kind: str) -> Settings:
        data = tmp_path / f"{kind}-{len(list(tmp_path.iterdir()))}"
        data.mkdir()
        url = f"sqlite:///{data / 'penstock.db'}" if kind == "sqlite" else asyncio.run(postgres.empty())
        settings = Settings(data=data, database_url=SecretStr(url))
        asyncio.run(migrate_database(settings))
        use(settings, monkeypatch)
        return settings

    return one


def use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_DATA", str(settings.data))
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", settings.store_url())


def fill(settings: Settings) -> tuple[str, dict[str, int]]:
    """A token's secret, and how many rows there are of each table."""

    async def run() -> tuple[str, dict[str, int]]:
        database = open_database(settings)
        secret = await AccessService(database, load_key(settings.key_path), None).issue("ada", ["tasks"])
        new = NewTask(owner="ada", spec=SPEC, kind=Kind.PROCESS, terms=Terms())
        await database.write(lambda c: [tasks.create(c, new) for _ in range(3)])
        await database.close()
        return secret, await counts_of(settings)

    return asyncio.run(run())


async def counts_of(settings: Settings) -> dict[str, int]:
    database = open_database(settings)
    found = await database.read(
        lambda c: {
            one.name: c.execute(select(func.count()).select_from(one)).scalar_one() for one in metadata.sorted_tables
        }
    )
    await database.close()
    return found


def run(*arguments: str) -> str:
    """A command's output; its error, if it has one, is raised."""
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, PenstockError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")]
)
def test_a_backup_brings_rows_and_key_back(make: Make, tmp_path: Path, source: str, target: str) -> None:
    before = make(source)
    secret, counts = fill(before)
    run("backup", str(tmp_path / "one.tar"))
    assert (tmp_path / "one.tar").stat().st_mode & 0o777 == 0o600
    after = make(target)
    run("restore", str(tmp_path / "one.tar"))
    assert asyncio.run(counts_of(after)) == counts
    assert after.key_path.read_bytes() == before.key_path.read_bytes()

    async def look() -> tuple[str, object]:
        database = open_database(after)
        who = await AccessService(database, b"", None).principal(secret)
        (task, *_) = await database.read(lambda c: c.execute(select(metadata.tables["tasks"].c.id)).scalars().all())
        found = await database.read(lambda c: tasks.get(c, task))
        await database.close()
        assert found is not None
        return who.owner, found.spec

    assert asyncio.run(look()) == ("ada", SPEC)


def test_a_store_with_rows_is_replaced_only_when_that_is_said(make: Make, tmp_path: Path) -> None:
    for kind in ("sqlite", "postgresql"):
        settings = make(kind)
        _, counts = fill(settings)
        run("backup", str(tmp_path / "one.tar"))
        fill(settings)
        with pytest.raises(Conflict, match="--replace"):
            run("restore", str(tmp_path / "one.tar"))
        run("restore", str(tmp_path / "one.tar"), "--replace")
        assert asyncio.run(counts_of(settings)) == counts
    assert len(list(tmp_path.glob("sqlite-*/penstock.db.before-restore"))) == 1


def test_a_key_that_differs_is_not_overwritten_unasked(make: Make, tmp_path: Path) -> None:
    fill(make("sqlite"))
    run("backup", str(tmp_path / "one.tar"))
    other = make("sqlite")
    load_key(other.key_path)
    with pytest.raises(SetupError, match="another key"):
        run("restore", str(tmp_path / "one.tar"))


def test_a_damaged_backup_is_refused_before_anything_changes(make: Make, tmp_path: Path) -> None:
    settings = make("sqlite")
    fill(settings)
    run("backup", str(tmp_path / "one.tar"))
    whole = bytearray((tmp_path / "one.tar").read_bytes())
    with tarfile.open(tmp_path / "one.tar") as archive:
        at = archive.getmember(backup.ROWS).offset_data + 20
    whole[at] ^= 1
    (tmp_path / "one.tar").write_bytes(whole)
    before = asyncio.run(counts_of(settings))
    with pytest.raises(InvalidInput, match=backup.ROWS):
        run("restore", str(tmp_path / "one.tar"), "--replace")
    assert asyncio.run(counts_of(settings)) == before


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x00" * 10240])
def test_what_is_no_backup_is_refused(make: Make, tmp_path: Path, content: bytes) -> None:
    make("sqlite")
    (tmp_path / "one.tar").write_bytes(content)
    with pytest.raises(InvalidInput):
        run("restore", str(tmp_path / "one.tar"))


def test_a_database_in_use_is_not_restored_over(make: Make, tmp_path: Path) -> None:
    from penstock.signals import Signals

    settings = make("postgresql")
    run("backup", str(tmp_path / "one.tar"))

    async def while_a_server_runs() -> None:
        database = open_database(settings)
        await database.start(Signals())
        try:
            await asyncio.to_thread(run, "restore", str(tmp_path / "one.tar"), "--replace")
        finally:
            await database.close()

    with pytest.raises(SetupError, match="Stop every server"):
        asyncio.run(while_a_server_runs())
