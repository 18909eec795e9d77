"""The module `penstock_wheel`: when it builds, and what it says."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]  # it has no types

ROOT = Path(__file__).resolve().parents[3]

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "penstock"
version = "0.0.1"
[tool.hatch.build.targets.wheel]
packages = ["src/penstock"]
"""


@pytest.fixture(scope="module")
def wheel_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("penstock_wheel", ROOT / "library" / "penstock_wheel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project of the same shape, but small."""
    source = tmp_path / "checkout"
    (source / "src" / "penstock").mkdir(parents=True)
    (source / "src" / "penstock" / "__init__.py").write_text("")
    (source / "pipelines" / "one").mkdir(parents=True)
    (source / "pipelines" / "one" / "pipeline.yml").write_text("name: one\n")
    (source / "src" / "penstock" / "catalogue").symlink_to("../../pipelines")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "README.md").write_text("A project.\n")
    (source / "LICENSE").write_text("")
    return source


class Runner:
    """Runs the module as Ansible does, in this process."""

    def __init__(self, module: ModuleType, source: Path, output: pytest.CaptureFixture[str]) -> None:
        self._module, self._source, self._output = module, source, output
        self.wheels = source / "build" / "wheels"

    def __call__(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {"source": str(self._source), "wheels": str(self.wheels), "_ansible_check_mode": check, **more}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            self._module.main()
        told: dict[str, Any] = json.loads(self._output.readouterr().out)
        return told


@pytest.fixture
def run(wheel_module: ModuleType, checkout: Path, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(wheel_module, checkout, capfd)


def test_it_builds_a_wheel_once(run: Runner) -> None:
    first, second = run(), run()
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["path"] == second["path"]
    assert Path(first["path"]).parent == run.wheels / first["digest"]
    assert sorted(path.name for path in run.wheels.iterdir()) == [first["digest"]]


def test_the_wheel_holds_the_catalogue(run: Runner) -> None:
    with zipfile.ZipFile(run()["path"]) as wheel:
        assert "penstock/catalogue/one/pipeline.yml" in wheel.namelist()


def test_a_dry_run_says_that_it_would_build_and_builds_nothing(run: Runner) -> None:
    told = run(check=True)
    assert told["changed"]
    assert not run.wheels.exists()
    assert told["digest"] == run()["digest"]
    assert not run(check=True)["changed"]


@pytest.mark.parametrize("part", ["src/penstock/new.py", "pipelines/one/Snakefile", "README.md"])
def test_any_source_counts(run: Runner, checkout: Path, part: str) -> None:
    before = run(check=True)["digest"]
    (checkout / part).write_text("# changed\n")
    assert run(check=True)["digest"] != before


def test_what_python_leaves_behind_does_not_count(run: Runner, checkout: Path) -> None:
    before = run(check=True)["digest"]
    (checkout / "src" / "penstock" / "__pycache__").mkdir()
    (checkout / "src" / "penstock" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert run(check=True)["digest"] == before


def test_that_a_script_became_executable_counts(run: Runner, checkout: Path) -> None:
    before = run(check=True)["digest"]
    (checkout / "pipelines" / "one" / "pipeline.yml").chmod(0o755)
    assert run(check=True)["digest"] != before


def test_further_files_count(run: Runner, checkout: Path) -> None:
    lock = checkout / "service.txt"
    lock.write_text("a==1\n")
    before = run(check=True, further=[str(lock)])["digest"]
    lock.write_text("a==2\n")
    assert run(check=True, further=[str(lock)])["digest"] != before


def test_a_project_that_cannot_be_built_is_said_with_its_reason(run: Runner, checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text(PROJECT.replace("0.0.1", "no version"))
    told = run()
    assert told["failed"]
    assert "cannot be built" in told["msg"]
    assert list(run.wheels.iterdir()) == []


def test_what_another_run_has_built_meanwhile_is_taken(
    run: Runner, wheel_module: ModuleType, checkout: Path, tmp_path: Path
) -> None:
    first = run()
    again = wheel_module.build(checkout, run.wheels / first["digest"])
    assert again == Path(first["path"])


def test_its_documentation_is_that_of_its_arguments(wheel_module: ModuleType, run: Runner) -> None:
    documented = yaml.safe_load(wheel_module.DOCUMENTATION)["options"]
    assert set(documented) == {"source", "wheels", "further"}
    told = run(nonsense=1)
    assert f"Supported parameters include: {', '.join(sorted(documented))}" in told["msg"]
    assert set(yaml.safe_load(wheel_module.RETURN)) == {"path", "digest"}
