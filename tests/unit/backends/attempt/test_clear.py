"""Removing whatever an executor left."""

from __future__ import annotations

from pathlib import Path

from penstock.backends.attempt.clear import clear


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    clear(tmp_path / "none")


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "gone/sub").mkdir(parents=True)
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    (tmp_path / "gone/sub/link").symlink_to(tmp_path / "kept/file")
    clear(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()


def test_closed_directories_are_opened_first(tmp_path: Path) -> None:
    folder = tmp_path / "gone/a/b/c"
    folder.mkdir(parents=True)
    (folder / "x").touch()
    for closed in (folder, folder.parent, folder.parent.parent):
        closed.chmod(0)
    clear(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_its_own_temporary_names_do_no_harm(tmp_path: Path) -> None:
    for name in (".removing-1", ".removing-1x", "a/.removing-2", "a/b/c"):
        (tmp_path / "gone" / name).mkdir(parents=True)
    clear(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
