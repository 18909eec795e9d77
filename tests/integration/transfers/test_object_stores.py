"""``s3://`` against a real gateway: fetched, resumed, listed, sent; what cannot be is named without its secrets."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.integration.transfers.gateway import SECRET, Gateway

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.objects import PART, ObjectPlace
from penstock.staging.transfers import Means, fetch_all, send_all


def place(gateway: Gateway, url: str, **more: object) -> ObjectPlace:
    """What ``url`` names, with the gateway's credentials."""
    bucket = url.split("/")[2]
    return ObjectPlace(url, gateway.storage(bucket, **more), allow_private=True)


def test_an_object_arrives_with_its_digest(gateway: Gateway, tmp_path: Path) -> None:
    body = os.urandom(300_000)
    (gateway.bucket("plain") / "a b+c%20ü.bin").write_bytes(body)
    fetched = place(gateway, "s3://plain/a b+c%20ü.bin").fetch(tmp_path / "x", Deadline.after(30))
    assert (tmp_path / "x").read_bytes() == body
    assert (fetched.size_bytes, fetched.sha256) == (len(body), hashlib.sha256(body).hexdigest())


def test_an_empty_object_is_an_empty_file(gateway: Gateway, tmp_path: Path) -> None:
    (gateway.bucket("plain") / "empty").touch()
    assert place(gateway, "s3://plain/empty").fetch(tmp_path / "x", Deadline.after(30)).size_bytes == 0


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART + 17])
def test_what_was_sent_comes_back(gateway: Gateway, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    gateway.bucket("back")
    (tmp_path / "out").write_bytes(body)
    place(gateway, f"s3://back/d/{size}").send(tmp_path / "out", Deadline.after(60))
    assert (gateway.bucket("back") / "d" / str(size)).read_bytes() == body
    place(gateway, f"s3://back/d/{size}").fetch(tmp_path / "in", Deadline.after(60))
    assert (tmp_path / "in").read_bytes() == body


def test_a_directory_arrives_as_it_is(gateway: Gateway, tmp_path: Path) -> None:
    folder = gateway.bucket("tree") / "d" / "sub"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "a").write_text("1")
    (folder / "b").write_text("22")
    (gateway.bucket("tree") / "dx").write_text("not below d")
    transfer = {"url": "s3://tree/d/", "target": str(tmp_path / "in"), "type": "DIRECTORY"}
    [line] = fetch_all([transfer], Deadline.after(30), allow_private=True, storage=[gateway.storage("tree")])
    assert sorted(str(one.relative_to(tmp_path / "in")) for one in (tmp_path / "in").rglob("*")) == [
        "a",
        "sub",
        "sub/b",
    ]
    assert line.startswith("fetched s3://tree/d/: 2 files, 3 bytes, sha256 of their list ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://plain/none", "s3://plain/none cannot be fetched: it does not exist"),
        ("s3://nobucket/x", "s3://nobucket/x cannot be fetched: it does not exist"),
    ],
)
def test_what_is_missing_is_final(gateway: Gateway, tmp_path: Path, url: str, said: str) -> None:
    gateway.bucket("plain")
    with pytest.raises(InvalidInput, match=said):
        place(gateway, url).fetch(tmp_path / "x", Deadline.after(30))


def test_a_missing_directory_is_final(gateway: Gateway) -> None:
    gateway.bucket("plain")
    with pytest.raises(InvalidInput, match="nothing has this prefix"):
        place(gateway, "s3://plain/no/such/").names(Deadline.after(30))


@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key"])
def test_wrong_credentials_are_final_and_not_repeated(gateway: Gateway, tmp_path: Path, key: str) -> None:
    (gateway.bucket("plain") / "x").write_text("1")
    wrong = gateway.storage("plain").secret | {key: "wrong-and-secret"}
    with pytest.raises(InvalidInput, match="access is denied with the credentials 'lab'") as caught:
        place(gateway, "s3://plain/x", secret=wrong).fetch(tmp_path / "x", Deadline.after(30))
    assert "wrong-and-secret" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_without_credentials_it_is_read_as_by_everybody(gateway: Gateway, tmp_path: Path) -> None:
    anonymous = ObjectPlace("s3://plain/x", gateway.storage("plain", name="none"), allow_private=True)
    (gateway.bucket("plain") / "x").write_text("1")
    assert anonymous.fetch(tmp_path / "x", Deadline.after(30)).size_bytes == 1


def test_a_store_that_is_away_is_unreachable(gateway: Gateway, tmp_path: Path) -> None:
    away = gateway.storage("plain", endpoint="http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="s3://plain/x cannot be fetched: the connection failed"):
        ObjectPlace("s3://plain/x", away, allow_private=True).fetch(tmp_path / "x", Deadline.after(1))


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://8.8.8.8", "is not https"),
        ("https://127.0.0.1:1", "not public"),
        ("https://localhost", "not public"),
        ("https://169.254.169.254", "not public"),
    ],
)
def test_private_endpoints_are_refused(gateway: Gateway, tmp_path: Path, endpoint: str, said: str) -> None:
    storage = gateway.storage("plain", endpoint=endpoint)
    with pytest.raises(InvalidInput, match=said):
        ObjectPlace("s3://plain/x", storage, allow_private=False).fetch(tmp_path / "x", Deadline.after(5))


def test_too_large_a_file_is_refused_before_it_comes(gateway: Gateway, tmp_path: Path) -> None:
    (gateway.bucket("plain") / "large").write_bytes(b"x" * 1001)
    means = Means(allow_private=True, largest=1000, storage=[gateway.storage("plain")])
    with pytest.raises(InvalidInput, match="s3://plain/large has 1001 bytes; at most 1000 are allowed"):
        means.place("s3://plain/large").fetch(tmp_path / "x", Deadline.after(30))


def test_what_was_sent_before_is_not_sent_again(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1")
    bucket = gateway.bucket("again")
    means = Means(allow_private=True, storage=[gateway.storage("again")])
    send_all([(tmp_path / "0", "s3://again/0"), (tmp_path / "1", "s3://again/1")], Deadline.after(30), means)
    assert [one.name for one in bucket.iterdir() if not one.name.startswith(".")] == ["1"]
    assert not (tmp_path / "1").exists()
