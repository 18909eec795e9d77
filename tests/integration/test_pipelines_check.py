"""What is found wrong with a pipeline's folder before it is installed, Snakemake's own reading included."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from penstock.pipelines.check import check_folder
from penstock.pipelines.service import BUILT_IN

DEFINITION = """
    name: count
    title: Counting
    version: "1"
    inputs:
      text: {title: Text, formats: [text], suffixes: [.txt], min: 1, max: 2}
    parameters:
      type: object
      properties:
        width: {type: integer, title: Width, minimum: 1, maximum: 9, default: 3}
    results:
      files: ["out/**"]
      summary: out/table.tsv
    example:
      small: {title: Small, inputs: {text: [example/a.txt]}, parameters: {width: 2}}
"""
SNAKEFILE = """
    rule count:
        input: config["inputs"]["text"]
        output: "out/table.tsv"
        params: width=config["parameters"]["width"]
        shell: "head -n {params.width} {input} | wc > {output}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "count"
    (target / "example").mkdir(parents=True)
    (target / "pipeline.yml").write_text(dedent(DEFINITION))
    (target / "Snakefile").write_text(dedent(SNAKEFILE))
    (target / "example" / "a.txt").write_text("a\n")
    return target


def edit(folder: Path, old: str, new: str, name: str = "pipeline.yml") -> list[str]:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    return check_folder(folder)


def test_a_pipeline_that_is_fine_has_no_problems(folder: Path) -> None:
    assert check_folder(folder) == []


@pytest.mark.parametrize("pipeline", sorted(path.parent.name for path in BUILT_IN.glob("*/pipeline.yml")))
def test_every_built_in_pipeline_is_fine(pipeline: str) -> None:
    assert check_folder(BUILT_IN / pipeline) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("max: 2", "max: 0", "inputs.text.max: Input should be greater than or equal to 1"),
        ("min: 1, max: 2", "min: 3, max: 2", "inputs.text: max 2 is less than min 3."),
        ("max: 2", "max: 3, multiple_of: 2", "inputs.text: max 3 is no multiple of 2."),
        ("results:", "any_of: [reads]\nresults:", "any_of: there is no input 'reads'."),
        (
            "type: integer",
            "type: integral",
            "parameters: Value error, properties.width.type is no JSON Schema: 'integral'",
        ),
        ("  type: object\n", "  type: array\n", "parameters: Value error, it must be a JSON Schema of type object"),
        ("title: Width, ", "", "parameters.width: needs a title, so that people know what to give."),
        (", default: 3", "", "parameters.width: needs a default, or to stand in 'required'."),
        ("default: 3", "default: 10", "parameters.width: its default does not fit: Parameter 'width' is 10."),
        ('"out/**"', '"/out/**"', "results: '/out/**' must be relative to the working directory and stay in it."),
        ("out/table.tsv", "../table.tsv", "results: '../table.tsv' must be relative"),
        ("{width: 2}", "{width: 0}", "example.small: Parameter 'width' is 0."),
        ("example/a.txt", "example/b.txt", "example.small: there is no file example/b.txt in the pipeline's folder."),
        ("example/a.txt", "example/a.csv", "example.small: Input 'text' cannot be 'a.csv'."),
        ("title: Small,", "title: Small, data: big,", "example.small: there is no example/big.yml."),
        ("title: Counting", "titel: Counting", "titel: Extra inputs are not permitted"),
    ],
)
def test_a_problem_of_the_definition_is_named(folder: Path, old: str, new: str, says: str) -> None:
    problems = edit(folder, old, new)
    assert any(says in problem for problem in problems), problems


def test_several_problems_are_told_at_once(folder: Path) -> None:
    edit(folder, "title: Width, ", "")
    assert len(edit(folder, "out/table.tsv", "/table.tsv")) == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rule count:", "rule count", "Snakefile: Snakemake cannot read it: "),
        ('config["parameters"]["width"]', 'config["parameters"]["widht"]', "KeyError"),
        ("shell:", "shel:", "Snakefile: Snakemake cannot read it: "),
    ],
)
def test_what_snakemake_cannot_read_is_told_in_its_words(folder: Path, old: str, new: str, says: str) -> None:
    (problem,) = edit(folder, old, new, "Snakefile")
    assert says in problem


def test_reading_a_snakefile_runs_none_of_it_and_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert check_folder(folder) == []
    assert sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts) == before


def test_a_missing_snakefile_or_folder_is_told(folder: Path) -> None:
    (folder / "Snakefile").unlink()
    assert check_folder(folder) == ["There is no Snakefile."]
    assert check_folder(folder / "none") == [f"{folder}/none is no folder."]


def test_the_pipeline_of_the_documentation_is_fine(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "pipelines.md").read_text()
    folder = tmp_path / "count"
    folder.mkdir()
    for name, language in (("pipeline.yml", "yaml"), ("Snakefile", "python")):
        block = page.split(f"`count/{name}`:\n\n```{language}\n", 1)[1].split("```", 1)[0]
        (folder / name).write_text(block)
    assert check_folder(folder) == []
