"""With tokens: everybody sees what is theirs, and an account opens one workload's results and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.cli.conftest import PIPELINES, Shell, shell_at


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that wants tokens; its agent has one."""
    environment = {"PENSTOCK_AUTHENTICATION": "tokens", "PENSTOCK_CATALOGUE": str(PIPELINES)}
    one = RunningServer(tmp_path_factory.mktemp("guarded") / "server", environment=environment)
    give_token(one, one.data / "token", "site", "agent:local")
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


def give_token(server: RunningServer, file: Path, owner: str, *scopes: str) -> None:
    words = ["admin", "token", "ensure", "--owner", owner, "--file", str(file)]
    options = [word for scope in scopes for word in ("--scope", scope)]
    variables = {**server.variables(), "PENSTOCK_DATA": str(server.data)}
    subprocess.run(Shell.command(*words, *options), env=variables, check=True, capture_output=True)


def user(server: RunningServer, tmp_path: Path, name: str) -> Shell:
    token = tmp_path / f"{name}.token"
    give_token(server, token, name, "workloads", "tasks")
    return shell_at(server, tmp_path / name, PENSTOCK_TOKEN_FILE=str(token))


def test_a_workload_is_its_owners_and_its_account_opens_its_results_only(
    guarded: RunningServer, tmp_path: Path
) -> None:
    ada, bob = user(guarded, tmp_path, "ada"), user(guarded, tmp_path, "bob")
    ada.file("a.txt", "1\n2\n")
    told = ada.json("run", "tally", "--text", "a.txt", "--output", "out", "--keep")
    other = ada.ok("submit", "tally", "--text", "a.txt", "--name", "other").strip()
    assert told["state"] == "SUCCEEDED"
    for words in (("status",), ("download", "--output", "out"), ("cancel",), ("ack",), ("logs",)):
        assert told["id"] in bob.wrong(words[0], told["id"], *words[1:], code=2)
    assert bob.json("list") == []
    _check_account(guarded.url, account_of(ada, told["id"]), told["id"], other)
    ada.ok("status", "--wait", other)
    ada.ok("ack", told["id"], other)


def account_of(shell: Shell, workload: str) -> tuple[str, str]:
    for path in (shell.folder / "state" / "runs").glob("*.json"):
        record = json.loads(path.read_text())
        if record["workload"] == workload:
            return record["account"]["name"], record["account"]["secret"]
    raise AssertionError("the account was not kept")


def _check_account(url: str, account: tuple[str, str], own: str, other: str) -> None:
    with httpx.Client(base_url=url, auth=account, trust_env=False) as http:
        assert http.get(f"/download/{own}/files/counts/a").text == "2\n"
        assert http.get(f"/download/{other}/manifest.sha256").status_code == 401
        assert http.get("/api/v1/workloads").status_code == 401
        unknown = http.get("/download/01aaaaaaaaaaaaaaaaaaaaaaaa/manifest.sha256", auth=(account[0], "wrong"))
        wrong = http.get(f"/download/{own}/manifest.sha256", auth=(account[0], "wrong"))
        assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())


def test_a_token_without_the_scope_is_refused_in_words(guarded: RunningServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    give_token(guarded, token, "eve", "tasks")
    eve = shell_at(guarded, tmp_path / "eve", PENSTOCK_TOKEN_FILE=str(token))
    assert "workloads" in eve.wrong("list", code=2)
    assert eve.json("task", "list") == []


def test_a_token_chosen_elsewhere_is_entered_once_and_opens_from_then_on(
    guarded: RunningServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(f"pst_{'0' * 25}1_{'a' * 43}\n")
    eve = shell_at(guarded, tmp_path / "eve", PENSTOCK_TOKEN_FILE=str(token), PENSTOCK_DATA=str(guarded.data))
    assert "token" in eve.wrong("task", "list", code=2)
    words = ("admin", "token", "enter", "--file", str(token), "--scope", "tasks", "--owner")
    assert eve.ok(*words, "eve") == "entered\n"
    assert eve.ok(*words, "eve") == "unchanged\n"
    assert eve.json("task", "list") == []
    assert "not a live one of 'bob'" in eve.wrong(*words, "bob", code=2)


def test_the_token_is_never_on_the_screen(guarded: RunningServer, tmp_path: Path) -> None:
    ada = user(guarded, tmp_path, "ada")
    secret = (tmp_path / "ada.token").read_text().strip()
    ada.file("a.txt", "1\n")
    done = ada("run", "tally", "--text", "a.txt", "--output", "out", "--json")
    assert done.returncode == 0
    assert secret not in done.stdout + done.stderr
