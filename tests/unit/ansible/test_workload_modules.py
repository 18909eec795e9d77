"""workload_info, workload_account and workload_cleanup: what they say, change, and leave alone."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from tests.unit.ansible.conftest import FRAGMENTS, LIBRARY, Operated, Run, load

MODULES = ("workload", "workload_account", "workload_cleanup", "workload_info")
DAY = 86_400
SECRET = "the-new-secret"


def documented_options(module: ModuleType) -> dict[str, Any]:
    """Those of the module and of the fragments that it extends."""
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = dict(documentation["options"])
    for name in documentation["extends_documentation_fragment"]:
        fragment = load(name, FRAGMENTS).ModuleDocFragment.DOCUMENTATION
        shared = yaml.safe_load(fragment)["options"]
        assert not set(shared) & set(options)
        options |= shared
    return options


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_is_that_of_the_arguments(name: str) -> None:
    module = load(name)
    documented = documented_options(module)
    assert set(documented) == set(module.ARGUMENTS)
    for option, spec in module.ARGUMENTS.items():
        said = documented[option]
        for key in ("type", "required", "default", "choices", "elements"):
            assert said.get(key) == spec.get(key), (option, key)
        assert said["description"]


def test_ansible_doc_finds_the_connection_options_of_each_module() -> None:
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", *MODULES]
    told = subprocess.run(command, cwd=LIBRARY.parent, capture_output=True, text=True, check=True).stdout
    for name, found in json.loads(told).items():
        assert set(found["doc"]["options"]) == set(load(name).ARGUMENTS), name


@pytest.mark.parametrize("name", MODULES)
def test_examples_and_returns_are_right(name: str) -> None:
    module = load(name)
    for task in yaml.safe_load(module.EXAMPLES):
        assert set(task[name] or {}) <= set(module.ARGUMENTS)
    for told in yaml.safe_load(module.RETURN).values():
        assert {"description", "returned", "type"} <= set(told)
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_said(name: str, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *more: Any, **named: Any) -> Any:
        if module.startswith("penstock"):
            raise ImportError(module)
        return real(module, *more, **named)

    required: dict[str, dict[str, Any]] = {
        "workload": {"pipeline": "x", "inputs": {}, "output": "x"},
        "workload_account": {"workload": "x"},
        "workload_cleanup": {"older_than": 1},
        "workload_info": {},
    }
    monkeypatch.setattr(builtins, "__import__", without)
    told = run_module(name, **required[name])
    assert told["failed"]
    assert "penstock" in told["msg"]


def test_info_lists_and_sums(run_module: Run, operated: Operated) -> None:
    operated.add("a", size=5)
    operated.add("b", "RUNNING", owner="bob", age=5, size=7)
    told = run_module("workload_info")
    assert (told["changed"], told["bytes"], told["by_state"]) == (False, 12, {"RUNNING": 1, "SUCCEEDED": 1})
    assert [one["id"] for one in told["workloads"]] == ["b", "a"]
    assert run_module("workload_info", owner="bob")["bytes"] == 7
    assert run_module("workload_info", states=["SUCCEEDED"])["bytes"] == 5
    assert run_module("workload_info", older_than=50)["bytes"] == 5
    assert run_module("workload_info", ids=["b"])["bytes"] == 7
    assert operated.calls == []


def test_info_shows_accounts_without_secrets(run_module: Run, operated: Operated) -> None:
    operated.add("a", age=DAY)
    (one,) = run_module("workload_info", accounts=True)["workloads"]
    assert one["account"]["state"] == "active"
    assert set(one["account"]) == {"state", "name", "rotated_at"}


@pytest.mark.parametrize("module", ["workload_info", "workload_cleanup"])
def test_a_state_that_is_none_is_refused(run_module: Run, module: str) -> None:
    told = run_module(module, states=["DONE"], older_than=0)
    assert told["failed"]
    assert "'DONE' is not a state" in told["msg"]


TABLE: list[tuple[float | None, dict[str, Any], bool, str]] = [
    (10, {"state": "present"}, False, "active"),
    (None, {"state": "present"}, True, "active"),
    (10, {"state": "absent"}, True, "revoked"),
    (None, {"state": "absent"}, False, "revoked"),
    (10, {"state": "rotated"}, True, "active"),
    (10, {"state": "rotated", "older_than": DAY}, False, "active"),
    (2 * DAY, {"state": "rotated", "older_than": DAY}, True, "active"),
    (None, {"state": "rotated"}, True, "active"),
]


@pytest.mark.parametrize(("age", "arguments", "changed", "state"), TABLE)
@pytest.mark.parametrize("check", [True, False])
def test_an_account_is_changed_only_where_it_must_be(
    run_module: Run,
    operated: Operated,
    age: float | None,
    arguments: dict[str, Any],
    changed: bool,
    state: str,
    check: bool,
) -> None:
    operated.accounts[operated.add("a")] = age
    told = run_module("workload_account", check=check, workload="a", **arguments)
    assert (told["changed"], told["state"]) == (changed, state)
    assert bool(operated.calls) == (changed and not check)
    assert ("secret" in told) == (changed and not check and state == "active")
    assert SECRET not in json.dumps(told["diff"])
    assert (told["diff"]["before"] != told["diff"]["after"]) == changed


def test_a_second_run_changes_nothing(run_module: Run, operated: Operated) -> None:
    operated.add("a", age=2 * DAY)
    for arguments in ({"state": "rotated", "older_than": DAY}, {"state": "absent"}, {"state": "present"}):
        assert run_module("workload_account", workload="a", **arguments)["changed"]
        assert not run_module("workload_account", workload="a", **arguments)["changed"]


def test_a_secret_goes_into_a_file_of_its_own_and_nowhere_else(
    run_module: Run, operated: Operated, tmp_path: Path
) -> None:
    operated.add("a")
    file = tmp_path / "private" / "a"
    told = run_module("workload_account", workload="a", state="rotated", secret_file=str(file))
    assert SECRET not in json.dumps(told)
    assert file.read_text() == f"w1 {SECRET}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_the_server_refuses_is_said_with_its_code(run_module: Run) -> None:
    told = run_module("workload_account", workload="nobody")
    assert (told["failed"], told["code"]) == (True, "not-found")
    assert "nobody" in told["msg"]


def test_cleanup_removes_what_has_ended_and_is_old(run_module: Run, operated: Operated) -> None:
    operated.add("old", age=10 * DAY, size=5)
    operated.add("failed", "FAILED", age=10 * DAY, size=1)
    operated.add("young", age=5)
    operated.add("running", "RUNNING", age=10 * DAY)
    would = run_module("workload_cleanup", check=True, older_than=DAY)
    assert operated.calls == []
    did = run_module("workload_cleanup", older_than=DAY)
    for told in (would, did):
        assert (told["changed"], told["bytes"]) == (True, 6)
        assert {one["id"] for one in told["workloads"]} == {"old", "failed"}
        assert "old ada SUCCEEDED 5 bytes\n" in told["diff"]["before"]
    assert sorted(operated.calls) == ["POST failed:acknowledge", "POST old:acknowledge"]
    again = run_module("workload_cleanup", older_than=DAY)
    assert (again["changed"], again["bytes"]) == (False, 0)


def test_cleanup_cancels_only_when_it_is_told_to(run_module: Run, operated: Operated) -> None:
    operated.add("running", "RUNNING", owner="ada")
    operated.add("other", "RUNNING", owner="bob")
    assert not run_module("workload_cleanup", owner="ada", states=[], older_than=0)["changed"]
    assert run_module("workload_cleanup", owner="ada", states=[], older_than=0, cancel=True)["changed"]
    assert operated.calls == ["POST running:cancel", "POST running:acknowledge"]


def test_cleanup_wants_an_age(run_module: Run) -> None:
    assert "older_than" in run_module("workload_cleanup")["msg"]
