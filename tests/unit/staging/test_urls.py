"""What URLs of tasks mean."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidInput
from penstock.staging.urls import Kind, Located, below, join, locate


def test_a_workspace_url_is_a_virtual_path() -> None:
    assert locate("file:///workspace/owners/a/x") == Located(Kind.WORKSPACE, "/workspace/owners/a/x")


def test_a_slash_at_the_end_does_not_matter() -> None:
    assert locate("file:///workspace/d/").path == "/workspace/d"


def test_nothing_is_decoded() -> None:
    assert locate("file:///workspace/a%20b#c?d e").path == "/workspace/a%20b#c?d e"


def test_http_stays_as_it_is() -> None:
    assert locate("HTTPS://example.org/a?b#c") == Located(Kind.HTTP, "HTTPS://example.org/a?b#c")


def test_other_files_count_only_below_allowed_folders() -> None:
    assert locate("file:///data/x", ["/data"]) == Located(Kind.PATH, "/data/x", "/data")
    for url in ("file:///database/x", "file:///etc/passwd"):
        with pytest.raises(InvalidInput, match="not allowed"):
            locate(url, ["/data"])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "/workspace/x",
        "s3://bucket/x",
        "ftp://host/x",
        "file://host/workspace/x",
        "file://",
        "file:///workspace",
        "file:///workspace/",
        "file:///workspace/../etc/passwd",
        "file:///workspace//x",
        "file:///workspace/a/./b",
        "file:///workspace/a\nb",
        "http://",
        " file:///workspace/x",
    ],
)
def test_everything_else_is_refused_with_its_name(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        locate(url)
    assert repr(url) in caught.value.message


def test_below_knows_whole_names_only() -> None:
    assert below("/a/b", "/a")
    assert below("/a", "/a")
    assert not below("/ab", "/a")


def test_join_puts_one_slash_between() -> None:
    assert join("file:///workspace/d/", "x/y") == join("file:///workspace/d", "x/y") == "file:///workspace/d/x/y"
