"""From words to inputs and parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.conftest import DOCUMENT

from penstock.cli.arguments import read_definition, read_inputs, read_parameters, role_values
from penstock.cli.options import OPTIONS
from penstock.client.inputs import LocalFile, RemoteFile
from penstock.errors import InvalidInput, InvalidParameter
from penstock.pipelines.models import Definition


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("", []),
        ("--reads a b", [("reads", "a"), ("reads", "b")]),
        ("--reads a --reads b", [("reads", "a"), ("reads", "b")]),
        ("--reads=a --reads=b c", [("reads", "a"), ("reads", "b"), ("reads", "c")]),
        ("--read-groups g --reads a", [("read_groups", "g"), ("reads", "a")]),
        ("--reads=a=b", [("reads", "a=b")]),
        ("--reads -", [("reads", "-")]),
    ],
)
def test_options_take_one_or_more_files_in_every_usual_way(line: str, pairs: list[tuple[str, str]]) -> None:
    assert role_values(line.split()) == pairs


def test_a_word_before_any_option_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'r1\.fq' does not belong to any option"):
        role_values(["r1.fq", "--reads", "r2.fq"])


@pytest.mark.parametrize("line", ["--reads", "--reads --bam b", "--bam b --reads"])
def test_an_option_without_a_file_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="--reads wants a file"):
        role_values(line.split())


def test_what_a_newer_server_says_of_a_pipeline_is_left_out() -> None:
    assert read_definition({**DOCUMENT, "digest": "x", "colour": "red"}).name == "count"


@pytest.fixture
def pair(tmp_path: Path) -> list[tuple[str, str]]:
    for name in ("r1.fq", "r2.fq"):
        (tmp_path / name).write_text("@r\n")
    return [("reads", str(tmp_path / "r1.fq")), ("reads", str(tmp_path / "r2.fq"))]


def test_files_are_looked_at_and_urls_are_passed_on(definition: Definition, pair: list[tuple[str, str]]) -> None:
    given = read_inputs(definition, [*pair, ("read_groups", "https://x/y/g.tsv")], OPTIONS)
    assert [type(entry) for entry in given] == [LocalFile, LocalFile, RemoteFile]
    assert [entry.name for entry in given] == ["r1.fq", "r2.fq", "g.tsv"]


def test_an_unknown_role_names_the_nearest_and_all(definition: Definition) -> None:
    with pytest.raises(InvalidInput, match="takes no input 'raeds'") as caught:
        read_inputs(definition, [("raeds", "x")], OPTIONS)
    assert caught.value.hint.startswith("Did you mean --reads? Its inputs are --reads (Reads), ")


def test_a_misspelt_option_of_the_command_is_recognised(definition: Definition) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_inputs(definition, [("dryrun", "x")], OPTIONS)
    assert "Did you mean --dry-run?" in caught.value.hint


def test_a_role_nothing_like_any_other_gets_no_guess(definition: Definition) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_inputs(definition, [("zzz", "x")], OPTIONS)
    assert caught.value.hint.startswith("Its inputs are ")


def test_the_number_of_files_is_checked_before_anything_is_sent(
    definition: Definition, pair: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInput, match="Input 'reads' has 1 file"):
        read_inputs(definition, pair[:1], OPTIONS)
    with pytest.raises(InvalidInput, match="Input 'reads' is missing"):
        read_inputs(definition, [], OPTIONS)


def test_parameters_get_the_types_of_the_schema_and_defaults(definition: Definition) -> None:
    assert read_parameters(definition, ["ploidy=4", "fast=yes"]) == {"ploidy": 4, "fast": True, "bins": [1, 2]}
    assert read_parameters(definition, []) == {"ploidy": 2, "fast": False, "bins": [1, 2]}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ploidy", "--param ploidy has no value"),
        ("ploidy=", "Parameter 'ploidy' is ''"),
        ("ploidy=0", "at least 1"),
        ("plody=2", "Did you mean 'ploidy'"),
        ("fast=maybe", "true or false"),
    ],
)
def test_a_wrong_parameter_is_told_with_what_is_right(definition: Definition, setting: str, said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_parameters(definition, [setting])
    assert said in str(caught.value)
