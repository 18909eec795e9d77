"""What a task may name."""

from __future__ import annotations

import pytest

from penstock.access.models import Principal
from penstock.errors import Forbidden, InvalidInput
from penstock.tasks.models import TaskSpec
from penstock.tes.checks import check

ADA = Principal("ada", frozenset({"tasks"}))
HEAD = Principal("ada", frozenset({"tasks"}), workload="w1", attempt="t-1")
OK = {"image": "i", "command": ["true"]}


def _spec(**fields: object) -> TaskSpec:
    return TaskSpec.model_validate({"executors": [OK], **fields})


def test_a_plain_task_is_allowed() -> None:
    url = "file:///workspace/owners/ada/data/x"
    check(
        _spec(
            inputs=[{"url": url, "path": "/in/x"}, {"content": "hello", "path": "/in/y"}],
            outputs=[{"url": url, "path": "/out/*.txt", "path_prefix": "/out/"}],
            volumes=["/scratch"],
        ),
        ADA,
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"executors": [OK] * 65}, "65 executors: a task may have at most 64"),
        ({"inputs": [{"path": "/x"}]}, "neither url nor content"),
        ({"inputs": [{"path": "x", "content": ""}]}, "absolute path"),
        ({"inputs": [{"path": "/../x", "content": ""}]}, "not a plain absolute path"),
        ({"outputs": [{"path": "/out/*", "url": "file:///workspace/owners/ada/o"}]}, "no path_prefix"),
        (
            {"outputs": [{"path": "/out/*", "path_prefix": "/in", "url": "file:///workspace/owners/ada/o"}]},
            "does not begin with its path_prefix",
        ),
        ({"volumes": ["scratch"]}, "absolute path"),
        ({"executors": [{**OK, "stdout": "log"}]}, "absolute path"),
        ({"executors": [{**OK, "workdir": "/a/../b"}]}, "not a plain absolute path"),
        ({"executors": [{**OK, "command": ["a\0b"]}]}, "NUL"),
        ({"executors": [{**OK, "env": {"A": "\0"}}]}, "NUL"),
        ({"inputs": [{"path": "/x", "url": "file:///workspace/owners/ada/../eve/x"}]}, "not a plain absolute path"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        check(_spec(**fields), ADA)


@pytest.mark.parametrize(
    "url",
    [
        "file:///workspace/owners/eve/data/x",
        "file:///workspace/owners/adam/x",
        "file:///workspace/tasks/x",
        "file:///workspace/workloads/w1/work/x",
        "file:///workspace/incoming/x",
        "file:///workspace/owners",
    ],
)
def test_what_is_not_the_owners_may_not_be_named(url: str) -> None:
    for fields in ({"inputs": [{"path": "/x", "url": url}]}, {"outputs": [{"path": "/x", "url": url}]}):
        with pytest.raises(Forbidden, match="not yours to name"):
            check(_spec(**fields), ADA)


def test_an_engine_names_its_workload_and_nothing_else() -> None:
    check(_spec(inputs=[{"path": "/x", "url": "file:///workspace/workloads/w1/work/x"}]), HEAD)
    for url in ("file:///workspace/workloads/w2/work/x", "file:///workspace/owners/ada/data/x"):
        with pytest.raises(Forbidden):
            check(_spec(inputs=[{"path": "/x", "url": url}]), HEAD)


@pytest.mark.parametrize("fields", [{"name": "a\0b"}, {"tags": {"a\0": "b"}}, {"tags": {"a": "b\0"}}])
def test_what_is_searched_for_holds_no_nul(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        check(_spec(**fields), ADA)
