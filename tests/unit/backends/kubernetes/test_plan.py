"""Work → what a pod needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.backends.kubernetes.conftest import SITE, URL, work

from penstock.backends.kubernetes.plan import build
from penstock.errors import InvalidInput


def test_folders_that_are_written_to_are_mounted_once() -> None:
    plan = build(
        work(
            {"workdir": "/w/deep", "stdout": "/logs/out", "stderr": "/tmp/err"},
            volumes=["/w"],
            outputs=[{"path": "/o/a/b", "url": f"{URL}/b"}, {"path": "/o", "url": f"{URL}/o", "type": "DIRECTORY"}],
        ),
        SITE,
    )
    assert plan.roots == ["/w", "/o", "/logs"]
    assert plan.tree["folders"] == ["/w", "/o/a", "/o", "/w/deep", "/logs"]


def test_files_directly_below_the_root_are_mounted_by_themselves() -> None:
    plan = build(
        work(
            {"stdout": "/log"},
            inputs=[{"path": "/in", "content": ""}],
            outputs=[{"path": "/o", "url": f"{URL}/o"}, {"path": "/in", "url": f"{URL}/i"}],
        ),
        SITE,
    )
    assert (plan.points, plan.roots) == (["/o", "/log"], [])


def test_outputs_in_the_temporary_folder_are_taken_from_the_attempts_tree() -> None:
    assert build(work(outputs=[{"path": "/tmp/o", "url": f"{URL}/o"}]), SITE).roots == ["/tmp"]


def test_an_input_directory_that_is_written_into_lies_in_the_tree_where_it_cannot_be_spread() -> None:
    one = work(
        inputs=[{"path": "/d", "url": f"{URL}/d", "type": "DIRECTORY"}], outputs=[{"path": "/d/o", "url": f"{URL}/o"}]
    )
    plan = build(one, replace(SITE, claim=None))
    assert (plan.tree["binds"], plan.roots) == ([], ["/d"])
    assert [(one["target"], one.get("type")) for one in plan.transfers] == [("root/d", "DIRECTORY")]


def test_remote_inputs_keep_their_addresses_everywhere() -> None:
    one = work(inputs=[{"path": "/in", "url": "https://example.org/x"}])
    for site in (SITE, replace(SITE, claim=None)):
        assert [transfer["url"] for transfer in build(one, site).transfers] == ["https://example.org/x"]


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"inputs": [{"path": "/.penstock/x", "content": ""}]}, "/.penstock"),
        ({"inputs": [{"path": "/a", "url": "file:///srv/x"}]}, "file:///srv/x"),
        ({"outputs": [{"path": "/*", "path_prefix": "/", "url": URL}]}, "directly below /"),
        ({"volumes": ["/proc"]}, "/proc"),
    ],
)
def test_what_cannot_be_is_named(spec: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        build(work(**spec), SITE)


def test_head_tasks_need_the_workspace() -> None:
    head = work(kind="head", terms={"mounts": [{"url": "file:///workspace/workloads/w1/work", "path": "/w"}]})
    with pytest.raises(InvalidInput, match="does not mount"):
        build(head, replace(SITE, claim=None))
