"""What the plan of a sandbox refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.backends.local.test_plan import SITE, URL, plan

from penstock.errors import InvalidInput


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"inputs": [{"path": "/usr/x", "content": ""}]}, "/usr/x"),
        ({"inputs": [{"path": "/opt/penstock/x", "content": ""}]}, "/opt/penstock/x"),
        ({"inputs": [{"path": "/opt", "url": f"{URL}/d", "type": "DIRECTORY"}]}, "hides /opt/penstock"),
        ({"inputs": [{"path": "relative", "content": ""}]}, "relative"),
        ({"inputs": [{"path": "/a/../b", "content": ""}]}, "/a/../b"),
        ({"inputs": [{"path": "/", "content": ""}]}, "'/'"),
        ({"inputs": [{"path": "/a"}]}, "neither content nor a URL"),
        ({"inputs": [{"path": "/a", "url": "gopher://b/x"}]}, "gopher://b/x"),
        ({"inputs": [{"path": "/a", "url": "https://h/x", "type": "DIRECTORY"}]}, "https://h/x"),
        ({"inputs": [{"path": "/a", "content": "1"}, {"path": "/a/", "content": "2"}]}, "more than one"),
        ({"outputs": [{"path": "/a", "url": "https://me:secret@h/x"}]}, "'https://h/x' holds credentials"),
        ({"outputs": [{"path": "/a/*", "url": f"{URL}/x"}]}, "path_prefix"),
        ({"outputs": [{"path": "/etc/x", "url": f"{URL}/x"}]}, "/etc/x"),
        ({"outputs": [{"path": "/a", "url": "file:///srv/x"}]}, "file:///srv/x"),
        ({"volumes": ["/proc"]}, "/proc"),
        ({"volumes": ["/a\nb"]}, "plain absolute path"),
    ],
)
def test_what_cannot_be_is_named(spec: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(**spec)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "executor",
    [
        {"env": {"": "x"}},
        {"env": {"A=B": "x"}},
        {"env": {"A": "x\0--bind"}},
        {"env": {"A\0": "x"}},
        {"command": ["a\0b"]},
        {"workdir": "/sys/x"},
        {"stdin": "etc"},
        {"stdout": "/dev/null/x"},
        {"stderr": "/run/penstock/x"},
    ],
)
def test_what_an_executor_cannot_have(executor: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        plan(executor)


def test_foreign_images_can_be_refused() -> None:
    with pytest.raises(InvalidInput, match="'ubuntu' does not exist here"):
        plan({"image": "ubuntu"}, site=replace(SITE, refuse_images=True))
