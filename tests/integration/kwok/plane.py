"""A real control plane over nodes that do not exist: etcd, API server, scheduler, controllers; kwok for the kubelets.

All of it listens on loopback and lives in one folder. Pods of fake nodes never run anything: kwok writes into their
status what a kubelet would write after the launcher has told its result.
"""

from __future__ import annotations

import os
import platform
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from penstock.clock import Deadline

Json = dict[str, Any]
MIRROR = Path(os.environ.get("PENSTOCK_TEST_MIRROR", Path.home() / ".cache" / "penstock" / "mirror"))
STAGES = Path(__file__).parents[2] / "data" / "kwok.yaml"
NAMESPACE = "fake"
MISSING = "kwok is not in the mirror: ansible-playbook playbooks/mirror.yml -e mirror_kwok=true"
_START_S = 120.0
_NODE: Json = {"cpu": "32", "memory": "128Gi", "pods": "110"}


def programs() -> dict[str, Path] | None:
    """The programs of the mirror; None where one of them was not built."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
    found = {name: MIRROR / "programs" / name for name in ("etcd", "kwok")}
    for name in ("kube-apiserver", "kube-scheduler", "kube-controller-manager"):
        places = sorted(MIRROR.glob(f"release/*/bin/linux/{architecture}/{name}"))
        found[name] = places[-1] if places else MIRROR / name
    return found if all(path.exists() for path in found.values()) else None


def free_port() -> int:
    """A port of loopback that nobody listens on; these programs cannot choose one for themselves."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class ControlPlane:
    """``workspace`` is the folder behind the claim that pods mount."""

    folder: Path
    programs: dict[str, Path]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, nodes: int) -> None:
        """Start everything; returns when all nodes are ready."""
        self.folder.mkdir(parents=True)
        self.workspace.mkdir()
        self._start_etcd()
        self._start_api()
        self._write_kubeconfig()
        self._until("the API server", lambda: self._answers("/readyz"))
        for name in ("kube-controller-manager", "kube-scheduler"):
            self._run(name, "--kubeconfig", self.kubeconfig, "--leader-elect=false", "--secure-port=0", *_MORE[name])
        self._run("kwok", "--kubeconfig", self.kubeconfig, "--config", STAGES, "--manage-all-nodes", *_MORE["kwok"])
        for path, body in _objects(self.workspace, nodes):
            self.api.post(path, json=body).raise_for_status()
        self._until("the namespace", self._is_furnished)
        self._until("the nodes", lambda: self._ready_nodes() == nodes)

    def stop(self) -> None:
        """End everything at once: nothing here is worth an orderly end, for which each would wait for another."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(30)
        if hasattr(self, "api"):
            self.api.close()

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def agents_settings(self) -> dict[str, str]:
        """The environment of an agent here."""
        return {
            "PENSTOCK_BACKEND": "kubernetes",
            "PENSTOCK_KUBECONFIG": str(self.kubeconfig),
            "PENSTOCK_NAMESPACE": NAMESPACE,
            "PENSTOCK_WORKSPACE": str(self.workspace),
            "PENSTOCK_WORKSPACE_CLAIM": "workspace",
        }

    def pods(self) -> list[Json]:
        """Those of the namespace."""
        found: list[Json] = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods").raise_for_status().json()["items"]
        return found

    def folders(self) -> list[Path]:
        """Those of attempts in the workspace."""
        return list((self.workspace / "tasks").glob("*/*"))

    def events(self, reason: str) -> list[str]:
        """What the events of the namespace with this reason say."""
        found = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/events", params={"fieldSelector": f"reason={reason}"})
        return [one.get("message", "") for one in found.raise_for_status().json()["items"]]

    def _start_etcd(self) -> None:
        self._etcd, peers = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self._run(
            "etcd", "--name=one", f"--data-dir={self.folder / 'etcd'}", "--log-level=warn",
            f"--listen-client-urls={self._etcd}", f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=one={peers}",
            f"--quota-backend-bytes={8 << 30}",
        )  # fmt: skip

    def _start_api(self) -> None:
        key, tokens = self.folder / "accounts.key", self.folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._token, self._port = secrets.token_hex(32), free_port()
        tokens.touch(0o600)
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        self._run(
            "kube-apiserver", f"--etcd-servers={self._etcd}", f"--secure-port={self._port}", "--bind-address=127.0.0.1",
            "--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", f"--cert-dir={self.folder / 'pki'}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24", "--etcd-compaction-interval=1m",
        )  # fmt: skip

    def _write_kubeconfig(self) -> None:
        authority = self.folder / "pki" / "apiserver.crt"
        self._until("a certificate", lambda: authority.exists() and authority.stat().st_size > 0)
        cluster = {"server": f"https://127.0.0.1:{self._port}", "certificate-authority": str(authority)}
        self.kubeconfig.touch(0o600)
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "one",
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one", "namespace": NAMESPACE}}],
            "clusters": [{"name": "one", "cluster": cluster}],
            "users": [{"name": "one", "user": {"token": self._token}}],
        }  # fmt: skip
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.api = httpx.Client(
            base_url=cluster["server"], headers={"Authorization": f"Bearer {self._token}"}, trust_env=False, timeout=60,
            verify=ssl.create_default_context(cafile=str(authority)),
        )  # fmt: skip

    def _run(self, name: str, *words: str | Path) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "--", self.programs[name], *words],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"HOME": str(self.folder)},
            )

    def _until(self, what: str, there: Callable[[], bool]) -> None:
        deadline = Deadline.after(_START_S)
        while not there():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            words = "".join((self.folder / f"{name}.log").read_text()[-2000:] for name in ended)
            assert not ended, f"{ended} ended:\n{words}"
            assert not deadline.passed, f"{what} did not come in {_START_S:g} s; see {self.folder}"
            time.sleep(0.2)

    def _answers(self, path: str) -> bool:
        try:
            return self.api.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def _is_furnished(self) -> bool:
        account = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default").status_code == 200
        claim = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/workspace").json()
        return account and claim["status"].get("phase") == "Bound"

    def _ready_nodes(self) -> int:
        nodes = self.api.get("/api/v1/nodes").json()["items"]
        ready = [one for one in nodes if any(c["type"] == "Ready" and c["status"] == "True" for c in _conditions(one))]
        return len([one for one in ready if not one["spec"].get("taints")])


def _conditions(node: Json) -> list[Json]:
    found: list[Json] = node["status"].get("conditions", [])
    return found


_MORE = {
    # Fake kubelets send no heartbeats: a thousand of them would be most of what the API server does.
    "kube-controller-manager": ["--node-monitor-grace-period=24h", "--kube-api-qps=1000", "--kube-api-burst=2000"],
    "kube-scheduler": ["--kube-api-qps=5000", "--kube-api-burst=10000"],
    "kwok": ["--node-lease-duration-seconds=0", "--v=WARN", "--node-ip=10.0.0.1", "--cidr=10.1.0.0/16"],
}


def _objects(workspace: Path, nodes: int) -> Iterator[tuple[str, Json]]:
    yield "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {**spec, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(workspace)}}
    volume["claimRef"] = {"namespace": NAMESPACE, "name": "workspace"}
    yield "/api/v1/persistentvolumes", {"metadata": {"name": "workspace"}, "spec": volume}
    claim = {**spec, "volumeName": "workspace", "resources": {"requests": {"storage": "1Gi"}}}
    path = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
    yield path, {"metadata": {"name": "workspace"}, "spec": claim}
    for number in range(nodes):
        status = {"allocatable": _NODE, "capacity": _NODE}
        yield "/api/v1/nodes", {"metadata": {"name": f"fake-{number:04}"}, "status": status}


@contextmanager
def control_plane(folder: Path, nodes: int) -> Iterator[ControlPlane]:
    """One that runs, and is ended."""
    found = programs()
    assert found is not None, MISSING
    one = ControlPlane(folder, found)
    try:
        one.start(nodes)
        yield one
    finally:
        one.stop()


def cpu_s(process: int) -> float:
    """Seconds of processor time that a process has used (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(process: int) -> int:
    """What it has resident."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
