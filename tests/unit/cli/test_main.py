"""The command itself: its list of commands, how errors look, how fast it starts."""

from __future__ import annotations

import importlib
import json
import sys
from importlib import import_module
from typing import Any

import pytest
import typer

from penstock import errors
from penstock.cli import main
from penstock.cli.main import COMMANDS, every_command, execute
from penstock.cli.outcome import Interrupted
from penstock.settings import Settings

HEAVY = ("httpx", "pydantic", "fastapi", "sqlalchemy", "uvicorn", "rich.progress", "jsonschema", "yaml", "structlog")


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", {})
    if not children:
        return [(path, command)]
    return [leaf for name, child in children.items() for leaf in leaves(child, (*path, name))]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make ``penstock list`` end in ``error``."""
    module = import_module("penstock.cli.workloads")

    def fail() -> None:
        raise error

    monkeypatch.setattr(module, "list_workloads", fail)


def test_the_list_of_commands_has_each_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, late in COMMANDS.items():
        assert f" {name} " in shown
        assert late.help in shown


def test_the_list_of_commands_imports_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == "penstock" or name in HEAVY:
            monkeypatch.delitem(sys.modules, name)
    fresh = importlib.import_module("penstock.cli.main")
    assert fresh.execute(["--help"]) == 0
    assert [name for name in HEAVY if name in sys.modules] == []
    monkeypatch.undo()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_beginning_of_its_own_help(name: str) -> None:
    command = COMMANDS[name].command(name)
    assert command.help.split("\n")[0].startswith(COMMANDS[name].help.rstrip(".").partition(":")[0].partition(";")[0])


@pytest.mark.parametrize("path", [path for path, _ in leaves(every_command())], ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: penstock {' '.join(path)}" in shown


def test_every_option_says_what_it_is_for() -> None:
    for path, command in leaves(every_command()):
        for parameter in command.params:
            assert parameter.help, f"{' '.join(path)} {parameter.name}"


def test_what_a_program_may_read_it_can_have_as_json() -> None:
    text_only = {("ack",), ("account", "revoke"), ("credentials", "remove"), ("data", "remove"), ("task", "cancel")}
    text_only |= {("serve",), ("agent",)}
    for path, command in leaves(every_command()):
        if path not in text_only and path[0] != "admin":
            assert any("--json" in parameter.opts for parameter in command.params), " ".join(path)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("penstock 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["status"], "Missing argument 'ID'"),
        (["status", "--nonsense", "x"], "No such option: --nonsense"),
        (["list", "--most", "none"], "Invalid value for '--most'"),
        (["task", "nonsense"], "No such command 'nonsense'"),
    ],
)
def test_a_wrong_word_ends_with_2_in_the_form_of_every_error(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert lines[1].startswith("hint: `penstock")


def test_the_hint_names_the_command_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["task", "show"])
    assert "`penstock task show --help` shows how it is used." in capsys.readouterr().err


def test_an_error_is_one_line_and_a_hint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, errors.Conflict("It is\nso [bold] here.", hint="Do that."))
    assert execute(["list"]) == 1
    assert capsys.readouterr().err == "error: It is so [bold] here.\nhint: Do that.\n"


def test_an_error_without_a_hint_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, errors.Unreachable("Nobody there."))
    assert execute(["list"]) == 4
    assert capsys.readouterr().err == "error: Nobody there.\n"


def test_with_json_an_error_is_data_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(json: bool = False) -> None:
        raise errors.NotFound("Not there.", hint="Look elsewhere.")

    monkeypatch.setattr(import_module("penstock.cli.workloads"), "list_workloads", fail)
    assert execute(["list", "--json"]) == 2
    expected = {"error": {"code": "not-found", "message": "Not there.", "hint": "Look elsewhere."}}
    assert json.loads(capsys.readouterr().out) == expected


def test_an_interruption_ends_with_130_and_says_what_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, Interrupted("Interrupted.", "Go on."))
    assert execute(["list"]) == 130
    assert capsys.readouterr().err == "error: Interrupted.\nhint: Go on.\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_ctrl_c_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    raising(monkeypatch, error)
    assert execute(["list"]) == 130
    assert "error: Interrupted." in capsys.readouterr().err


def test_an_error_of_the_system_names_its_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OSError(28, "No space left on device", "/out/x"))
    assert execute(["list"]) == 1
    assert capsys.readouterr().err == "error: /out/x: No space left on device.\n"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "many")
    with pytest.raises(ValueError, match="port") as caught:
        Settings()
    raising(monkeypatch, caught.value)
    assert execute(["list"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: PENSTOCK_PORT is 'many': ")
    assert "docs/settings.md" in err


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        execute(["list"])


def test_the_exit_code_of_a_command_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, typer.Exit(3))
    monkeypatch.setattr(sys, "argv", ["penstock", "list"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 3
