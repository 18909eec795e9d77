"""From the words of a command line to what is run: input options by the pipeline's roles, parameters by its schema."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.client.inputs import LocalFile, RemoteFile, look_at
from penstock.errors import InvalidInput, InvalidParameter
from penstock.pipelines.models import Definition, Pipeline
from penstock.pipelines.parameters import check_parameters, parse_parameter
from penstock.pipelines.service import check_inputs

Inputs = list[LocalFile | RemoteFile]


def read_definition(document: Mapping[str, Any]) -> Definition:
    """A pipeline as the server describes it; what a newer server adds is left out."""
    return Definition.model_validate(dict(document), extra="ignore")


def role_values(words: Sequence[str]) -> list[tuple[str, str]]:
    """(role, value) of ``--role FILE FILE …`` and ``--role=FILE``, in the order given."""
    pairs: list[tuple[str, str]] = []
    option = ""
    for word in words:
        if word.startswith("-") and word != "-":
            _check_has_value(option, pairs)
            option, equals, value = word.lstrip("-").partition("=")
            option = option.replace("-", "_")
            if equals:
                pairs.append((option, value))
        elif not option:
            hint = "Say what it is for, as in --reads FILE."
            raise InvalidInput(f"{word!r} does not belong to any option.", hint=hint)
        else:
            pairs.append((option, word))
    _check_has_value(option, pairs)
    return pairs


def read_inputs(definition: Definition, pairs: Sequence[tuple[str, str]], options: Sequence[str]) -> Inputs:
    """The inputs, checked against the roles; files are looked at, not read. ``options`` are the command's own."""
    for role, _ in pairs:
        if role not in definition.inputs:
            raise _unknown_option(definition, role, options)
    given = [_one_input(role, value) for role, value in pairs]
    check_inputs(Pipeline(definition, Path()), [(entry.role, entry.name) for entry in given])
    return given


def read_parameters(definition: Definition, settings: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` words as values of the schema's types, defaults filled in."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InvalidParameter(f"--param {setting} has no value.", hint="Write --param NAME=VALUE.")
        values[name] = parse_parameter(definition.parameters, name, text)
    return check_parameters(definition.parameters, values)


def _check_has_value(option: str, pairs: Sequence[tuple[str, str]]) -> None:
    if option and not any(role == option for role, _ in pairs):
        raise InvalidInput(f"--{option} wants a file.")


def _unknown_option(definition: Definition, role: str, options: Sequence[str]) -> InvalidInput:
    near = difflib.get_close_matches(role, [*definition.inputs, *options], n=1)
    guess = f"Did you mean --{near[0].replace('_', '-')}? " if near else ""
    roles = ", ".join(f"--{name} ({entry.title})" for name, entry in definition.inputs.items())
    hint = f"{guess}Its inputs are {roles}."
    return InvalidInput(f"Pipeline {definition.name!r} takes no input {role!r}.", hint=hint)


def _one_input(role: str, value: str) -> LocalFile | RemoteFile:
    if "://" in value:
        return RemoteFile(role, value)
    return look_at(role, Path(value))
