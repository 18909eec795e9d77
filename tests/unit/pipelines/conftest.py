"""A pipeline small enough to be written by each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

DEFINITION = """
    name: {name}
    title: Counting
    version: "{version}"
    inputs:
      text: {{title: Text, formats: [text], suffixes: [.txt, .txt.gz], min: 1, max: 2}}
      pairs: {{title: Pairs, formats: [text], suffixes: [.p], min: 0, max: null, multiple_of: 2}}
      other: {{title: Other, formats: [text], suffixes: [.o], min: 0, max: null}}
    any_of: [pairs, other]
    parameters:
      type: object
      properties:
        width: {{type: integer, title: Width, minimum: 1, maximum: 9, default: 3, x-unit: lines}}
    results:
      files: ["out/**"]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a pipeline's folder below ``folder`` and return it; ``old`` is replaced by ``new`` in its definition."""

    def put(name: str = "count", version: str = "1", folder: str = "site", old: str = "", new: str = "") -> Path:
        target = tmp_path / folder / name
        target.mkdir(parents=True, exist_ok=True)
        text = dedent(DEFINITION).format(name=name, version=version)
        assert old in text
        (target / "pipeline.yml").write_text(text.replace(old, new) if old else text)
        (target / "Snakefile").write_text("rule all:\n    output: 'out/x'\n    shell: 'touch {output}'\n")
        return target

    return put
