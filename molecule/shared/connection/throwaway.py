"""Ansible connection to molecule's throw-away hosts: `podman exec` with pipelining.

containers.podman.podman has no pipelining and takes seven calls of podman for a task; this takes one.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase, ensure_connect

DOCUMENTATION = r"""
name: throwaway
short_description: Run tasks in a podman container of this machine, with pipelining
description: Calls C(podman exec --interactive) once for a task.
author: Penstock
options:
  remote_addr:
    description: Name of the container.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
  remote_user:
    description: User in the container; who is root already needs no C(become).
    choices: [root]
    default: root
    vars:
      - name: ansible_user
"""


class Connection(ConnectionBase):
    """Nothing is held open between two tasks."""

    transport = "throwaway"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Exit code, stdout and stderr of a command in the container."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        command = ["podman", "exec", "--interactive", self.get_option("remote_addr"), *shlex.split(cmd)]
        done = subprocess.run(command, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the container."""
        super().put_file(in_path, out_path)
        self._copied(self.exec_command(f"dd of={shlex.quote(out_path)} bs=1M", Path(in_path).read_bytes()))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the container."""
        super().fetch_file(in_path, out_path)
        Path(out_path).write_bytes(self._copied(self.exec_command(f"cat {shlex.quote(in_path)}")))

    def close(self) -> None:
        """Nothing to close."""
        self._connected = False

    def _copied(self, done: tuple[int, bytes, bytes]) -> bytes:
        if done[0]:
            raise AnsibleConnectionFailure(done[2].decode(errors="replace"))
        return done[1]
