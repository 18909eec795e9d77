"""What URLs of tasks mean."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidInput
from penstock.staging.urls import Kind, Located, below, join, locate, remote, shown


def test_a_workspace_url_is_a_virtual_path() -> None:
    assert locate("file:///workspace/owners/a/x") == Located(Kind.WORKSPACE, "/workspace/owners/a/x")


def test_a_slash_at_the_end_does_not_matter() -> None:
    assert locate("file:///workspace/d/").path == "/workspace/d"


def test_nothing_is_decoded() -> None:
    assert locate("file:///workspace/a%20b#c?d e").path == "/workspace/a%20b#c?d e"


def test_http_stays_as_it_is() -> None:
    assert locate("HTTPS://example.org/a?b#c") == Located(Kind.REMOTE, "HTTPS://example.org/a?b#c")


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
        "gopher://host/x",
        "s3:///x",
        "s3://bucket/a/../b",
        "ftp://host/a//b",
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


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://bucket/a/b c%20", ("s3", "bucket", "a/b c%20")),
        ("S3://bucket/a/", ("s3", "bucket", "a/")),
        ("ftp://host:2121/a", ("ftp", "host:2121", "a")),
        ("https://host?x=1", ("https", "host", "")),
        ("az://container/x", ("az", "container", "x")),
    ],
)
def test_the_parts_of_a_remote_url(url: str, parts: tuple[str, str, str]) -> None:
    assert (remote(url).scheme, remote(url).place, remote(url).path) == parts
    assert locate(url) == Located(Kind.REMOTE, url)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://h/a?X-Amz-Signature=secret#x", "https://h/a?…"),
        ("https://h?token=secret/x", "https://h?…"),
        ("ftp://me:secret@h/a", "ftp://h/a"),
        ("https://me:secret@h:1/a", "https://h:1/a"),
        ("s3://me:secret@b/a?b", "s3://b/a?b"),
        ("file:///workspace/a?b", "file:///workspace/a?b"),
    ],
)
def test_what_is_shown_of_a_url_holds_nothing_secret(url: str, safe: str) -> None:
    assert shown(url) == safe


@pytest.mark.parametrize("url", ["ftp://me:secret@h/a", "https://secret@h/a", "s3://secret@b/a"])
def test_credentials_in_a_url_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(InvalidInput, match="holds credentials") as caught:
        locate(url)
    assert "secret" not in str(caught.value)
