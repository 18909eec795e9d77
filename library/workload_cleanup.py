#!/usr/bin/python
"""Ansible module: removes workloads."""

from __future__ import annotations

import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib  # type: ignore[import-untyped]  # no types

try:
    from penstock.client.http import Server
    from penstock.client.operations import CONNECTION, Entry, chosen, listed, perform, removable, remove
    from penstock.client.workloads import State, Workloads
    from penstock.clock import Deadline

    MISSING = None
except ImportError:
    MISSING = traceback.format_exc()
    CONNECTION = {}

DOCUMENTATION = r"""
module: workload_cleanup
short_description: Remove workloads by state, age and owner
description:
  - Acknowledges workloads on behalf of their owners, which removes files, results, account and tasks.
  - Check mode tells what would be removed, and how many bytes.
options:
  ids:
    description: Only these.
    type: list
    elements: str
    default: []
  owner:
    description: Only this owner's; default is everybody's with an operator's token, else one's own.
    type: str
  states:
    description: Only those in one of these states.
    type: list
    elements: str
    default: [SUCCEEDED, FAILED, CANCELED]
  older_than:
    description: Only those that have not changed for so many seconds.
    type: int
    required: true
  cancel:
    description: Whether workloads that have not ended are canceled first; without it they stay.
    type: bool
    default: false
  wait:
    description: Seconds to wait for the end of one that is canceled.
    type: int
    default: 60
extends_documentation_fragment: [penstock_connection]
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Lists what is removed.
author: Penstock
"""

EXAMPLES = r"""
- name: Remove what has lain for a week
  workload_cleanup:
    older_than: 604800

- name: End and remove everything of somebody who has left
  workload_cleanup:
    owner: ada
    states: []
    older_than: 0
    cancel: true
"""

RETURN = r"""
workloads:
  description: What was removed (in check mode, would be).
  returned: always
  type: list
  elements: dict
bytes:
  description: What they held together.
  returned: always
  type: int
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    **CONNECTION,
    "ids": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str"},
    "states": {"type": "list", "elements": "str", "default": ["SUCCEEDED", "FAILED", "CANCELED"]},
    "older_than": {"type": "int", "required": True},
    "cancel": {"type": "bool", "default": False},
    "wait": {"type": "int", "default": 60},
}


def run(module: AnsibleModule, server: Server) -> dict[str, Any]:
    """List, choose, remove."""
    given = module.params
    unknown = sorted(set(given["states"]) - set(State))
    if unknown:
        module.fail_json(msg=f"{unknown[0]!r} is not a state; there are {', '.join(State)}.")
    there = listed(server, given["owner"], given["states"])
    found = removable(chosen(there, given["ids"], given["older_than"]), cancel=given["cancel"])
    if not module.check_mode:
        for one in found:
            remove(server, one, lambda workload: _until_ended(server, workload, given["wait"]))
    lines = [_line(one) for one in found]
    return {
        "changed": bool(found),
        "workloads": [one.model_dump(mode="json") for one in found],
        "bytes": sum(one.bytes for one in found),
        "diff": {"before": "".join(lines), "after": ""},
    }


def _until_ended(server: Server, workload: str, wait_s: int) -> None:
    calls = Workloads(server)
    now = calls.get(workload)
    deadline = Deadline.after(wait_s)
    while not now.state.final and not deadline.passed:
        now = calls.get(workload, after=now.sequence, wait_s=min(30.0, deadline.remaining))


def _line(one: Entry) -> str:
    return f"{one.id} {one.owner} {one.state} {one.bytes} bytes\n"


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
