"""The crate of a workload, by the judgement of its community's validator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.rocrate import problems
from tests.unit.workloads.telling import HOSTILE, RECORD

from penstock.workloads.crate import crate
from penstock.workloads.models import Result


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
def test_a_crate_is_valid_whatever_its_names_are(tmp_path: Path, state: str) -> None:
    names = ["a b.vcf.gz", HOSTILE.replace("/", "_"), "ü/ö.txt", "50%"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    results = tuple(Result(name=name, size=1, sha256="0" * 64) for name in names)
    record = replace(RECORD, results=results, state=state, reason="" if state == "SUCCEEDED" else HOSTILE)
    (tmp_path / "ro-crate-metadata.json").write_bytes(crate(record, "ro-crate-metadata.json"))
    assert problems(tmp_path) == []


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    text = crate(RECORD, "ro-crate-metadata.json").replace(b'"license"', b'"licence"')
    (tmp_path / "ro-crate-metadata.json").write_bytes(text)
    assert problems(tmp_path)
