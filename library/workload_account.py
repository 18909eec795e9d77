#!/usr/bin/python
"""Ansible module: the account that opens a workload's results."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib  # type: ignore[import-untyped]  # no types

try:
    from penstock.client.accounts import Accounts, AccountState
    from penstock.client.digests import write_private
    from penstock.client.http import Server
    from penstock.client.operations import CONNECTION, REDACTED, perform

    MISSING = None
except ImportError:
    MISSING = traceback.format_exc()
    CONNECTION = {}

DOCUMENTATION = r"""
module: workload_account
short_description: Open, rotate or revoke the account of a workload
description:
  - A workload's account is a name and a secret that open its results and nothing else.
  - A new secret is shown once. Name a O(secret_file), or register the result of a task with C(no_log).
options:
  workload:
    description: Id of the workload.
    type: str
    required: true
  state:
    description:
      - V(present) opens an account that was revoked, with a new secret; one that is open stays as it is.
      - V(absent) closes it, and all links, at once.
      - V(rotated) makes a new secret, if the present one is older than O(older_than).
    type: str
    choices: [present, absent, rotated]
    default: present
  older_than:
    description: Age in seconds from which on a secret is rotated.
    type: int
    default: 0
  secret_file:
    description: File on the controller that gets a new secret as C(NAME SECRET), 0600; it is then not returned.
    type: path
extends_documentation_fragment: [penstock_connection]
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows state and age; secrets are redacted.
author: Penstock
"""

EXAMPLES = r"""
- name: Rotate a secret that is older than 30 days
  workload_account:
    workload: 01m7z3teraw1cm25c9wzjw1wgn
    state: rotated
    older_than: 2592000
    secret_file: ~/rotated/01m7z3teraw1cm25c9wzjw1wgn

- name: Let nobody in any more
  workload_account:
    workload: 01m7z3teraw1cm25c9wzjw1wgn
    state: absent
"""

RETURN = r"""
state:
  description: V(active) or V(revoked), as it is now (in check mode, as it would be).
  returned: always
  type: str
name:
  description: Name of the account.
  returned: where there is one
  type: str
secret:
  description: The new secret.
  returned: where one was made and O(secret_file) is not given
  type: str
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    **CONNECTION,
    "workload": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "rotated"], "default": "present"},
    "older_than": {"type": "int", "default": 0},
    "secret_file": {"type": "path", "no_log": False},
}


def is_due(wanted: str, now: AccountState, older_than_s: int) -> bool:
    """Whether something is to be done."""
    if wanted == "absent" or now.rotated_at is None:
        return (now.state == "active") == (wanted == "absent")
    age = (datetime.now(UTC) - datetime.fromisoformat(now.rotated_at)).total_seconds()
    return wanted == "rotated" and age >= older_than_s


def difference(before: AccountState, after: dict[str, Any], *, fresh: bool) -> dict[str, Any]:
    """What changes; a secret never shows."""
    was = {"state": before.state, "secret": REDACTED if before.state == "active" else None}
    will = {"state": after["state"], "secret": None}
    if after["state"] == "active":
        will["secret"] = f"{REDACTED} (new)" if fresh else REDACTED
    return {"before": was, "after": will}


def run(module: AnsibleModule, server: Server) -> dict[str, Any]:
    """Look, decide, act."""
    given, calls = module.params, Accounts(server)
    before = calls.get(given["workload"])
    changed = is_due(given["state"], before, given["older_than"])
    result: dict[str, Any] = {"changed": changed, "state": before.state, "name": before.name}
    if changed:
        result["state"] = "revoked" if given["state"] == "absent" else "active"
    fresh = changed and result["state"] == "active"
    if changed and not module.check_mode:
        if fresh:
            result |= _rotate(calls, given)
        else:
            calls.revoke(given["workload"])
    return {**result, "diff": difference(before, result, fresh=fresh)}


def _rotate(calls: Accounts, given: dict[str, Any]) -> dict[str, Any]:
    made = calls.rotate(given["workload"])
    if not given["secret_file"]:
        return {"name": made.name, "secret": made.secret}
    write_private(Path(given["secret_file"]), f"{made.name} {made.secret}\n")
    return {"name": made.name}


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
