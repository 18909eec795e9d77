"""The command ``penstock``: which commands there are, and what their errors look like.

A command's module is imported when the command is called: `penstock --help` must not wait for a web server.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from penstock.cli.outcome import FAILED, INTERRUPTED, WRONG_USE, Interrupted, exit_code
from penstock.cli.terminal import print_json, print_problem
from penstock.errors import PenstockError, SetupError

WORKLOADS, CATALOGUE, OPERATION = "Workloads", "Catalogue and tasks", "Operation"
# Input options of a pipeline are not known before the server was asked.
OPEN = {"ignore_unknown_options": True, "allow_extra_args": True}


@dataclass(frozen=True)
class Late:
    """Where a command is, or a group of commands, and what the list of commands says of it."""

    module: str
    attribute: str
    panel: str
    help: str
    settings: dict[str, Any] | None = None

    def command(self, name: str) -> Any:  # noqa: ANN401 - typer's own command class is private
        """The real thing."""
        found: Callable[..., Any] | typer.Typer = getattr(import_module(self.module), self.attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode="rich")
            single.command(name, context_settings=self.settings, rich_help_panel=self.panel)(found)
            found = single
        command = get_command(found)
        command.name = name
        return command


COMMANDS = {
    "run": Late("penstock.cli.run", "run", WORKLOADS, "Run a pipeline on files and bring back the results.", OPEN),
    "submit": Late("penstock.cli.run", "submit", WORKLOADS, "Send a workload and do not wait for it.", OPEN),
    "status": Late("penstock.cli.workloads", "status", WORKLOADS, "Show a workload, or wait for its end."),
    "logs": Late(
        "penstock.cli.workloads",
        "logs",
        WORKLOADS,
        "Show a workload's events and what its failed processes wrote.",
    ),
    "list": Late("penstock.cli.workloads", "list_workloads", WORKLOADS, "List your workloads, newest first."),
    "cancel": Late("penstock.cli.workloads", "cancel", WORKLOADS, "Cancel workloads."),
    "download": Late("penstock.cli.workloads", "download", WORKLOADS, "Bring back a workload's results."),
    "ack": Late("penstock.cli.workloads", "ack", WORKLOADS, "Have everything of workloads removed from the server."),
    "credentials": Late("penstock.cli.credentials", "app", WORKLOADS, "Storage credentials that your tasks use."),
    "keep": Late("penstock.cli.data", "keep", WORKLOADS, "Let a workload's results outlive it."),
    "data": Late("penstock.cli.data", "app", WORKLOADS, "What you keep on the server."),
    "account": Late("penstock.cli.account", "app", WORKLOADS, "Accounts and links that open one workload's results."),
    "pipelines": Late("penstock.cli.pipelines", "app", CATALOGUE, "Look into the catalogue; check a pipeline."),
    "task": Late("penstock.cli.task", "app", CATALOGUE, "Work with single GA4GH TES tasks."),
    "serve": Late("penstock.cli.server", "serve", OPERATION, "Run the server."),
    "agent": Late("penstock.cli.agent", "agent", OPERATION, "Run an agent: it runs tasks on this machine."),
    "admin": Late("penstock.cli.admin", "app", OPERATION, "Operate a server on its own machine."),
}


class LateGroup(TyperGroup):
    """Imports a command when it is called; until then there is its line in the list."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types are private
        """The command that ``args`` begin with."""
        self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> None:
        """Put the real command in its place."""
        if name in COMMANDS:
            self.commands[name] = COMMANDS[name].command(name)


app = typer.Typer(name="penstock", cls=LateGroup, no_args_is_help=True, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"penstock {installed('penstock')}")
        raise typer.Exit


@app.callback()
def penstock(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Files in, a pipeline of independent pods, results out.

    The server is the one that PENSTOCK_URL names; the token is read from ~/.config/penstock/token.
    """


def _announce(name: str, late: Late) -> None:
    @app.command(name, help=late.help, rich_help_panel=late.panel)
    def placeholder() -> None: ...


for _name, _late in COMMANDS.items():
    _announce(_name, _late)


def every_command() -> Any:  # noqa: ANN401 - typer's own command class is private
    """The whole tree of commands, all imported: for who lists them."""
    group = get_command(app)
    for name in COMMANDS:
        group.load(name)  # type: ignore[attr-defined]  # it is a LateGroup
    return group


def execute(words: list[str]) -> int:
    """Run one command line; its exit code. No error that Penstock raises on purpose ends in a traceback."""
    try:
        code = app(words, prog_name="penstock", standalone_mode=False)
    except PenstockError as error:
        return _failed(error, words)
    except typer.TyperException as error:
        hint = f"`{_command_path(words)} --help` shows how it is used."
        _tell(error.format_message(), hint, "wrong-use", words)
        return WRONG_USE
    except Interrupted as error:
        print_problem(error.message, error.hint)
        return INTERRUPTED
    except typer.Abort:
        code = INTERRUPTED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _tell(f"{place}{error.strerror or error}.", "", "system", words)
        return FAILED
    except ValueError as error:
        return _failed(_settings_problem(error), words)
    if code == INTERRUPTED:
        print_problem("Interrupted.")
    return code if isinstance(code, int) else 0


def _failed(error: PenstockError, words: list[str]) -> int:
    _tell(error.message, error.hint, error.code, words)
    return exit_code(error)


def _tell(message: str, hint: str, code: str, words: list[str]) -> None:
    print_problem(message, hint)
    if "--json" in words:
        print_json({"error": {"code": code, "message": message, "hint": hint}})


def _settings_problem(error: ValueError) -> SetupError:
    """What pydantic says of an environment variable; any other ValueError is a bug and is raised again."""
    if getattr(error, "title", None) != "Settings":
        raise error
    wrong = error.errors()[0]  # type: ignore[attr-defined]  # pydantic is not imported for this
    variable = f"PENSTOCK_{wrong['loc'][0]}".upper()
    return SetupError(f"{variable} is {wrong['input']!r}: {wrong['msg']}.", hint="docs/settings.md lists all settings.")


def _command_path(words: list[str]) -> str:
    path = ["penstock", *words[:1]] if words and words[0] in COMMANDS else ["penstock"]
    if (
        len(words) > 1
        and words[0] in ("account", "credentials", "data", "pipelines", "task", "admin")
        and not words[1].startswith("-")
    ):
        path.append(words[1])
    return " ".join(path)


def main() -> None:
    """The console script. It does not wait for threads that still hold a transfer after an interruption."""
    code = execute(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
