"""Publishing by rename: once, inside its root, and to the end after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import InvalidInput
from penstock.names import new_id
from penstock.tasks.models import FileType, Published
from penstock.tasks.publish import Publisher

ATTEMPT = f"{new_id()}-1"


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "allowed").mkdir()
    return Publisher(tmp_path / "workspace", (tmp_path / "allowed",))


def _made(publisher: Publisher, source: str, text: str = "x") -> None:
    path = publisher.attempt_folder(ATTEMPT) / source
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _output(url: str, source: str | None = "root/o", kind: FileType = FileType.FILE) -> Published:
    return Published(source=source, url=url, path="/o", size_bytes=1, type=kind)


def test_a_file_is_renamed_into_its_place(publisher: Publisher) -> None:
    _made(publisher, "root/o", "result")
    publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/new/o")])
    assert (publisher.workspace / "owners/ada/new/o").read_text() == "result"
    assert not (publisher.attempt_folder(ATTEMPT) / "root/o").exists()


def test_folders_on_the_way_are_of_the_group(publisher: Publisher) -> None:
    _made(publisher, "root/o")
    publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/new/o")])
    assert (publisher.workspace / "owners/ada").stat().st_mode & 0o7777 == 0o2750


@pytest.mark.parametrize("name", ["a%20b", "a#b", "a?b", "a b", "ä"])
def test_names_in_file_urls_are_taken_as_they_are(publisher: Publisher, name: str) -> None:
    _made(publisher, "root/o")
    publisher.publish(ATTEMPT, [_output(f"file:///workspace/owners/ada/{name}")])
    assert (publisher.workspace / "owners/ada" / name).exists()


def test_publishing_twice_is_as_good_as_once(publisher: Publisher) -> None:
    _made(publisher, "root/o", "result")
    for _ in range(2):
        publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/o")])
    assert (publisher.workspace / "owners/ada/o").read_text() == "result"


def test_what_stood_there_is_replaced(publisher: Publisher) -> None:
    (publisher.workspace / "owners/ada").mkdir(parents=True)
    (publisher.workspace / "owners/ada/o").write_text("old")
    _made(publisher, "root/o", "new")
    publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/o")])
    assert (publisher.workspace / "owners/ada/o").read_text() == "new"


def test_an_empty_directory_is_made(publisher: Publisher) -> None:
    publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/d", None, FileType.DIRECTORY)])
    assert (publisher.workspace / "owners/ada/d").is_dir()


def test_a_source_that_is_missing_is_an_error_that_names_it(publisher: Publisher) -> None:
    with pytest.raises(FileNotFoundError, match="root/o"):
        publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/o")])


def test_an_allowed_folder_takes_files_too(publisher: Publisher, tmp_path: Path) -> None:
    _made(publisher, "root/o", "result")
    publisher.publish(ATTEMPT, [_output(f"file://{tmp_path}/allowed/o")])
    assert (tmp_path / "allowed/o").read_text() == "result"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "file:///workspace/../etc/passwd",
        "file:///workspace/owners/../../x",
        "file://elsewhere/workspace/x",
        "/workspace/x",
        "gopher://bucket/x",
    ],
)
def test_nothing_is_published_elsewhere(publisher: Publisher, url: str) -> None:
    _made(publisher, "root/o")
    with pytest.raises(InvalidInput):
        publisher.publish(ATTEMPT, [_output(url)])


def test_a_link_does_not_lead_out(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (publisher.workspace / "owners").mkdir()
    (publisher.workspace / "owners/ada").symlink_to(tmp_path / "outside")
    _made(publisher, "root/o")
    with pytest.raises(InvalidInput, match="through a link"):
        publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/o")])
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_source_cannot_name_another_attempts_file(publisher: Publisher) -> None:
    with pytest.raises(InvalidInput):
        publisher.publish(ATTEMPT, [_output("file:///workspace/owners/ada/o", "../../secret")])
