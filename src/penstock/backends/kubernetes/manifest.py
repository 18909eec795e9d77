"""Plan → pod. Pure; the whole result is compared in the tests.

The executors are containers that start together; ``launcher.sh`` lets them go one after the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.agents.protocol import Work
from penstock.backends.attempt.declared import ENVIRONMENT, SECRETS
from penstock.backends.attempt.shape import Command
from penstock.backends.kubernetes.limits import add_resources, security_of
from penstock.backends.kubernetes.plan import PRIVATE, TEMPORARY, PodPlan
from penstock.backends.kubernetes.site import Site
from penstock.names import split_attempt
from penstock.staging import storage

Json = dict[str, Any]
LABEL = "penstock"
LAUNCHER = f"{PRIVATE}/launcher"
BUSYBOX = f"{LAUNCHER}/bin/busybox"
ATTEMPT = f"{PRIVATE}/attempt"
SECRET = f"{PRIVATE}/secret"
SCRIPT = (Path(__file__).parent / "launcher.sh").read_text()
GRACE_S = 5
_START_S = 900  # what the kubelet's own deadline leaves for pulling images; the launcher keeps the exact limit
_AWAY_S = 30  # how long pods stay on a node that is not heard of


@dataclass(frozen=True)
class Mount:
    """A part of a volume in the executors' containers."""

    path: str
    volume: str
    folder: str
    read_only: bool

    def json(self) -> Json:
        """As Kubernetes wants it."""
        mount: Json = {"name": self.volume, "mountPath": self.path}
        if self.folder:
            mount["subPath"] = self.folder
        return mount | ({"readOnly": True} if self.read_only else {})


def pod_name(attempt: str) -> str:
    """The pod's name, and that of its Secret where it has one."""
    return f"penstock-{attempt}"


def selector(site: Site) -> str:
    """The labels by which an agent knows its own pods."""
    return f"{LABEL}/deployment={site.deployment},{LABEL}/site={site.site}"


def make_pod(work: Work, plan: PodPlan, mounts: list[Mount], site: Site) -> Json:
    """The pod of one attempt."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name(work.attempt), "labels": _labels(work, plan, site)},
        "spec": _Builder(work, plan, mounts, site).spec(),
    }


def make_secret(work: Work, plan_text: str, site: Site) -> Json:
    """What a pod's transfers through the server need to know."""
    texts = {"token": work.token, "plan.json": plan_text} | ({"ca.pem": site.ca} if site.ca else {})
    if work.storage:
        texts[storage.FILE] = storage.dump(work.storage)
    labels = {f"{LABEL}/deployment": site.deployment, f"{LABEL}/site": site.site, f"{LABEL}/attempt": work.attempt}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "immutable": True,
        "metadata": {"name": pod_name(work.attempt), "labels": labels},
        "stringData": texts,
    }


def _labels(work: Work, plan: PodPlan, site: Site) -> dict[str, str]:
    task, _ = split_attempt(work.attempt)
    labels = {
        "deployment": site.deployment,
        "site": site.site,
        "attempt": work.attempt,
        "task": task,
        "owner": hashlib.sha256(work.owner.encode()).hexdigest()[:16],
        "kind": work.kind.value,
        "network": work.terms.network,
    }
    if plan.head or plan.uploads:
        labels["server"] = "yes"
    if any(not transfer["url"].startswith(site.url) for transfer in plan.transfers):
        labels["transfers"] = "yes"
    return {f"{LABEL}/{name}": value for name, value in labels.items()}


