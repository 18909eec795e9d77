"""What clients send, as it is understood (GA4GH TES 1.1)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from penstock.tasks.models import Executor, FileType, Input, Output, Resources, TaskSpec

RUN = {"image": "i", "command": ["true"]}


def test_the_type_of_a_file_is_filled_in() -> None:
    assert Input.model_validate({"path": "/x", "url": "u"}).type is FileType.FILE
    assert Input.model_validate({"path": "/x", "url": "u", "type": None}).type is FileType.FILE
    assert Output.model_validate({"path": "/x", "url": "u", "type": ""}).type is FileType.FILE
    assert Input.model_validate({"path": "/x", "url": "u", "type": "DIRECTORY"}).type is FileType.DIRECTORY


def test_an_empty_content_beside_a_url_is_none() -> None:
    assert Input.model_validate({"path": "/x", "url": "u", "content": ""}).content is None
    assert Input.model_validate({"path": "/x", "url": "", "content": ""}).content == ""
    assert Input.model_validate({"path": "/x", "url": "u", "content": "c"}).content == "c"


def test_an_empty_path_of_an_executor_is_none() -> None:
    empty = {"workdir": "", "stdin": "", "stdout": "", "stderr": ""}
    assert Executor.model_validate({**RUN, **empty}) == Executor.model_validate(RUN)


def test_content_may_have_a_mebibyte() -> None:
    assert Input(path="/x", content="x" * (1 << 20))
    with pytest.raises(ValidationError):
        Input(path="/x", content="x" * ((1 << 20) + 1))


def test_whole_cores_are_told_as_an_integer() -> None:
    assert Resources(cpu_cores=2.0).model_dump_json(exclude_none=True) == '{"cpu_cores":2}'
    assert Resources(cpu_cores=0.5).model_dump_json(exclude_none=True) == '{"cpu_cores":0.5}'


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * 513},
        {"tags": {"k" * 129: ""}},
        {"tags": {"k": "v" * 513}},
        {"resources": {"ram_gb": "NaN"}},
        {"description": "\ud800"},
    ],
)
def test_what_cannot_be_stored_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TaskSpec.model_validate({"executors": [RUN], **fields})


@pytest.mark.parametrize("name", ["cpu_cores", "ram_gb", "disk_gb"])
@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf")])
def test_an_amount_is_a_number_that_can_be_had(name: str, amount: float) -> None:
    with pytest.raises(ValidationError):
        Resources.model_validate({name: amount})
