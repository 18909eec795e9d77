"""What a machine offers, within the limits of its control group."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.backends.local import room
from penstock.settings import Settings


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group tree of our own; this process is in a/b."""
    monkeypatch.setattr(room, "_own_group", lambda: "a/b")
    (tmp_path / "a/b").mkdir(parents=True)
    return tmp_path


def test_without_limits_it_is_what_the_system_has(groups: Path) -> None:
    (groups / "a/cpu.max").write_text("max 100000\n")
    (groups / "a/memory.max").write_text("max\n")
    assert room.cpu_count(groups) == len(os.sched_getaffinity(0))
    assert room.ram_bytes(groups) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_the_tightest_limit_on_the_way_up_counts(groups: Path) -> None:
    (groups / "a/b/cpu.max").write_text("80000 100000\n")
    (groups / "a/cpu.max").write_text("50000 100000\n")
    (groups / "a/b/memory.max").write_text("1000000\n")
    (groups / "a/memory.max").write_text("2000000\n")
    assert room.cpu_count(groups) == 0.5
    assert room.ram_bytes(groups) == 1_000_000


def test_settings_win(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "not/there/yet", cpu_cores=3.5, ram_gb=7, slots=9)
    found = room.survey_room(settings)
    assert (found.cpu_cores, found.ram_gb, found.slots) == (3.5, 7, 9)
    assert found.disk_gb > 0


def test_a_tenth_of_the_memory_is_left_for_the_services(tmp_path: Path) -> None:
    found = room.survey_room(Settings(data=tmp_path))
    assert found.ram_gb == pytest.approx(0.9 * room.ram_bytes() / 1e9, abs=0.001)