class _Builder:
    def __init__(self, work: Work, plan: PodPlan, mounts: list[Mount], site: Site) -> None:
        self._work = work
        self._plan = plan
        self._site = site
        self._commands = plan.tree["executors"]
        self._attempt = _attempt_volume(work.attempt, site)
        self._mounts = [mount.json() for mount in [*self._own_mounts(), *mounts]]

    def spec(self) -> Json:
        plan, site = self._plan, self._site
        before = [
            *([] if site.image_volumes or site.launcher else [self._copy_launcher()]),
            *([self._stage_in()] if plan.fetches else []),
        ]
        containers = [self._executor(step, command) for step, command in enumerate(self._commands)]
        spec: Json = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": security_of(self._work.terms, site),
            "tolerations": [_tolerate("not-ready"), _tolerate("unreachable")],
            "containers": [*containers, *([self._stage_out()] if plan.uploads else [])],
            "volumes": self._volumes(),
        }
        if before:
            spec["initContainers"] = before
        add_resources(spec, self._work.terms, plan, site)
        if plan.time_limit_s is not None:
            spec["activeDeadlineSeconds"] = plan.time_limit_s + _START_S
        if site.pull_secret:
            spec["imagePullSecrets"] = [{"name": site.pull_secret}]
        if site.node:
            spec["affinity"] = _on_node(site.node)
        return spec

    def _own_mounts(self) -> list[Mount]:
        attempt, folder = self._attempt
        mounts = [
            Mount(LAUNCHER, *self._launcher(), read_only=True),
            Mount(f"{PRIVATE}/run", attempt, join(folder, "run"), read_only=False),
            Mount(f"{PRIVATE}/steps", "scratch", "steps", read_only=False),
        ]
        if TEMPORARY not in self._plan.roots:
            mounts.append(Mount(TEMPORARY, "scratch", "tmp", read_only=False))
        if self._plan.head:
            source = ("secret", "") if self._plan.uploads else (attempt, join(folder, "secrets"))
            mounts.append(Mount(SECRETS, *source, read_only=True))
        memory = [Mount(path, f"memory-{n}", "", read_only=False) for n, path in enumerate(self._plan.memory)]
        return [*mounts, *memory]

    def _launcher(self) -> tuple[str, str]:
        """Volume and folder in it."""
        site = self._site
        return ("workspace", join(site.claim_folder, site.launcher)) if site.launcher else ("launcher", "")

    def _executor(self, step: int, command: Command) -> Json:
        last = len(self._commands) - 1 + int(self._plan.uploads)
        limit = "" if self._plan.time_limit_s is None else str(self._plan.time_limit_s)
        streams = [command[name] or "" for name in ("stdin", "stdout", "stderr")]
        words = [str(step), str(last), str(int(command["ignore_error"])), limit, *streams, *command["command"]]
        container: Json = {
            "name": f"executor-{step}",
            "image": self._plan.images[step],
            "imagePullPolicy": "IfNotPresent",
            "command": [BUSYBOX, "sh", "-c", _plain(SCRIPT), "launcher"],
            "args": [_plain(word) for word in words],
            "env": _variables(ENVIRONMENT | (self._server() if self._plan.head else {}) | command["env"]),
            "volumeMounts": self._mounts,
            "securityContext": _RESTRICTED,
        }
        return container | ({"workingDir": command["workdir"]} if command["workdir"] else {})

    def _server(self) -> dict[str, str]:
        """How a head task reaches the server."""
        found = {
            "PENSTOCK_TOKEN_FILE": f"{SECRETS}/token",
            "PENSTOCK_STATE": f"{TEMPORARY}/penstock",
            "PENSTOCK_WORKLOAD": self._work.workload or "",
            "PENSTOCK_URL": self._site.url,
        }
        return found | ({"PENSTOCK_CA_FILE": f"{SECRETS}/ca.pem"} if self._site.ca else {})

    def _copy_launcher(self) -> Json:
        return {
            "name": "launcher",
            "image": self._site.launcher_image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/busybox", "sh", "-c", f"cd {LAUNCHER} && mkdir -p bin && cp /bin/busybox bin/"],
            "volumeMounts": [{"name": "launcher", "mountPath": LAUNCHER}],
            "securityContext": _RESTRICTED,
        }

    def _stage_in(self) -> Json:
        return self._transfer("stage-in", "in", [])

    def _stage_out(self) -> Json:
        """The last in the line of steps: it brings the outputs away when the executors are done."""
        steps = Mount(f"{PRIVATE}/steps", "scratch", "steps", read_only=False)
        return self._transfer("stage-out", f"{PRIVATE}/steps/{len(self._commands)}", [steps.json()])

    def _transfer(self, name: str, how: str, mounts: list[Json]) -> Json:
        volume, folder = self._attempt
        words = ["python3", "-m", "penstock.backends.kubernetes.transfer", how]
        words += ["--limit", str(self._site.transfer_limit_s), "--url", self._site.url]
        words += ["--largest", str(self._site.largest_input)]
        words += ["--allow-private"] if self._site.allow_private_urls else []
        mounts = [Mount(ATTEMPT, volume, folder, read_only=False).json(), *mounts]
        if self._plan.uploads:
            mounts.append({"name": "secret", "mountPath": SECRET, "readOnly": True})
        return {
            "name": name,
            "image": self._site.server_image,
            "imagePullPolicy": "IfNotPresent",
            "command": words,
            "workingDir": ATTEMPT,
            "env": _variables({"HOME": ATTEMPT}),
            "volumeMounts": mounts,
            "securityContext": _RESTRICTED,
        }

    def _volumes(self) -> list[Json]:
        volumes: list[Json] = [{"name": "scratch", "emptyDir": {}}]
        if not self._site.launcher:
            image = {"reference": self._site.launcher_image, "pullPolicy": "IfNotPresent"}
            source: Json = {"image": image} if self._site.image_volumes else {"emptyDir": {}}
            volumes.insert(0, {"name": "launcher", **source})
        if self._site.claim is not None:
            volumes.append({"name": "workspace", "persistentVolumeClaim": {"claimName": self._site.claim}})
        else:
            secret = {"secretName": pod_name(self._work.attempt), "defaultMode": 0o444}
            volumes += [{"name": "attempt", "emptyDir": {}}, {"name": "secret", "secret": secret}]
        for number in range(len(self._plan.memory)):
            limit = {"medium": "Memory", "sizeLimit": str(self._plan.ram_bytes)}
            volumes.append({"name": f"memory-{number}", "emptyDir": limit})
        return volumes


_RESTRICTED: Json = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def attempt_folder(attempt: str, site: Site) -> str:
    """The attempt's directory below the root of its volume."""
    return _attempt_volume(attempt, site)[1]


def _attempt_volume(attempt: str, site: Site) -> tuple[str, str]:
    task, number = split_attempt(attempt)
    if site.claim is None:
        return "attempt", ""
    return "workspace", join(site.claim_folder, f"tasks/{task}/{number}")


def join(folder: str, rest: str) -> str:
    """``rest`` below ``folder``, which may be the root."""
    return f"{folder}/{rest}" if folder else rest


def _plain(text: str) -> str:
    """Kubernetes takes ``$(NAME)`` for a variable and ``$$`` for one dollar."""
    return text.replace("$", "$$")


def _variables(values: dict[str, str]) -> list[Json]:
    return [{"name": name, "value": _plain(value)} for name, value in values.items()]


def _tolerate(what: str) -> Json:
    key = f"node.kubernetes.io/{what}"
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _AWAY_S}


def _on_node(node: str) -> Json:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    needed = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": needed}}
