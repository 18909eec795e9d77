#!/usr/bin/python
"""Ansible module: which workloads there are."""

from __future__ import annotations

import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib  # type: ignore[import-untyped]  # no types

try:
    from penstock.client.accounts import Accounts
    from penstock.client.http import Server
    from penstock.client.operations import CONNECTION, chosen, listed, perform
    from penstock.client.workloads import State

    MISSING = None
except ImportError:
    MISSING = traceback.format_exc()
    CONNECTION = {}

DOCUMENTATION = r"""
module: workload_info
short_description: List workloads
description:
  - Lists the workloads of one owner, or of all owners with an operator's token (scope C(admin)), and what they hold.
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
    description: Only those in one of these states, as in V(SUCCEEDED).
    type: list
    elements: str
    default: []
  older_than:
    description: Only those that have not changed for so many seconds.
    type: int
    default: 0
  accounts:
    description: Whether to look at the account of each, too.
    type: bool
    default: false
extends_documentation_fragment: [penstock_connection]
attributes:
  check_mode:
    support: full
    description: Changes nothing in any case.
  diff_mode:
    support: none
    description: Changes nothing.
author: Penstock
"""

EXAMPLES = r"""
- name: What is there
  workload_info:
  register: here

- name: Accounts whose secret is older than 30 days
  workload_info:
    states: [SUCCEEDED]
    accounts: true
"""

RETURN = r"""
workloads:
  description: The workloads, newest first; with O(accounts) each has C(account) (C(state), C(name), C(rotated_at)).
  returned: always
  type: list
  elements: dict
bytes:
  description: What they hold together.
  returned: always
  type: int
by_state:
  description: How many there are in each state.
  returned: always
  type: dict
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    **CONNECTION,
    "ids": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str"},
    "states": {"type": "list", "elements": "str", "default": []},
    "older_than": {"type": "int", "default": 0},
    "accounts": {"type": "bool", "default": False},
}


def run(module: AnsibleModule, server: Server) -> dict[str, Any]:
    """The list and its sums."""
    given = module.params
    unknown = sorted(set(given["states"]) - set(State))
    if unknown:
        module.fail_json(msg=f"{unknown[0]!r} is not a state; there are {', '.join(State)}.")
    found = chosen(listed(server, given["owner"], given["states"]), given["ids"], given["older_than"])
    shown = [one.model_dump(mode="json") for one in found]
    if given["accounts"]:
        calls = Accounts(server)
        shown = [{**one, "account": calls.get(one["id"]).model_dump()} for one in shown]
    states = [str(one.state) for one in found]
    by_state = {state: states.count(state) for state in sorted(set(states))}
    return {"changed": False, "workloads": shown, "bytes": sum(one.bytes for one in found), "by_state": by_state}


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
