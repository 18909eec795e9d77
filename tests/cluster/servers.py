"""A server and an agent as processes of this machine, whose tasks are pods."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.conftest import KUBECONFIG, Place
from tests.conftest import RunningServer
from tests.integration.conftest import Tes

from penstock.clock import Deadline

OWNER = "local"  # as at a bare server: the tests' paths name it


@dataclass
class ClusterServer(RunningServer):
    """``penstock serve`` with tokens, at an address that pods reach, and ``penstock agent`` beside it."""

    place: Place = field(kw_only=True)
    mounts: bool = field(kw_only=True, default=True)
    user: int | None = field(kw_only=True, default=None)
    agent: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start both, and wait until the server answers."""
        address = self.place.node_address()
        self.arguments = ("--no-agent",)
        self.data.mkdir(parents=True)
        kubeconfig = self.data / "kubeconfig"
        shutil.copy(KUBECONFIG, kubeconfig)
        if self.user is not None:  # pods are the same user
            self.prefix = ("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--")
            for path in (self.data, kubeconfig):
                os.chown(path, self.user, self.user)
        self.environment |= {"PENSTOCK_HOST": address, "PENSTOCK_SITE": self.data.name, **self._agents_settings()}
        self.start_server()
        self._give_tokens()
        self.start_agent()

    def start_server(self) -> None:
        """The server alone, at the address it had before."""
        super().start()

    def variables(self) -> dict[str, str]:
        """With the owner's token."""
        return {**super().variables(), "PENSTOCK_TOKEN_FILE": str(self.data / "owner.token")}

    def start_agent(self) -> None:
        """A new agent for the site."""
        variables = {**self.variables(), "PENSTOCK_TOKEN_FILE": str(self.data / "agent.token")}
        with (self.data.parent / f"{self.data.name}-agent.log").open("ab") as log:
            command = [*self.prefix, sys.executable, "-m", "penstock.cli.main", "agent"]
            self.agent = subprocess.Popen(command, env=variables, stdout=log, stderr=log)

    def kill_agent(self) -> None:
        """kill -9; its pods go on."""
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()

    def stop(self) -> None:
        """End both."""
        if self.agent is not None:
            self.agent.terminate()
            self.agent.wait(30)
            self.agent = None
        super().stop()

    def until_idle(self) -> None:
        """Until no pod and no secret is left; they go once the server has taken an attempt's end."""
        deadline = Deadline.after(180)
        while left := self.place.left():
            assert not deadline.passed, left
            time.sleep(0.2)

    def token(self) -> str:
        """The tests' owner's."""
        return (self.data / "owner.token").read_text().strip()

    def tes(self) -> Tes:
        """A client with that token."""
        client = Tes(self.url)
        client.http.headers["Authorization"] = f"Bearer {self.token()}"
        return client

    def _agents_settings(self) -> dict[str, str]:
        found = {
            "PENSTOCK_BACKEND": "kubernetes",
            "PENSTOCK_KUBECONFIG": str(self.data / "kubeconfig"),
            "PENSTOCK_NAMESPACE": self.place.namespace,
            "PENSTOCK_DATA": str(self.data),
            "PENSTOCK_LEASE_S": "20",
            "PENSTOCK_SERVER_IMAGE": os.environ.get("PENSTOCK_TEST_SERVER_IMAGE", ""),  # one of these sources
        }
        if self.mounts:
            found |= {"PENSTOCK_WORKSPACE": str(self.place.workspace), "PENSTOCK_WORKSPACE_CLAIM": "workspace"}
            if not (self.data / "workspace").exists():  # where the tests look
                (self.data / "workspace").symlink_to(self.place.workspace)
        return found

    def _give_tokens(self) -> None:
        for name, owner, scopes in (
            ("owner", OWNER, ["tasks", "workloads"]),
            ("agent", "agents", [f"agent:{self.data.name}"]),
        ):
            words = ["admin", "token", "ensure", "--owner", owner, "--file", str(self.data / f"{name}.token")]
            options = [word for scope in scopes for word in ("--scope", scope)]
            command = [*self.prefix, sys.executable, "-m", "penstock.cli.main", *words, *options]
            subprocess.run(command, env=self.variables(), check=True, capture_output=True)

    def _address(self) -> str:
        deadline = Deadline.after(40)
        file = self.data / "run" / "address"
        while not deadline.passed:
            assert self.process is not None
            if file.exists():
                return file.read_text().strip()
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError(f"the server did not start:\n{Path(f'{self.data}.log').read_text()}")
