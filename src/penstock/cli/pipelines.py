"""``penstock pipelines``: what the catalogue offers, and whether a pipeline of one's own fits into it."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import words
from penstock.cli.arguments import read_definition
from penstock.cli.options import OPTIONS
from penstock.cli.session import server
from penstock.cli.terminal import print_json, print_table, print_text, stdout
from penstock.client.pipelines import get_pipeline, list_pipelines
from penstock.errors import InvalidInput
from penstock.pipelines.check import check_folder
from penstock.pipelines.models import Definition, InputRole
from penstock.pipelines.service import read_pipeline

app = typer.Typer(no_args_is_help=True, help="Look into the catalogue; check a pipeline of your own.")
READABLE = 100  # characters in a line
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the pipelines of the server's catalogue."""
    with server() as connection:
        found = list_pipelines(connection)
    if json:
        print_json(found)
        return
    print_table(
        [("pipeline", "left"), ("version", "left"), ("", "left")],
        [(one["name"], one["version"], one["title"]) for one in found],
    )
    stdout().print("\nInputs and parameters of one: penstock pipelines show NAME")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the pipeline.")],
    version: Annotated[str | None, typer.Option(help="Its version; default: the newest.")] = None,
    json: Json = False,
) -> None:
    """Show a pipeline's inputs, parameters and an example command."""
    with server() as connection:
        document = get_pipeline(connection, name, version)
    if json:
        print_json(document)
    else:
        _show(read_definition(document))


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with pipeline.yml.")], json: Json = False
) -> None:
    """Check a pipeline of your own before it goes into a catalogue; needs no server."""
    problems = [*check_folder(folder), *_hidden_roles(folder)]
    if problems:
        what = words.count(len(problems), "problem")
        raise InvalidInput(f"{folder} has {what}: {' '.join(problems)}")
    pipeline = read_pipeline(folder)
    files = len(list(pipeline.files()))
    if json:
        answer = {"name": pipeline.name, "version": pipeline.version, "digest": pipeline.digest, "files": files}
        print_json(answer)
        return
    stdout().print(f"{pipeline.name} {pipeline.version} is fine: {words.count(files, 'file')}.")
    print_text(f"Once it is in a catalogue: {example_command(pipeline.definition)}")


def _hidden_roles(folder: Path) -> list[str]:
    """Roles that cannot be given on the command line, since `penstock run` has an option of that name."""
    try:
        roles = read_pipeline(folder).definition.inputs
    except InvalidInput:  # told already
        return []
    return [f"inputs.{role}: `penstock run` has an option --{role}." for role in roles if role in OPTIONS]


def example_command(definition: Definition) -> str:
    """A command line that fits the pipeline."""
    example = next(iter(definition.example.values()), None)
    inputs = dict(example.inputs) if example and example.inputs else _made_up(definition)
    options = [f"--{role} {' '.join(map(shlex.quote, names))}" for role, names in inputs.items()]
    settings = example.parameters if example else {}
    options += [f"--param {shlex.quote(f'{name}={_plain(value)}')}" for name, value in settings.items()]
    return " ".join(["penstock run", definition.name, *options, "--output results/"])


def _made_up(definition: Definition) -> dict[str, list[str]]:
    """A file name for each role that must be given: the required ones, and the first of those to choose from."""
    wanted = [role for role, entry in definition.inputs.items() if entry.min > 0]
    wanted += [] if set(wanted) & set(definition.any_of) else definition.any_of[:1]
    return {role: _names(role, definition.inputs[role]) for role in definition.inputs if role in wanted}


def _names(role: str, entry: InputRole) -> list[str]:
    many = max(entry.min, entry.multiple_of)
    numbers = [""] if many == 1 else [f"_{number}" for number in range(1, many + 1)]
    return [f"{role}{number}{entry.suffixes[0]}" for number in numbers]


def _show(definition: Definition) -> None:
    console = stdout()
    console.print(f"[bold]{definition.name}[/bold] {definition.version}: {definition.title}")
    _explain(definition.description, 0)
    console.print("\n[bold]inputs[/bold]")
    for role, entry in definition.inputs.items():
        console.print(f"  [cyan]--{role}[/cyan]  {_many(entry)}, {' '.join(entry.suffixes)}")
        _explain(f"{entry.title}. {entry.description}", 6)
    if len(definition.any_of) > 1:
        console.print(f"  At least one of {', '.join('--' + role for role in definition.any_of)} must be given.")
    properties = definition.parameters.get("properties", {})
    if properties:
        console.print("\n[bold]parameters[/bold] (--param NAME=VALUE)")
    for name, entry in properties.items():
        required = name in definition.parameters.get("required", [])
        console.print(f"  [cyan]{name}[/cyan]  {_value(entry, required=required)}")
        _explain(_title(entry), 6)
    console.print("\n[bold]example[/bold]")
    console.print(f"  {example_command(definition)}", markup=False, soft_wrap=True)


def _explain(text: str, indent: int) -> None:
    """A paragraph, wrapped to what can be read well."""
    blanks = " " * indent
    wide = min(stdout().width, READABLE)
    print_text(textwrap.fill(" ".join(text.split()), wide, initial_indent=blanks, subsequent_indent=blanks))


def _many(entry: InputRole) -> str:
    step = f" in groups of {entry.multiple_of}" if entry.multiple_of > 1 else ""
    if entry.max is None:
        return f"{entry.min} or more files{step}" if entry.min else f"any number of files{step}"
    return words.count(entry.max, "file") if entry.min == entry.max else f"{entry.min} to {entry.max} files{step}"


def _value(entry: dict[str, Any], *, required: bool) -> str:
    """integer ≥ 1 ≤ 16, copies; default 2."""
    kind = entry.get("type", "string")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    allowed = " | ".join(map(_plain, entry["enum"])) if "enum" in entry else kinds
    limits = [f"{sign} {entry[key]}" for key, sign in _LIMITS.items() if key in entry]
    unit = f" ({entry['x-unit']})" if entry.get("x-unit") else ""
    default = "required" if required else f"default {_plain(entry['default'])}" if "default" in entry else ""
    return " ".join([allowed, *limits]) + unit + (f"; {default}" if default else "")


def _title(entry: dict[str, Any]) -> str:
    return ". ".join(str(entry[key]).strip().rstrip(".") for key in ("title", "description") if entry.get(key)) + "."


_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return ",".join(map(_plain, value)) if isinstance(value, list) else str(value)
