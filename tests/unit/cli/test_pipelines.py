"""What is shown of a pipeline."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.unit.cli.conftest import DOCUMENT

from penstock.cli import pipelines
from penstock.cli.arguments import read_definition, read_parameters, role_values
from penstock.cli.options import OPTIONS
from penstock.cli.pipelines import example_command
from penstock.client.inputs import RemoteFile
from penstock.pipelines.models import Definition, Pipeline
from penstock.pipelines.service import check_inputs


def shown(definition: Definition, capsys: pytest.CaptureFixture[str]) -> list[str]:
    pipelines._show(definition)
    return capsys.readouterr().out.splitlines()


def test_inputs_are_shown_as_the_options_they_are(definition: Definition, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(definition, capsys)
    assert "  --reads  1 or more files in groups of 2, .fq .fq.gz" in lines
    assert "  --read_groups  0 to 1 files, .tsv" in lines


def test_parameters_are_shown_with_limits_units_and_defaults(
    definition: Definition, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(definition, capsys)
    assert "  ploidy  integer ≥ 1 (copies); default 2" in lines
    assert "  fast  boolean; default false" in lines
    assert "  bins  array; default 1,2" in lines


def test_a_parameter_that_must_be_given_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"], "title": "N"}}, "required": ["n"]}
    lines = shown(read_definition({**DOCUMENT, "parameters": schema}), capsys)
    assert "  n  integer or null; required" in lines


def test_a_choice_is_shown_by_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    schema = {"type": "object", "properties": {"m": {"enum": ["a", "b", None], "title": "M", "default": None}}}
    lines = shown(read_definition({**DOCUMENT, "parameters": schema}), capsys)
    assert "  m  a | b | none; default none" in lines


def test_inputs_to_choose_from_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    definition = read_definition({**DOCUMENT, "any_of": ["reads", "read_groups"]})
    assert "  At least one of --reads, --read_groups must be given." in shown(definition, capsys)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"any_of": ["read_groups", "reads"]},
        {"example": {"e": {"title": "E", "parameters": {"ploidy": 4, "fast": True, "bins": [3, 4]}}}},
        {"example": {"e": {"title": "E", "inputs": {"reads": ["example/a b.fq", "example/c.fq"]}}}},
    ],
)
def test_the_example_command_fits_its_own_pipeline(changes: dict[str, object]) -> None:
    definition = read_definition({**DOCUMENT, **changes})
    words = shlex.split(example_command(definition))
    assert words[:3] == ["penstock", "run", "count"]
    assert words[-2:] == ["--output", "results/"]
    options, settings = words[3:-2], []
    while "--param" in options:
        at = options.index("--param")
        settings.append(options[at + 1])
        del options[at : at + 2]
    given = [RemoteFile(role, f"file:///{name}") for role, name in role_values(options)]
    assert {entry.role for entry in given} <= set(definition.inputs)
    assert not set(definition.inputs) & set(OPTIONS)
    read_parameters(definition, settings)
    check_inputs(Pipeline(definition, Path()), [(entry.role, entry.name) for entry in given])
