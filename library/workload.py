#!/usr/bin/python
"""Ansible module: runs a workload and brings its results."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib  # type: ignore[import-untyped]  # no types

try:
    from penstock.cli.arguments import read_definition, read_inputs
    from penstock.client.http import Server
    from penstock.client.operations import CONNECTION, perform
    from penstock.client.outputs import Receipt, is_whole, read_receipt, write_receipt
    from penstock.client.patience import Patience
    from penstock.client.pipelines import get_pipeline
    from penstock.client.quiet import Quiet
    from penstock.client.runs import Order, Runs
    from penstock.client.workloads import State
    from penstock.pipelines.parameters import check_parameters

    MISSING = None
except ImportError:
    MISSING = traceback.format_exc()
    CONNECTION = {}

DOCUMENTATION = r"""
module: workload
short_description: Run a pipeline on files of the controller and bring the results
description:
  - Sends files, waits for the end, brings the results into O(output), verified, and has the workload removed.
  - Does nothing where O(output) holds the whole results of the same pipeline, parameters and contents of files.
  - A run that was interrupted goes on.
options:
  pipeline:
    description: Name of the pipeline.
    type: str
    required: true
  version:
    description: Version of the pipeline; default is the newest.
    type: str
  inputs:
    description: For each role of the pipeline a list of files (on the controller) or URLs.
    type: dict
    required: true
  parameters:
    description: Values by name.
    type: dict
    default: {}
  output:
    description: Folder (on the controller) for the results.
    type: path
    required: true
  name:
    description: A name to find it again by.
    type: str
  results_to:
    description: Folder of a bucket (C(s3://bucket/folder/)) that the results are sent to, too.
    type: str
  keep:
    description: Whether the workload stays on the server.
    type: bool
    default: false
extends_documentation_fragment: [penstock_connection]
attributes:
  check_mode:
    support: full
    description: Says whether it would run.
  diff_mode:
    support: none
    description: Results have none.
author: Penstock
"""

EXAMPLES = r"""
- name: Call variants
  workload:
    pipeline: variants
    inputs:
      reference: [ref.fa]
      bam: [a.bam, b.bam]
    parameters: {ploidy: 2}
    output: results/
"""

RETURN = r"""
id:
  description: Id of the workload.
  returned: where one ran, or had run
  type: str
state:
  description: How it ended.
  returned: where one ran
  type: str
reason:
  description: Why it ended so.
  returned: where one ran
  type: str
results_sent_at:
  description: When all results had arrived at O(results_to).
  returned: where one ran with O(results_to)
  type: str
files:
  description: The results, as paths below O(output).
  returned: always
  type: list
  elements: str
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    **CONNECTION,
    "pipeline": {"type": "str", "required": True},
    "version": {"type": "str"},
    "inputs": {"type": "dict", "required": True},
    "parameters": {"type": "dict", "default": {}},
    "output": {"type": "path", "required": True},
    "name": {"type": "str"},
    "results_to": {"type": "str"},
    "keep": {"type": "bool", "default": False},
}


def run(module: AnsibleModule, server: Server) -> dict[str, Any]:
    """Compare with what lies in the output; run."""
    given, output = module.params, Path(module.params["output"])
    runs = Runs(server, Quiet(), Patience(server.settings.patience_s, lambda _error, _left: None))
    order = runs.read(ordered(server, given))
    key, receipt = runs.key(order), read_receipt(output)
    if receipt is not None and receipt.key == key and is_whole(output, receipt):
        return {"changed": False, "id": receipt.workload, "files": sorted(receipt.files)}
    if module.check_mode:
        return {"changed": True, "files": []}
    ticket = runs.start(order, key)
    runs.upload(order, ticket)
    ended = runs.wait(ticket.record.workload)
    told = {"changed": True, "id": ended.id, "state": str(ended.state), "reason": ended.reason or ""}
    if ended.state != State.SUCCEEDED:
        module.fail_json(msg=f"Workload {ended.id} is {ended.state}: {ended.reason}", **told, files=[])
    results = runs.download(ended, output, ticket.record.account)
    files = {one.name: one.sha256 for one in results}
    if ended.unsent:
        runs.finish(ticket, kept=True)
        module.fail_json(msg=f"Workload {ended.id}: {ended.reason}", **told, files=sorted(files))
    write_receipt(output, Receipt(key=key, workload=ended.id, files=files))
    if not given["keep"]:
        runs.acknowledge(ended.id)
    runs.finish(ticket, kept=given["keep"])
    if ended.results_to is not None:
        told["results_sent_at"] = ended.results_sent_at
    return {**told, "files": sorted(files)}


def ordered(server: Server, given: dict[str, Any]) -> Order:
    """The arguments, checked against the pipeline."""
    definition = read_definition(get_pipeline(server, given["pipeline"], given["version"]))
    pairs = [(role, str(file)) for role, files in given["inputs"].items() for file in _several(files)]
    parameters = check_parameters(definition.parameters, given["parameters"])
    inputs = read_inputs(definition, pairs, ())
    return Order(definition.name, definition.version, parameters, inputs, given["name"], given["results_to"])


def _several(files: object) -> list[object]:
    return files if isinstance(files, list) else [files]


def main() -> None:
    """Ask, compare, act, report."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("penstock"), exception=MISSING)
    perform(module, run)


if __name__ == "__main__":
    main()
