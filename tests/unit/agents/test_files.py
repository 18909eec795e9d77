"""Files of attempts at sites that do not mount the workspace."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from penstock.access.models import Principal
from penstock.agents.files import AttemptFiles, archive
from penstock.backends.kubernetes.transfer import unpack
from penstock.errors import Fenced, Forbidden, InvalidInput, NotFound, StorageFull
from penstock.settings import Settings
from penstock.tasks.models import TaskSpec
from penstock.tasks.publish import Publisher
from penstock.tasks.service import TaskService

ATTEMPT = "01hzzzzzzzzzzzzzzzzzzzzzzz-1"
FOLDER = "tasks/01hzzzzzzzzzzzzzzzzzzzzzzz/1"
URL = "file:///workspace/owners/o/data"
CALLER = Principal("o", frozenset({"tasks"}), None, ATTEMPT)


class OneTask:
    """As much of a TaskService as is asked: one task, whose attempt is live or not."""

    def __init__(self, inputs: list[dict[str, Any]]) -> None:
        executors = [{"image": "i", "command": ["true"]}]
        self.spec = TaskSpec.model_validate({"executors": executors, "inputs": inputs})
        self.live = True

    async def get(self, _task: str) -> OneTask:
        return self

    async def owner_of_attempt(self, _attempt: str) -> tuple[str, None] | None:
        return ("o", None) if self.live else None


def files(tmp_path: Path, *inputs: dict[str, Any], **settings: Any) -> tuple[AttemptFiles, OneTask]:
    """The service over a workspace."""
    given = Settings(**{"data": tmp_path, "workspace_reserve": 0, **settings})
    given.workspace_path.mkdir(exist_ok=True)
    task = OneTask([*inputs])
    return AttemptFiles(cast("TaskService", task), given), task


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    """What a request sends."""
    for chunk in chunks:
        yield chunk


async def test_an_input_is_found_where_the_task_says(tmp_path: Path) -> None:
    service, _ = files(tmp_path, {"path": "/in", "url": f"{URL}/x"}, {"path": "/t", "content": "text"})
    place = tmp_path / "workspace/owners/o/data/x"
    place.parent.mkdir(parents=True)
    place.write_text("x")
    assert (await service.input(ATTEMPT, 0, CALLER))[1] == place
    given, path = await service.input(ATTEMPT, 1, CALLER)
    assert (given.content, path) == ("text", None)


@pytest.mark.parametrize("attempt", [None, ATTEMPT[:-1] + "2"])
async def test_only_the_attempt_itself_may_have_its_files(tmp_path: Path, attempt: str | None) -> None:
    service, _ = files(tmp_path, {"path": "/t", "content": "text"})
    stranger = Principal("o", frozenset({"tasks", "admin"}), None, attempt)
    with pytest.raises(Forbidden):
        await service.input(ATTEMPT, 0, stranger)
    with pytest.raises(Forbidden):
        await service.receive(ATTEMPT, 0, stranger, body(b"x"))


async def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    service, _ = files(tmp_path, {"path": "/in", "url": f"{URL}/missing"}, {"path": "/h", "url": "https://h/x"})
    with pytest.raises(NotFound, match="missing"):
        await service.input(ATTEMPT, 0, CALLER)
    with pytest.raises(InvalidInput, match="https://h/x"):
        await service.input(ATTEMPT, 1, CALLER)
    with pytest.raises(NotFound, match="no input 2"):
        await service.input(ATTEMPT, 2, CALLER)


async def test_an_input_does_not_lead_out_of_its_owners_part(tmp_path: Path) -> None:
    service, _ = files(tmp_path, {"path": "/in", "url": f"{URL}/x"})
    folder = tmp_path / "workspace/owners/o/data"
    folder.mkdir(parents=True)
    (folder / "x").symlink_to("/workspace/owners/other/data/x")
    (tmp_path / "workspace/owners/other/data").mkdir(parents=True)
    (tmp_path / "workspace/owners/other/data/x").write_text("secret")
    with pytest.raises(NotFound):
        await service.input(ATTEMPT, 0, CALLER)


async def test_an_output_lies_whole_in_the_attempts_folder(tmp_path: Path) -> None:
    service, _ = files(tmp_path)
    assert await service.receive(ATTEMPT, 3, CALLER, body(b"ab", b"c")) == 3
    assert (tmp_path / "workspace" / FOLDER / "received/3").read_bytes() == b"abc"
    await service.receive(ATTEMPT, 3, CALLER, body(b"again"))
    assert (tmp_path / "workspace" / FOLDER / "received/3").read_bytes() == b"again"


async def test_what_a_fenced_attempt_sends_reaches_nothing(tmp_path: Path) -> None:
    service, task = files(tmp_path)
    task.live = False
    with pytest.raises(Fenced):
        await service.receive(ATTEMPT, 0, CALLER, body(b"late"))
    assert list((tmp_path / "workspace").rglob("*")) == [tmp_path / "workspace/tasks"]


async def test_a_full_workspace_takes_no_outputs(tmp_path: Path) -> None:
    service, _ = files(tmp_path, workspace_reserve=1 << 60)
    with pytest.raises(StorageFull):
        await service.receive(ATTEMPT, 0, CALLER, body(b"x"))


def test_a_directory_travels_as_an_archive_without_links_that_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "d"
    (root / "empty").mkdir(parents=True)
    (root / "big").write_bytes(b"x" * 3_000_001)
    (root / "sub").mkdir()
    (root / "sub/a").write_text("a")
    (root / "inside").symlink_to("sub/a")
    (root / "outside").symlink_to("../../etc/passwd")
    (root / "absolute").symlink_to(root / "big")
    (root / "twice").hardlink_to(root / "sub/a")
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive(root)))) as tar:
        (tmp_path / "out").mkdir()
        unpack(tar, tmp_path / "out")
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))
    assert found == ["big", "empty", "inside", "sub", "sub/a", "twice"]
    assert (tmp_path / "out/big").read_bytes() == (root / "big").read_bytes()
    assert (tmp_path / "out/inside").read_text() == (tmp_path / "out/twice").read_text() == "a"


async def test_what_was_received_is_discarded_after_the_end(tmp_path: Path) -> None:
    service, _ = files(tmp_path)
    await service.receive(ATTEMPT, 0, CALLER, body(b"x"))
    publisher = Publisher(tmp_path / "workspace")
    publisher.discard(ATTEMPT)
    assert list((tmp_path / "workspace/tasks").iterdir()) == []
    publisher.attempt_folder(ATTEMPT).mkdir(parents=True)
    publisher.discard(ATTEMPT)  # an agent's own folder is the agent's to remove
    assert publisher.attempt_folder(ATTEMPT).is_dir()
