"""A pipeline's definition, and consoles that can be read afterwards."""

from __future__ import annotations

import pytest

from penstock.cli.arguments import read_definition
from penstock.pipelines.models import Definition

DOCUMENT = {
    "name": "count",
    "title": "Counts",
    "version": "1",
    "inputs": {
        "reads": {"title": "Reads", "formats": ["fastq"], "suffixes": [".fq", ".fq.gz"], "max": None, "multiple_of": 2},
        "read_groups": {"title": "Groups", "formats": ["tsv"], "suffixes": [".tsv"], "min": 0},
    },
    "parameters": {
        "type": "object",
        "properties": {
            "ploidy": {"type": "integer", "title": "Ploidy", "default": 2, "minimum": 1, "x-unit": "copies"},
            "fast": {"type": "boolean", "title": "Fast", "default": False},
            "bins": {"type": "array", "items": {"type": "integer"}, "title": "Bins", "default": [1, 2]},
        },
        "additionalProperties": False,
    },
    "results": {"files": ["results/*"], "summary": "results/summary.tsv"},
}


@pytest.fixture
def definition() -> Definition:
    """A pipeline with pairs of reads and optional groups."""
    return read_definition(DOCUMENT)
