"""The catalogue, and whether what a workload declares fits a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import InvalidInput, UnknownPipeline
from penstock.pipelines.models import Pipeline
from penstock.pipelines.service import Catalogue, check_inputs, read_pipeline

Write = Callable[..., Path]
Declared = list[tuple[str, str]]
FINE: Declared = [("text", "a.txt"), ("other", "a.o")]


@pytest.fixture
def pipeline(write: Write) -> Pipeline:
    return read_pipeline(write())


def test_the_catalogue_lists_the_built_in_pipelines_and_the_site_s_own_by_name(write: Write, tmp_path: Path) -> None:
    write("count")
    names = [pipeline.name for pipeline in Catalogue([tmp_path / "site"]).list()]
    assert names == sorted(names)
    assert {"count", "variants"} <= set(names)


def test_a_pipeline_that_is_put_there_later_is_in_the_catalogue_at_once(write: Write, tmp_path: Path) -> None:
    catalogue = Catalogue([tmp_path / "site"])
    assert "count" not in [pipeline.name for pipeline in catalogue.list()]
    write("count")
    assert catalogue.get("count").version == "1"


def test_the_later_folder_hides_the_earlier_one_but_every_version_can_be_asked_for(
    write: Write, tmp_path: Path
) -> None:
    write("count", "1", folder="one")
    write("count", "2", folder="two")
    catalogue = Catalogue([tmp_path / "one", tmp_path / "two"])
    assert [one.version for one in catalogue.list() if one.name == "count"] == ["2"]
    assert catalogue.get("count").version == "2"
    assert catalogue.get("count", "1").folder == tmp_path / "one" / "count"


def test_an_unknown_pipeline_is_answered_with_what_there_is(write: Write, tmp_path: Path) -> None:
    write("count")
    with pytest.raises(UnknownPipeline) as caught:
        Catalogue([tmp_path / "site"]).get("counts")
    assert str(caught.value) == "There is no pipeline 'counts'. Did you mean 'count'? There is count, variants."


def test_an_unknown_version_is_answered_with_those_there_are(write: Write, tmp_path: Path) -> None:
    write("count", "1.2")
    with pytest.raises(UnknownPipeline, match=r"no version '2' of pipeline 'count'. There is 1\.2\."):
        Catalogue([tmp_path / "site"]).get("count", "2")


def test_a_broken_pipeline_hides_no_other(write: Write, tmp_path: Path) -> None:
    write("count")
    (write("broken") / "pipeline.yml").write_text("name: [")
    assert [one.name for one in Catalogue([tmp_path / "site"]).list()] == ["count", "variants"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title: Counting", "titel: Counting", "titel: Extra inputs are not permitted"),
        ('version: "1"', "version: latest", "version: String should match pattern"),
        ("min: 1", "min: many", "inputs.text.min: Input should be a valid integer"),
        ("name: count", "name: other", "says name: other, but its folder is 'count'"),
        ("name: count", "name: Count", "name: String should match pattern"),
        ("suffixes: [.p]", "suffixes: [p]", "inputs.pairs.suffixes.0: String should match pattern"),
        ("title: Counting", "engine: make\ntitle: Counting", "engine: Input should be 'snakemake'"),
        ("title: Counting", "title: [", "is not YAML"),
    ],
)
def test_a_definition_s_error_names_file_key_and_fault(write: Write, old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_pipeline(write(old=old, new=new))
    assert says in str(caught.value)
    assert "count/pipeline.yml" in str(caught.value)


def test_a_folder_without_a_definition_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Cannot read .*pipeline\.yml: No such file"):
        read_pipeline(tmp_path)


def test_the_digest_changes_with_contents_names_and_executable_bits_and_nothing_else(write: Write) -> None:
    def digest() -> str:
        return read_pipeline(folder).digest

    folder = write()
    seen = [digest()]
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("1")
    assert digest() == seen[0]
    (folder / "script.py").write_text("1")
    seen.append(digest())
    (folder / "script.py").write_text("2")
    seen.append(digest())
    (folder / "script.py").chmod(0o755)
    seen.append(digest())
    (folder / "script.py").rename(folder / "other.py")
    seen.append(digest())
    assert len(set(seen)) == 5


def test_files_are_named_below_the_folder_in_order(write: Write) -> None:
    folder = write()
    (folder / "scripts").mkdir()
    (folder / "scripts" / "a.py").touch()
    assert [str(path) for path in read_pipeline(folder).files()] == ["Snakefile", "pipeline.yml", "scripts/a.py"]


@pytest.mark.parametrize(
    "declared",
    [
        FINE,
        [*FINE, ("text", "b.txt.gz")],
        [("text", "a.TXT"), ("pairs", "1.p"), ("pairs", "2.p")],
        [*FINE, *(("other", f"{n}.o") for n in range(50))],
        [("text", "same.txt"), ("other", "same.o")],
    ],
)
def test_inputs_that_fit_pass(pipeline: Pipeline, declared: Declared) -> None:
    check_inputs(pipeline, declared)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ([("other", "a.o")], "Input 'text' is missing. It is: Text."),
        ([("text", "a.txt")], "Pipeline 'count' needs input 'pairs' or 'other', and neither was given."),
        ([*FINE, ("texts", "b.txt")], "takes no input 'texts'. Did you mean 'text'? There is other, pairs, text."),
        ([*FINE, ("text", "b.txt"), ("text", "c.txt")], "Input 'text' has 3 files. It takes 1 to 2."),
        ([*FINE, ("pairs", "1.p")], "Input 'pairs' has 1 file. The number must be a multiple of 2: Pairs."),
        ([("text", "a.bam"), ("other", "a.o")], "Its name must end in .txt, .txt.gz (text)."),
        ([*FINE, ("other", "a.o")], "Input 'other' has 2 files named 'a.o'. Give each its own name."),
        ([("text", "../a.txt"), ("other", "a.o")], "has a segment that is not allowed"),
        ([("text", "folder/a.txt"), ("other", "a.o")], "is not a file name"),
        ([("text", "/a.txt"), ("other", "a.o")], "is not a plain relative path"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_what_would(pipeline: Pipeline, declared: Declared, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_inputs(pipeline, declared)
    assert says in str(caught.value)
