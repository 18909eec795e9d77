"""The garbage collector: finds what belongs to nothing, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from penstock import collector
from penstock.collector import YOUNG_S, Known, Orphan
from penstock.database.engine import Database
from penstock.workloads.models import State

MINE, RUNNING, UPLOAD, TASK, STRANGER = (f"01hz{letter * 22}" for letter in "mruts")
KEY = "k" * 32
THERE = Known(
    uploads={UPLOAD},
    drops={KEY},
    tasks={TASK},
    workloads={MINE: ("ada", State.SUCCEEDED), RUNNING: ("ada", State.RUNNING)},
)
RIGHT = (
    f"incoming/{UPLOAD}",
    f"drops/{KEY}.tar",
    f"drops/{KEY}.part",
    f"tasks/{TASK}/1/out/x",
    f"workloads/{RUNNING}/inputs/x",
    f"owners/ada/results/{MINE}/files/x",
    "owners/ada/data/mine/x",
)
WRONG = {
    "incoming/stranger": "no such upload",
    "drops/other.tar": "no such drop",
    f"tasks/{STRANGER}": "no such task",
    f"workloads/{STRANGER}": "no such workload",
    f"workloads/{MINE}": "the workload is SUCCEEDED",
    f"owners/eve/results/{MINE}": "of no workload of this owner",
    f"owners/ada/results/{STRANGER}": "of no workload of this owner",
    "owners/ada/data/.keeping-x": "cut off",
}


def make(workspace: Path, *names: str) -> None:
    for name in names:
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def later() -> float:
    return time.time() + YOUNG_S + 1


def test_what_belongs_to_something_stays(tmp_path: Path) -> None:
    make(tmp_path, *RIGHT)
    assert collector.find(tmp_path, THERE, later()) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_belongs_to_nothing_is_found_and_removed(tmp_path: Path, name: str) -> None:
    make(tmp_path, *RIGHT, name if "." in name or "stranger" in name else f"{name}/deep/x")
    (found,) = collector.find(tmp_path, THERE, later())
    assert (found.path, found.bytes) == (name, 5)
    assert WRONG[name] in found.reason
    collector.remove(tmp_path, [found])
    collector.remove(tmp_path, [found])
    assert collector.find(tmp_path, THERE, later()) in ([], [Orphan("owners/eve/results", 0, "x")])
    for right in RIGHT:
        assert (tmp_path / right).exists()


def test_an_empty_folder_of_an_owner_is_found(tmp_path: Path) -> None:
    (tmp_path / "owners" / "gone").mkdir(parents=True)
    assert [one.path for one in collector.find(tmp_path, THERE, later())] == ["owners/gone"]


def test_what_is_young_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "incoming/stranger")
    assert collector.find(tmp_path, THERE) == []
    os.utime(tmp_path / "incoming/stranger", (1, 1))
    assert len(collector.find(tmp_path, THERE)) == 1


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    make(tmp_path, "outside/x")
    (tmp_path / "space" / "workloads").mkdir(parents=True)
    (tmp_path / "space" / "workloads" / "link").symlink_to(outside)
    found = collector.find(tmp_path / "space", THERE, later())
    collector.remove(tmp_path / "space", found)
    assert [one.path for one in found] == ["workloads/link"]
    assert (outside / "x").exists()


async def test_an_empty_store_knows_nothing(database: Database) -> None:
    assert await database.read(collector.known) == Known(set(), set(), set(), {})
