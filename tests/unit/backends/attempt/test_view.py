"""Walking the sandbox's tree by hand: every link keeps the sandbox's meaning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.backends.attempt.view import Outside, View


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sandbox's root with a few files, beside a file that nobody may reach."""
    (tmp_path / "outside").write_text("outside")
    for path in ("root/a/b", "root/usr", "root/data/in", "mounted/sub"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "root/a/file").write_text("file")
    (tmp_path / "root/outside").write_text("inside")
    (tmp_path / "mounted/sub/x").write_text("x")
    return tmp_path / "root"


@pytest.fixture
def view(root: Path) -> View:
    """A view of it with one read-only mount."""
    one = View(str(root), ("/usr",))
    one.mount("/data/in", str(root.parent / "mounted"), writable=False)
    return one


def read(view: View, path: str) -> str:
    """What lies at a virtual path."""
    with os.fdopen(view.open(view.resolve(path), os.O_RDONLY)) as file:
        return file.read()


@pytest.mark.parametrize(
    ("target", "means"),
    [
        ("file", "/a/file"),
        ("./b/../file", "/a/file"),
        ("/a/file", "/a/file"),
        ("../../../../outside", "/outside"),
        ("/../outside", "/outside"),
        ("/data/in/sub/x", "/data/in/sub/x"),
    ],
)
def test_links_mean_what_they_mean_inside(view: View, root: Path, target: str, means: str) -> None:
    (root / "a/link").symlink_to(target)
    assert view.resolve("/a/link").path == means
    assert read(view, "/a/link") in ("file", "inside", "x")


def test_links_on_the_way_are_followed_too(view: View, root: Path) -> None:
    (root / "short").symlink_to("/data/in/sub")
    assert read(view, "/short/x") == "x"


def test_links_in_a_mount_start_at_the_sandboxs_root(view: View, root: Path) -> None:
    (root.parent / "mounted/up").symlink_to("../../outside")
    (root.parent / "mounted/abs").symlink_to("/a/file")
    assert read(view, "/data/in/up") == "inside"
    assert read(view, "/data/in/abs") == "file"


def test_closed_folders_are_outside(view: View, root: Path) -> None:
    (root / "a/system").symlink_to("/usr/bin/env")
    for path in ("/usr", "/usr/bin", "/a/system"):
        with pytest.raises(Outside):
            view.resolve(path)


def test_circles_end(view: View, root: Path) -> None:
    (root / "a/one").symlink_to("two")
    (root / "a/two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"):
        view.resolve("/a/one")


def test_what_is_missing_is_not_found(view: View) -> None:
    for path in ("/none", "/a/none/deeper", "/data/in/none"):
        with pytest.raises(FileNotFoundError):
            view.resolve(path)


def test_a_link_put_there_after_the_look_is_not_followed(view: View, root: Path) -> None:
    spot = view.resolve("/a/file")
    (root / "a/file").unlink()
    (root / "a/file").symlink_to(root.parent / "outside")
    with pytest.raises(OSError, match="symbolic links"):
        view.open(spot, os.O_RDONLY)
    spot = view.resolve("/outside")
    folder = view.resolve("/a/b")
    (root / "a/b").rmdir()
    (root / "a/b").symlink_to(root.parent)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        view.open(view.spot(f"{folder.path}/outside"), os.O_RDONLY)
    assert spot.path == "/outside"


def test_nothing_is_written_to_a_read_only_mount(view: View, root: Path) -> None:
    with pytest.raises(OSError, match="read-only"):
        view.open(view.resolve("/data/in/sub/x"), os.O_WRONLY)
    with pytest.raises(OSError, match="read-only"):
        view.make_folder("/data/in/new")
    assert not (root.parent / "mounted/new").exists()


def test_folders_are_made_where_links_lead(view: View, root: Path) -> None:
    (root / "link").symlink_to("/a")
    view.make_folder("/link/new/deep")
    view.make_folder("/link/new/deep")
    assert (root / "a/new/deep").is_dir()


def test_a_folder_is_not_made_through_a_dangling_link_or_a_file(view: View, root: Path) -> None:
    (root / "dangling").symlink_to(root.parent / "made")
    for path in ("/dangling", "/dangling/x", "/a/file", "/a/file/x"):
        with pytest.raises(OSError, match=r"exists|Not a directory|No such file"):
            view.make_folder(path)
    assert not (root.parent / "made").exists()


def test_names_of_what_is_no_directory_are_none(view: View, root: Path) -> None:
    (root / "bad").symlink_to("/usr")
    assert sorted(view.names("/a")) == ["b", "file"]
    assert [view.names(path) for path in ("/none", "/a/file", "/bad", "/usr")] == [[], [], [], []]
