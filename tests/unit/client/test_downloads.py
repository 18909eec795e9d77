"""Results are fetched with resumption, verified, and only then moved to where they belong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
from tests.unit.client.conftest import ACCOUNT, MemoryServer, Told

from penstock.client.downloads import Download, parse_manifest, publish, staging_folder
from penstock.client.http import Server
from penstock.client.patience import Patience, Stopped
from penstock.client.workloads import Account, Result
from penstock.errors import InvalidInput, PenstockError, SetupError

CONTENT = b"chr1\t100\tA\tG\n" * 200_000


@pytest.fixture
def moved() -> list[int]:
    return []


@pytest.fixture
def download(connection: Server, memory: MemoryServer, patience: Patience, moved: list[int]) -> Download:
    memory.results = {"calls.vcf": CONTENT, "plots/a b.png": b"png", "empty.txt": b""}
    return Download(connection, "w1", Account.model_validate(ACCOUNT), patience, moved.append)


def result(name: str, content: bytes) -> tuple[Result, str]:
    digest = hashlib.sha256(content).hexdigest()
    return Result(name=name, size=len(content), sha256=digest, url=""), digest


def ranges(memory: MemoryServer) -> list[str | None]:
    return [request.headers.get("Range") for request in memory.requests]


def test_a_file_is_fetched_and_verified(download: Download, tmp_path: Path, moved: list[int]) -> None:
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert (tmp_path / "calls.vcf").read_bytes() == CONTENT
    assert sum(moved) == len(CONTENT)


def test_names_may_have_folders_and_blanks(download: Download, tmp_path: Path) -> None:
    download.fetch(*result("plots/a b.png", b"png"), tmp_path)
    assert (tmp_path / "plots" / "a b.png").read_bytes() == b"png"


def test_an_empty_file_is_a_result_too(download: Download, tmp_path: Path) -> None:
    download.fetch(*result("empty.txt", b""), tmp_path)
    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_the_workloads_own_account_opens_it(download: Download, memory: MemoryServer, tmp_path: Path) -> None:
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert memory.requests[0].headers["Authorization"].startswith("Basic ")


def test_a_cut_goes_on_where_it_ended(
    download: Download, memory: MemoryServer, tmp_path: Path, told: Told, moved: list[int]
) -> None:
    memory.cut_downloads_after = [1000, 500_000]
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert (tmp_path / "calls.vcf").read_bytes() == CONTENT
    assert ranges(memory) == [None, "bytes=1000-", "bytes=501000-"]
    assert len(told.waits) == 2
    assert sum(moved) == len(CONTENT)


def test_what_an_earlier_run_fetched_is_not_fetched_again(
    download: Download, memory: MemoryServer, tmp_path: Path, moved: list[int]
) -> None:
    (tmp_path / "calls.vcf").write_bytes(CONTENT[:7000])
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert ranges(memory) == ["bytes=7000-"]
    assert sum(moved) == len(CONTENT)


def test_a_complete_file_costs_no_request(download: Download, memory: MemoryServer, tmp_path: Path) -> None:
    (tmp_path / "calls.vcf").write_bytes(CONTENT)
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert memory.requests == []


def test_a_spoilt_beginning_is_thrown_away(
    download: Download, memory: MemoryServer, tmp_path: Path, moved: list[int]
) -> None:
    (tmp_path / "calls.vcf").write_bytes(b"?" * 7000)
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert (tmp_path / "calls.vcf").read_bytes() == CONTENT
    assert ranges(memory) == ["bytes=7000-", None]
    assert sum(moved) == len(CONTENT)


def test_a_beginning_that_is_too_long_is_thrown_away(download: Download, tmp_path: Path) -> None:
    (tmp_path / "calls.vcf").write_bytes(CONTENT + b"more")
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert (tmp_path / "calls.vcf").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(
    download: Download, memory: MemoryServer, tmp_path: Path, moved: list[int]
) -> None:
    (tmp_path / "calls.vcf").write_bytes(CONTENT[:7000])
    memory.faults.append(lambda _: httpx.Response(200, content=CONTENT))
    download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert (tmp_path / "calls.vcf").read_bytes() == CONTENT
    assert sum(moved) == len(CONTENT)


def test_content_that_is_not_what_the_manifest_names_is_refused(
    download: Download, memory: MemoryServer, tmp_path: Path
) -> None:
    memory.results["calls.vcf"] = b"?" * len(CONTENT)
    with pytest.raises(PenstockError, match=r"calls\.vcf does not have the digest"):
        download.fetch(*result("calls.vcf", CONTENT), tmp_path)
    assert not (tmp_path / "calls.vcf").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_name_that_leads_outside_is_refused(download: Download, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        download.fetch(*result(name, b"x"), tmp_path / "inside")
    assert not (tmp_path / "inside").exists()


def test_a_stop_ends_it_between_two_pieces(download: Download, patience: Patience, tmp_path: Path) -> None:
    patience.stop()
    with pytest.raises(Stopped):
        download.fetch(*result("calls.vcf", CONTENT), tmp_path)


def test_the_manifest_is_that_of_sha256sum(download: Download, memory: MemoryServer) -> None:
    listed = download.manifest()
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in memory.results.items()}


def test_a_manifest_escapes_backslashes_as_sha256sum_does() -> None:
    digest = "0" * 64
    assert parse_manifest(f"\\{digest}  a\\\\b\n{digest}  c d\n") == {"a\\b": digest, "c d": digest}


@pytest.mark.parametrize("line", ["hello", "0123  name", f"{'0' * 64} name", f"{'0' * 64}  "])
def test_a_manifest_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(PenstockError, match="a line that is none"):
        parse_manifest(line)


def test_the_verified_files_are_moved_and_the_hidden_folder_goes(tmp_path: Path) -> None:
    output = tmp_path / "out"
    staging = staging_folder(output, "w1")
    assert staging.parent == output
    (staging / "deep").mkdir(parents=True)
    (staging / "deep" / "a").write_text("new")
    (output / "deep").mkdir()
    (output / "deep" / "a").write_text("old")
    (output / "mine").write_text("stays")
    publish(staging, output, ["deep/a"])
    assert (output / "deep" / "a").read_text() == "new"
    assert sorted(path.name for path in output.iterdir()) == ["deep", "mine"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    output = tmp_path / "out"
    staging = staging_folder(output, "w1")
    staging.mkdir(parents=True)
    (staging / "a").write_text("x")
    (output / "a").mkdir()
    (output / "a" / "in the way").write_text("")
    with pytest.raises(SetupError, match="Cannot put results into"):
        publish(staging, output, ["a"])
