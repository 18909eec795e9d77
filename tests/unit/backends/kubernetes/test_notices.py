"""Files that appear in watched folders are heard of, and never more than that."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from penstock.backends.kubernetes.notices import Notices


class Ear:
    """Notices that run, and what was heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.notices = Notices(self.heard.put_nowait)
        self.running = asyncio.create_task(self.notices.run())

    async def next(self) -> str:
        return await asyncio.wait_for(self.heard.get(), 20)


@pytest_asyncio.fixture
async def ear() -> AsyncIterator[Ear]:
    one = Ear()
    yield one
    one.running.cancel()
    await asyncio.gather(one.running, return_exceptions=True)
    one.notices.close()


def put(folder: Path, name: str = "0.told") -> None:
    """As a launcher does."""
    (folder / "0.telling").write_text("words")
    (folder / "0.telling").rename(folder / name)


def folders(top: Path, *names: str) -> list[Path]:
    made = [top / name for name in names]
    for folder in made:
        folder.mkdir()
    return made


async def test_what_is_put_into_a_folder_is_heard_with_its_attempt(ear: Ear, tmp_path: Path) -> None:
    a, b = folders(tmp_path, "a", "b")
    ear.notices.watch("a-1", a)
    ear.notices.watch("b-1", b)
    put(b)
    assert await ear.next() == "b-1"
    put(a)
    assert await ear.next() == "a-1"


async def test_what_is_only_written_is_not_heard(ear: Ear, tmp_path: Path) -> None:
    ear.notices.watch("a-1", tmp_path)
    (tmp_path / "0.stdout").write_text("many words")
    put(tmp_path)
    assert await ear.next() == "a-1"
    assert ear.heard.empty()


async def test_a_forgotten_folder_is_not_heard_and_may_be_gone(ear: Ear, tmp_path: Path) -> None:
    kept, forgotten, gone = folders(tmp_path, "kept", "forgotten", "gone")
    for name, folder in (("kept", kept), ("forgotten", forgotten), ("gone", gone)):
        ear.notices.watch(name, folder)
    shutil.rmtree(gone)
    for name in ("forgotten", "gone", "never"):
        ear.notices.forget(name)
    put(forgotten)
    put(kept)
    assert await ear.next() == "kept"


async def test_a_folder_that_is_not_there_is_listened_to_in_vain(ear: Ear, tmp_path: Path) -> None:
    ear.notices.watch("a-1", tmp_path / "none")
    ear.notices.watch("b-1", tmp_path)
    put(tmp_path)
    assert await ear.next() == "b-1"


async def test_watching_twice_is_heard_once(ear: Ear, tmp_path: Path) -> None:
    ear.notices.watch("a-1", tmp_path)
    ear.notices.watch("a-1", tmp_path)
    put(tmp_path)
    assert await ear.next() == "a-1"
    assert ear.heard.empty()
