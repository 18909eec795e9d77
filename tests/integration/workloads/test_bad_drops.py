"""Every bad tar against one server: it is refused in words, changes nothing outside, and the server stays up."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.data.drops.bad import BY_CATALOGUE, CASES, HASH, good
from tests.integration.workloads.conftest import WAIT_S
from tests.integration.workloads.test_drop_box import look, put, until, workload_of

from penstock.clock import Deadline
from penstock.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, catalogue: Path) -> Settings:
    """A server with an open drop box."""
    return Settings(data=tmp_path / "data", catalogue=[catalogue], drop_box=True)


def everything(folder: Path) -> str:
    """What lies below ``folder``, but for the store and the log of who did what."""
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if not path.name.startswith(("penstock.db", "audit.jsonl")):
            content = path.read_bytes() if path.is_file() else b""
            seen.update(f"{path} {path.lstat().st_mode} {content!r}".encode())
    return seen.hexdigest()


async def test_bad_tars_change_nothing_and_are_explained(site: Any, tmp_path: Path) -> None:
    await put(site, good(), "first" * 6)
    await until(site, await workload_of(site, "first" * 6), "QUEUED")
    before = everything(tmp_path)
    for number, (name, (make, told)) in enumerate(CASES.items()):
        key = f"{number:032}"
        answer = await put(site, make(), key)
        assert answer.status_code == 201, (name, answer.text)
        refused = await look(site, key, auth=None)
        assert refused.status_code == 409, (name, refused.text)
        assert told in refused.json()["detail"], (name, refused.text)
        assert HASH not in refused.text
        deadline = Deadline.after(WAIT_S)
        while list((site.workspace / "drops").iterdir()):  # it is refused first, and removed then
            assert not deadline.passed
            await asyncio.sleep(0)
        assert everything(tmp_path) == before, name
    assert len(BY_CATALOGUE & CASES.keys()) == len(BY_CATALOGUE)
    assert (await site.client.get("/readyz")).status_code == 200
    await put(site, good(), "last-" * 6)
    await until(site, await workload_of(site, "last-" * 6), "QUEUED")
