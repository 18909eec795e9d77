#!/usr/bin/python
"""Ansible module: which workloads there are."""

from __future__ import annotations

import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib  # type: ignore[import-untyped]  # no types

try:
    from penstock.client.accounts import Accounts
    from penstock.client.http import Server
    from penstock.client.operations import CONNECTION, chosen, connect, listed
    from penstock.client.workloads import State
    from penstock.errors import PenstockError

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
  url:
    description: Address of the server; default is E(PENSTOCK_URL), else C(http://127.0.0.1:8642).
    type: str
  token_file:
    description: File with the token to send; default is E(PENSTOCK_TOKEN_FILE), else C(~/.config/penstock/token).
    type: path
  ca_file:
    description: Certificate authority to trust besides the system's.
    type: path
  socket:
    description: Unix socket to reach the server by.
    type: path
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
    try:
        with connect(module.params) as server:
            result = run(module, server)
    except PenstockError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
