"""What the drop box refuses, before anything of it is used: at least forty kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.drops.bad import BY_CATALOGUE, CASES, HASH, TEXT, entry, good, manifest, pack

from penstock.errors import InvalidInput
from penstock.workloads.drop_scan import Dropped, scan
from penstock.workloads.halt import Halt, Halted


def look(tmp_path: Path, content: bytes) -> Dropped:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    return scan(path, Halt())


def test_there_are_forty_cases_at_least() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", sorted(CASES.keys() - BY_CATALOGUE))
def test_a_bad_tar_is_refused_in_words_that_help(tmp_path: Path, name: str) -> None:
    make, told = CASES[name]
    with pytest.raises(InvalidInput) as caught:
        look(tmp_path, make())
    assert told in str(caught.value)
    assert HASH not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_a_good_tar_is_understood(tmp_path: Path) -> None:
    found = look(tmp_path, good())
    assert found.sources == ("a.txt",)
    assert found.submission.pipeline == "lines"
    assert [(one.role, one.name, one.size) for one in found.submission.inputs] == [("text", "a.txt", len(TEXT))]
    assert (found.manifest.account.name, found.manifest.account.hash) == ("ada", HASH)


def test_the_manifest_may_come_last_and_files_may_lie_in_folders(tmp_path: Path) -> None:
    text = f"pipeline: lines\nversion: 1\ninputs: {{text: [x/a.txt, y/b.txt]}}\naccount: {{name: a, hash: {HASH}}}\n"
    found = look(tmp_path, pack(entry("./x/a.txt", TEXT), entry("y/b.txt", TEXT), manifest(text)))
    assert found.sources == ("x/a.txt", "y/b.txt")
    assert [one.name for one in found.submission.inputs] == ["a.txt", "b.txt"]
    assert found.submission.version == "1"


def test_a_halt_stops_it(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(good())
    halt = Halt()
    halt.set()
    with pytest.raises(Halted):
        scan(tmp_path / "x.tar", halt)


def test_a_hash_is_never_shown(tmp_path: Path) -> None:
    assert HASH not in repr(look(tmp_path, good()))
