"""Snakemake with the TES executor that is published for it."""

from __future__ import annotations

import pytest
from tests.integration.clients.conftest import Client

SNAKEMAKE = pytest.mark.parametrize("client", ["snakemake"], indirect=True)
WORKFLOW = """
rule all:
    input: "out/total.txt"
rule one:
    output: "out/{n}.txt"
    shell: "echo {wildcards.n} > {output}"
rule total:
    input: "out/1.txt", "out/2.txt"
    output: "out/total.txt"
    shell: "cat {input} > {output}"
"""
FAILING = """
rule all:
    output: "never.txt"
    shell: "exit 3"
"""


@SNAKEMAKE
def test_a_workflow_runs_as_tasks(client: Client) -> None:
    assert client.drive("drive_snakemake.py", text=WORKFLOW) == {"code": 0}
    assert (client.folder / "out" / "total.txt").read_text() == "1\n2\n"


@SNAKEMAKE
def test_a_rule_that_fails_fails_the_workflow(client: Client) -> None:
    assert client.drive("drive_snakemake.py", "all", text=FAILING)["code"] == 1
    assert not (client.folder / "never.txt").exists()
