"""The module `penstock_artefact`: when it makes, what it leaves, and what an interruption does."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import multiprocessing
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]  # it has no types
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def artefact_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("penstock_artefact", ROOT / "library" / "penstock_artefact.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Runner:
    """Runs the module as Ansible does, in this process: it copies `source` and counts how often."""

    def __init__(self, module: ModuleType, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self._module, self._output, self.folder = module, output, folder
        self.into = folder / "mirror" / "programs"
        self.source = folder / "source"
        self.source.mkdir()
        (self.source / "main.go").write_text("one")

    def __call__(self, script: str = 'cp source/main.go "$ARTEFACT/program"', **more: Any) -> dict[str, Any]:
        self.main(script, **more)
        told: dict[str, Any] = json.loads(self._output.readouterr().out)
        return told

    def main(self, script: str, **more: Any) -> None:
        command = ["sh", "-euc", f"echo made >>times; {script}"]
        arguments = {
            "name": "program",
            "command": command,
            "chdir": str(self.folder),
            "made_from": [str(self.source)],
            "into": str(self.into),
            **more,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            self._module.main()

    @property
    def times(self) -> int:
        counted = self.folder / "times"
        return len(counted.read_text().splitlines()) if counted.exists() else 0


@pytest.fixture
def run(artefact_module: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(artefact_module, tmp_path, capfd)


def test_it_makes_once_and_puts_the_digest_beside_the_file(run: Runner) -> None:
    first, second = run(), run()
    assert (first["changed"], second["changed"], run.times) == (True, False, 1)
    digest = hashlib.sha256(b"one").hexdigest()
    assert first["files"] == second["files"] == {"program": digest}
    assert (run.into / "program.sha256").read_text() == f"{digest}\n"


@pytest.mark.parametrize("change", ["content", "a further file", "the command", "the environment"])
def test_it_makes_again_when_what_decides_has_changed(run: Runner, change: str) -> None:
    run()
    if change == "content":
        (run.source / "main.go").write_text("two")
    if change == "a further file":
        (run.source / "other.go").write_text("")
    script = 'cp source/main.go "$ARTEFACT/program"' + (" && true" if change == "the command" else "")
    assert run(script, environment={"FLAGS": "-s"} if change == "the environment" else {})["changed"]
    assert run.times == 2


def test_its_command_gets_the_environment(run: Runner) -> None:
    run('echo "$FLAGS" >"$ARTEFACT/flags"', environment={"FLAGS": "-s -w"})
    assert (run.into / "flags").read_text() == "-s -w\n"


def test_a_file_that_was_cut_is_made_anew(run: Runner) -> None:
    run()
    (run.into / "program").write_text("o")
    assert run()["changed"]
    assert (run.into / "program").read_text() == "one"


def test_a_file_that_was_only_touched_is_not(run: Runner) -> None:
    run()
    os.utime(run.into / "program", (1, 1))
    assert not run()["changed"]


@pytest.mark.parametrize("lost", ["program", "program.sha256", ".made/program.json"])
def test_what_is_lost_is_made_anew(run: Runner, lost: str) -> None:
    run()
    (run.into / lost).unlink()
    assert run()["changed"]
    assert (run.into / lost).exists()


def test_a_half_written_record_is_as_good_as_none(run: Runner) -> None:
    run()
    (run.into / ".made" / "program.json").write_text('{"key": "ab')
    assert run()["changed"]


def test_what_an_interrupted_run_left_does_not_get_in(run: Runner) -> None:
    half = run.into / ".made" / "program.making"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("half")
    assert set(run()["files"]) == {"program"}
    assert not half.exists()


def test_a_command_that_fails_leaves_the_former_files_and_says_why(run: Runner) -> None:
    run()
    (run.source / "main.go").write_text("two")
    told = run("echo main.go:1: expected package >&2; exit 1")
    assert told["failed"]
    assert "program cannot be made: main.go:1: expected package" in told["msg"]
    assert (run.into / "program").read_text() == "one"
    assert run()["changed"]


def test_files_of_the_former_version_go(run: Runner) -> None:
    run('echo 1 >"$ARTEFACT/program-1"')
    run('echo 2 >"$ARTEFACT/program-2"')
    assert sorted(path.name for path in run.into.iterdir()) == [".made", "program-2", "program-2.sha256"]


def test_check_mode_says_that_it_would_and_makes_nothing(run: Runner) -> None:
    assert run(_ansible_check_mode=True)["changed"]
    assert run.times == 0
    run()
    assert not run(_ansible_check_mode=True)["changed"]


def test_a_missing_source_is_named(run: Runner) -> None:
    told = run(made_from=[str(run.folder / "nothing")])
    assert "nothing, which does not exist" in told["msg"]


def test_its_documentation_names_its_options(artefact_module: ModuleType) -> None:
    documented = yaml.safe_load(artefact_module.DOCUMENTATION)["options"]
    assert set(documented) == {"name", "command", "chdir", "environment", "made_from", "into"}


def test_two_runs_at_once_make_it_once(run: Runner) -> None:
    fork = multiprocessing.get_context("fork")
    script = 'until [ -e go ]; do sleep 0.05; done; touch "$ARTEFACT/x"'
    both = [fork.Process(target=run.main, args=(script,)) for _ in range(2)]
    both[0].start()
    until(lambda: run.times == 1)
    both[1].start()
    inode = (run.into / ".made" / "program.lock").stat().st_ino
    waiting = re.compile(rf"-> FLOCK .* {both[1].pid} \S+:{inode} ")
    until(lambda: waiting.search(Path("/proc/locks").read_text()) is not None)
    (run.folder / "go").touch()
    for one in both:
        one.join(30)
    assert ([one.exitcode for one in both], run.times) == ([0, 0], 1)
