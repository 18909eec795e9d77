"""What of `start_service.py` decides: whose process is whose, and what an environment file says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "service" / "files" / "start_service.py"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with a process table of the test's own."""
    spec = importlib.util.spec_from_file_location("start_service", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "start_service", module)
    spec.loader.exec_module(module)
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(module, "PROC", tmp_path / "proc")
    return module


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """What the last start left: process 100 of session 50, started at tick 7000."""
    path = tmp_path / "record"
    path.write_text("100 50 7000\n")
    return path


def add(program: ModuleType, pid: int, *, group: int, session: int, started: int, state: str = "S") -> None:
    """A line of the process table, with a name that tries to confuse its reader."""
    rest = [state, "1", str(group), str(session), *["0"] * 15, str(started), "0"]
    (program.PROC / str(pid)).mkdir()
    (program.PROC / str(pid) / "stat").write_text(f"{pid} (a) Z 1 (b) {' '.join(rest)}\n")


def pids(program: ModuleType, record: Path, *, group: bool) -> list[int]:
    return sorted(process.pid for process in program.left_over(record, group=group))


def test_the_process_of_the_last_start_is_left_over(program: ModuleType, record: Path) -> None:
    add(program, 100, group=100, session=50, started=7000)
    assert pids(program, record, group=False) == [100]


def test_another_process_with_the_same_pid_is_not(program: ModuleType, record: Path) -> None:
    add(program, 100, group=100, session=50, started=9000)
    assert pids(program, record, group=False) == []


def test_a_zombie_is_not(program: ModuleType, record: Path) -> None:
    add(program, 100, group=100, session=50, started=7000, state="Z")
    assert pids(program, record, group=True) == []


def test_its_group_is_left_over_also_without_it(program: ModuleType, record: Path) -> None:
    add(program, 101, group=100, session=50, started=7100)
    add(program, 102, group=100, session=50, started=7200)
    assert pids(program, record, group=True) == [101, 102]
    assert pids(program, record, group=False) == []


def test_children_with_a_session_of_their_own_are_spared(program: ModuleType, record: Path) -> None:
    add(program, 100, group=100, session=50, started=7000)
    add(program, 200, group=200, session=200, started=7100)
    assert pids(program, record, group=True) == [100]


def test_a_group_of_that_number_in_another_session_is_spared(program: ModuleType, record: Path) -> None:
    add(program, 101, group=100, session=60, started=7100)
    assert pids(program, record, group=True) == []


def test_what_is_older_than_the_service_is_spared(program: ModuleType, record: Path) -> None:
    add(program, 101, group=100, session=50, started=6000)
    assert pids(program, record, group=True) == []


@pytest.mark.parametrize("text", ["", "100\n", "nonsense 1 2\n"])
def test_a_record_that_was_cut_names_nothing(program: ModuleType, record: Path, text: str) -> None:
    record.write_text(text)
    add(program, 100, group=100, session=50, started=7000)
    assert pids(program, record, group=True) == []


def test_without_a_record_nothing_is_left_over(program: ModuleType, tmp_path: Path) -> None:
    assert pids(program, tmp_path / "none", group=True) == []


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("A='two words'", "two words"),
        ('A="two words"', "two words"),
        ('A=\'{"where": "here"}\'', '{"where": "here"}'),
        ("A='it'\"'\"'s'", "it's"),
        ("A=a=b", "a=b"),
        ("A=", ""),
        ("  A=1  ", "1"),
    ],
)
def test_values_are_read_as_a_shell_would(program: ModuleType, tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / "env").write_text(f"# comment\n\n{line}\n")
    assert program.read_environment(tmp_path / "env") == {"A": value}
