"""Wrong use gets a clear answer with its own exit code, and leaves nothing behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.integration.cli.conftest import PIPELINES, Shell, shell_at

OUT = ("--output", "out")


@pytest.fixture(autouse=True)
def texts(shell: Shell) -> Iterator[None]:
    """Some files; whatever the test does wrong, nothing may reach the server or the folder."""
    shell.file("a.txt", "1\n")
    shell.file("empty.txt", "")
    shell.file("table.csv", "1,2\n")
    shell.file("other/a.txt", "2\n")
    before = shell.json("list")
    yield
    assert shell.json("list") == before
    assert not (shell.folder / "out").exists()


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
        (("run", "tally", "--text", "https://example.org/a.txt", *OUT), ("cannot be an input", "Upload the file")),
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
def test_wrong_use_is_told_in_words_and_ends_with_2(
    shell: Shell, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    stderr = shell.wrong(*words, code=2)
    for part in said:
        assert part in " ".join(stderr.split())


def test_with_json_the_error_is_an_object_too(shell: Shell) -> None:
    done = shell("run", "tally", "--text", "no.txt", *OUT, "--json")
    assert done.returncode == 2
    assert '"code": "invalid-input"' in done.stdout


def test_a_server_that_is_not_there_ends_with_4_and_says_how_to_start_it(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shell.environment["PENSTOCK_URL"] = f"http://127.0.0.1:{port}"
    for words in (("list",), ("run", "tally", "--text", "a.txt", *OUT), ("task", "list")):
        said = shell.wrong(*words, code=4)
        assert f"No answer from http://127.0.0.1:{port}: Connection refused." in said
        assert "hint: Start it with `penstock serve`, or set PENSTOCK_URL." in said
    del shell.environment["PENSTOCK_URL"]
    shell.environment["PENSTOCK_URL"] = _url(shell)


def _url(shell: Shell) -> str:
    return shell.environment["LAB_URL"]


@pytest.fixture
def shell(lab: RunningServer, tmp_path: Path) -> Iterator[Shell]:
    """A user of the shared server who can find it again."""
    one = shell_at(lab, tmp_path / "home", LAB_URL=lab.url)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("variable", "value"), [("PENSTOCK_URL", "localhost:8642"), ("PENSTOCK_PATIENCE_S", "long"), ("PENSTOCK_PORT", "x")]
)
def test_a_wrong_setting_is_named(shell: Shell, variable: str, value: str) -> None:
    said = shell_with(shell, **{variable: value}).wrong("list", code=1 if variable != "PENSTOCK_URL" else 2)
    assert variable in said
    assert value in said


def test_a_folder_for_results_that_cannot_be_made_is_told_before_anything_is_sent(shell: Shell) -> None:
    said = shell.wrong("run", "tally", "--text", "a.txt", "--output", "a.txt/out", code=1)
    assert "Cannot make the folder a.txt/out: Not a directory" in said


def shell_with(shell: Shell, **environment: str) -> Shell:
    return Shell(shell.folder, {**shell.environment, **environment})


def test_a_missing_token_is_told_with_the_file_that_was_looked_at(shell: Shell, tmp_path: Path) -> None:
    locked = RunningServer(
        tmp_path / "locked",
        environment={"PENSTOCK_AUTHENTICATION": "tokens", "PENSTOCK_CATALOGUE": str(PIPELINES)},
        arguments=("--no-agent",),
    )
    locked.start()
    try:
        stranger = shell_at(locked, tmp_path / "stranger", PENSTOCK_TOKEN_FILE=str(tmp_path / "token"))
        stranger.file("a.txt", "1\n")
        said = stranger.wrong("run", "tally", "--text", "a.txt", *OUT, code=2)
        assert f"wants a token, and there is none in {tmp_path / 'token'}" in said
        assert "penstock admin token create" in said
        (tmp_path / "token").write_text("penstock_wrong_one\n")
        assert f"refused the token in {tmp_path / 'token'}" in stranger.wrong("list", code=2)
    finally:
        locked.stop()
