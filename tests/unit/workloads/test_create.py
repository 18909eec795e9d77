"""What a submission must be like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.errors import InvalidInput, InvalidParameter, TooLarge
from penstock.pipelines.models import Definition, Pipeline
from penstock.workloads.create import PlannedUpload, own_data_path, plan
from penstock.workloads.models import MOST_INPUTS, InputFile, Submission

DIGEST = "ab" * 32
FILE = {"role": "text", "name": "a.txt", "size": 10, "sha256": DIGEST}
OWN = "file:///workspace/owners/ada/data/deep/own.txt"


def pipeline(**more: Any) -> Pipeline:
    text = {"title": "Texts", "formats": ["txt"], "suffixes": [".txt"], "min": 0, "max": None}
    width = {"type": "integer", "title": "Width", "default": 80, "maximum": 100}
    document = {
        "name": "lines",
        "title": "Lines",
        "version": "1",
        "inputs": {"text": text, "extra": text},
        "parameters": {"type": "object", "properties": {"width": width}},
        "results": {"files": ["x"]},
    }
    return Pipeline(Definition.model_validate({**document, **more}), Path("/lines"))


def planned(largest: int = 1000, **submission: Any) -> Any:
    return plan(Submission(pipeline="lines", **submission), pipeline(), "ada", largest)


def test_every_declared_file_is_an_upload() -> None:
    made = planned(inputs=[FILE, {**FILE, "name": "b.txt", "size": 0}])
    assert made.uploads == (PlannedUpload("text", "a.txt", 10, DIGEST), PlannedUpload("text", "b.txt", 0, DIGEST))
    assert (made.unpacked_bytes, made.parameters) == (0, {"width": 80})


def test_a_bundle_is_the_only_upload_and_its_content_needs_room() -> None:
    bundle = {"size": 500, "sha256": DIGEST.upper()}
    made = planned(inputs=[FILE, {**FILE, "name": "b.txt"}], bundle=bundle, parameters={"width": 1})
    assert made.uploads == (PlannedUpload("bundle", "inputs.tar", 500, DIGEST),)
    assert (made.unpacked_bytes, made.parameters) == (20, {"width": 1})


def test_a_url_is_no_upload_and_has_the_name_of_its_file() -> None:
    made = planned(inputs=[{"role": "text", "url": OWN}, {"role": "extra", "url": OWN, "name": "other.txt"}])
    assert made.uploads == ()
    assert made.inputs == (
        InputFile(role="text", name="own.txt", url=OWN),
        InputFile(role="extra", name="other.txt", url=OWN),
    )


def test_the_same_name_may_stand_in_two_roles() -> None:
    assert len(planned(inputs=[FILE, {**FILE, "role": "extra"}]).uploads) == 2


@pytest.mark.parametrize(
    ("error", "told", "inputs"),
    [
        (InvalidInput, "size or sha256", [{"role": "text", "url": OWN, "size": 1}]),
        (InvalidInput, "not complete", [{"role": "text"}]),
        (InvalidInput, "not complete", [{"role": "text", "name": "a.txt", "size": 1}]),
        (InvalidInput, "a/b", [{**FILE, "name": "a/b.txt"}]),
        (InvalidInput, "plain relative", [{**FILE, "name": ""}]),
        (InvalidInput, "allowed", [{**FILE, "name": ".."}]),
        (InvalidInput, "allowed", [{**FILE, "name": "a\n.txt"}]),
        (InvalidInput, "allowed", [{**FILE, "name": "x" * 300 + ".txt"}]),
        (InvalidInput, "text/a.txt", [FILE, {"role": "text", "url": OWN, "name": "a.txt"}]),
        (InvalidInput, "64 hexadecimal", [{**FILE, "sha256": DIGEST[:-1] + "g"}]),
        (InvalidInput, "number of bytes", [{**FILE, "size": -1}]),
        (TooLarge, "1000 bytes", [{**FILE, "size": 1001}]),
        (InvalidInput, "10001", [FILE] * (MOST_INPUTS + 1)),
        (InvalidInput, "'reads'", [{**FILE, "role": "reads"}]),
        (InvalidInput, ".txt", [{**FILE, "name": "a.exe"}]),
    ],
)
def test_a_wrong_input_is_named(error: type[Exception], told: str, inputs: list[dict[str, Any]]) -> None:
    with pytest.raises(error) as caught:
        planned(inputs=inputs)
    assert told in str(caught.value)


@pytest.mark.parametrize("parameters", [{"width": "wide"}, {"width": 101}, {"height": 1}])
def test_a_wrong_parameter_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        planned(inputs=[FILE], parameters=parameters)


def test_a_bundle_without_files_or_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no input is declared"):
        planned(bundle={"size": 1, "sha256": DIGEST})
    with pytest.raises(TooLarge):
        planned(inputs=[FILE], bundle={"size": 1001, "sha256": DIGEST})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (OWN, "deep/own.txt"),
        ("file:///workspace/owners/ada/data/a%20b.txt", "a%20b.txt"),
        ("file:///workspace/owners/ada/data/ü.txt", "ü.txt"),
    ],
)
def test_an_own_file_has_a_path_below_the_owners_data(url: str, path: str) -> None:
    assert own_data_path(url, "ada") == path


@pytest.mark.parametrize(
    "url",
    [
        "file:///workspace/owners/ada/data/",
        "file:///workspace/owners/ada/data/a//b",
        "file:///workspace/owners/ada/data/./a",
        "file:///workspace/owners/ada/data/a\0",
        "file:///workspace/owners/ada/results/x",
        "file:///workspace/owners//data/x",
        "file:///workspace/owners/eve/data/x",
        "FILE://localhost/workspace/owners/ada/data/x",
        "http:///workspace/owners/ada/data/x",
        "/workspace/owners/ada/data/x",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        own_data_path(url, "ada")
