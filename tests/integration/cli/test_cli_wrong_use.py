"""Wrong use gets a clear answer with its own exit code, and leaves nothing behind.

The command line runs inside the test's own process here: its server is real, its many starts would only cost time.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer
from tests.integration.cli.conftest import PIPELINES, shell_at

from penstock.cli.main import execute

OUT = ("--output", "out")
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_at_the_server(lab: RunningServer) -> Iterator[None]:
    with httpx.Client(base_url=lab.url, trust_env=False) as http:
        before = [http.get(path).json() for path in ("/api/v1/workloads", "/ga4gh/tes/v1/tasks")]
        yield
        assert [http.get(path).json() for path in ("/api/v1/workloads", "/ga4gh/tes/v1/tasks")] == before


@pytest.fixture
def say(
    lab: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    """What the command line answers: exit code, stdout and stderr. Its folder is as it was before."""
    home = tmp_path / "home"
    (home / "other").mkdir(parents=True)
    for name, content in {"a.txt": "1\n", "empty.txt": "", "table.csv": "1,2\n", "other/a.txt": "2\n"}.items():
        (home / name).write_text(content)
    for name, value in {**lab.variables(), "PENSTOCK_STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))

    def answer(*words: str) -> tuple[int, str, str]:
        code = execute(list(words))
        captured = capsys.readouterr()
        return code, captured.out, " ".join(captured.err.split())

    yield answer
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "talyl", "--text", "a.txt", *OUT), ("no pipeline 'talyl'", "'tally'")),
        (("run", "--text", "a.txt", "tally", *OUT), ("not the name of a pipeline", "comes first")),
        (("run", "tally", "a.txt", *OUT), ("'a.txt' does not belong to any option", "--reads FILE")),
        (("run", "tally", *OUT), ("Input 'text' is missing", "Texts to count")),
        (("run", "tally", "--text", *OUT), ("--text wants a file",)),
        (("run", "tally", "--txet", "a.txt", *OUT), ("takes no input 'txet'", "Did you mean --text?", "--list")),
        (("run", "tally", "--text", "a.txt", "--keeep", "x", *OUT), ("'keeep'", "Did you mean --keep?")),
        (("run", "tally", "--text", "no.txt", *OUT), ("Input 'text': cannot find no.txt: No such file",)),
        (("run", "tally", "--text", "other", *OUT), ("other is a directory", "Name the files in it")),
        (("run", "tally", "--text", "empty.txt", *OUT), ("empty.txt is empty",)),
        (("run", "tally", "--text", "table.csv", *OUT), ("cannot be 'table.csv'", ".txt")),
        (("run", "tally", "--text", "a.txt", "other/a.txt", *OUT), ("2 files named 'a.txt'", "its own name")),
        (("run", "tally", "--text", "a.txt", "--param", "tmies=2", *OUT), ("no parameter 'tmies'", "'times'")),
        (("run", "tally", "--text", "a.txt", "--param", "times=two", *OUT), ("'times' is 'two'", "a whole number")),
        (("run", "tally", "--text", "a.txt", "--param", "times=10", *OUT), ("'times' is 10", "at most 9")),
        (("run", "tally", "--text", "a.txt", "--param", "seconds=-1", *OUT), ("at least 0", "(s)")),
        (("run", "tally", "--text", "a.txt", "--param", "order=size", *OUT), ('"name", "count"',)),
        (("run", "tally", "--text", "a.txt", "--param", "times", *OUT), ("--param times has no value", "NAME=VALUE")),
        (("run", "tally", "--text", "a.txt", "--version", "9", *OUT), ("no version '9'", "1.2")),
        (("run", "tally", "--text", "gopher://example.org/a.txt", *OUT), ("cannot be an input", "Upload the file")),
        (("run", "tally", "--text", "a.txt"), ("Missing option '--output'", "`penstock run --help`")),
        (("rnu",), ("No such command 'rnu'", "penstock --help")),
        (("status", "01aaaaaaaaaaaaaaaaaaaaaaaa"), ("01aaaaaaaaaaaaaaaaaaaaaaaa",)),
        (("download", "01aaaaaaaaaaaaaaaaaaaaaaaa", *OUT), ("01aaaaaaaaaaaaaaaaaaaaaaaa",)),
        (("pipelines", "show", "tallyho"), ("no pipeline 'tallyho'",)),
        (("pipelines", "check", "nowhere"), ("nowhere is no folder",)),
        (("task", "show", "01aaaaaaaaaaaaaaaaaaaaaaaa"), ("01aaaaaaaaaaaaaaaaaaaaaaaa",)),
        (("task", "create", "no.json"), ("Cannot read no.json: No such file",)),
        (("task", "create", "a.txt"), ("does not hold a JSON object",)),
        (("task", "create", "table.csv"), ("table.csv is not JSON",)),
    ],
    ids=lambda words: " ".join(words)[:60] if isinstance(words, tuple) else None,
)
def test_wrong_use_is_told_in_words_and_ends_with_2(say: Say, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    code, out, err = say(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    for part in said:
        assert part in err


def test_with_json_the_error_is_an_object_too(say: Say) -> None:
    code, out, _ = say("run", "tally", "--text", "no.txt", *OUT, "--json")
    assert code == 2
    error = json.loads(out)["error"]
    assert error["code"] == "invalid-input"
    assert "no.txt" in error["message"]


@pytest.mark.parametrize("words", [("list",), ("run", "tally", "--text", "a.txt", *OUT), ("task", "list")])
def test_a_server_that_is_not_there_ends_with_4_and_says_how_to_start_it(
    say: Say, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("PENSTOCK_URL", f"http://127.0.0.1:{port}")
    code, _, err = say(*words)
    assert code == 4
    assert f"error: No answer from http://127.0.0.1:{port}: Connection refused." in err
    assert "hint: Start it with `penstock serve`, or set PENSTOCK_URL." in err


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("PENSTOCK_URL", "localhost:8642", 2), ("PENSTOCK_PATIENCE_S", "long", 1), ("PENSTOCK_PORT", "x", 1)],
)
def test_a_wrong_setting_is_named(
    say: Say, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: int
) -> None:
    monkeypatch.setenv(variable, value)
    code, _, err = say("list")
    assert code == expected
    assert variable in err
    assert value in err


def test_a_folder_for_results_that_cannot_be_made_is_told_before_anything_is_sent(say: Say) -> None:
    code, _, err = say("run", "tally", "--text", "a.txt", "--output", "a.txt/out")
    assert code == 1
    assert "Cannot put results into a.txt/out" in err
    assert "is not a directory" in err


def test_a_missing_or_wrong_token_is_told_with_the_file_that_was_looked_at(tmp_path: Path) -> None:
    environment = {"PENSTOCK_AUTHENTICATION": "tokens", "PENSTOCK_CATALOGUE": str(PIPELINES)}
    locked, token = RunningServer(tmp_path / "locked", environment=environment), tmp_path / "token"
    locked.start()
    try:
        stranger = shell_at(locked, tmp_path / "stranger", PENSTOCK_TOKEN_FILE=str(token))
        stranger.file("a.txt", "1\n")
        said = stranger.wrong("run", "tally", "--text", "a.txt", *OUT, code=2)
        assert f"wants a token, and there is none in {token}" in said
        assert "penstock admin token create" in said
        token.write_text("penstock_wrong_one\n")
        assert f"refused the token in {token}" in stranger.wrong("list", code=2)
    finally:
        locked.stop()
