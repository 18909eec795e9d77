"""Work → pod, compared whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.backends.kubernetes.conftest import ATTEMPT, FOLDER, SITE, URL, work

from penstock.backends.kubernetes.files import PodFiles, tree_mounts
from penstock.backends.kubernetes.manifest import SCRIPT, Mount, make_pod, make_secret
from penstock.backends.kubernetes.plan import build
from penstock.backends.kubernetes.site import Site

LAUNCH = ["/.penstock/launcher/bin/busybox", "sh", "-c", SCRIPT.replace("$", "$$"), "launcher"]
ENV = [{"name": name, "value": value} for name, value in (("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8"))]
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
OWN_MOUNTS = [
    {"name": "launcher", "mountPath": "/.penstock/launcher", "readOnly": True},
    {"name": "workspace", "mountPath": "/.penstock/run", "subPath": f"{FOLDER}/run"},
    {"name": "scratch", "mountPath": "/.penstock/steps", "subPath": "steps"},
    {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},
]


def pod(site: Site = SITE, mounts: list[Mount] | None = None, **given: Any) -> dict[str, Any]:
    """The pod of a task of one executor."""
    one = work(**given)
    return make_pod(one, build(one, site), mounts or [], site)


def executor(step: int, args: list[str], **more: Any) -> dict[str, Any]:
    """A container as expected."""
    return {
        "name": f"executor-{step}", "image": "registry.example/tools:1", "imagePullPolicy": "IfNotPresent",
        "command": LAUNCH, "args": args, "env": ENV, "volumeMounts": OWN_MOUNTS, "securityContext": RESTRICTED, **more,
    }  # fmt: skip


def test_the_pod_of_a_small_task() -> None:
    assert pod() == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"penstock-{ATTEMPT}",
            "labels": {
                "penstock/deployment": "demo",
                "penstock/site": "here",
                "penstock/attempt": ATTEMPT,
                "penstock/task": "01hzzzzzzzzzzzzzzzzzzzzzzz",
                "penstock/owner": "65c74c15a686187b",
                "penstock/kind": "process",
                "penstock/network": "none",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 30,
                }
                for what in ("not-ready", "unreachable")
            ],
            "containers": [executor(0, ["0", "0", "0", "", "", "", "", "run", "me"])],
            "volumes": [
                {"name": "launcher", "image": {"reference": "penstock/launcher:1", "pullPolicy": "IfNotPresent"}},
                {"name": "scratch", "emptyDir": {}},
                {"name": "workspace", "persistentVolumeClaim": {"claimName": "workspace"}},
            ],
            "resources": {"requests": {"cpu": "1000m", "memory": "1000000000"}, "limits": {"memory": "1000000000"}},
        },
    }  # fmt: skip


def test_executors_are_containers_with_their_place_in_the_line() -> None:
    one = work(
        {"command": ["echo", "$(HOME) $$x"], "env": {"A": "$B"}, "ignore_error": True},
        {"workdir": "/w", "stdin": "/i", "stdout": "/w/o", "stderr": "/w/e", "image": "other:2"},
        terms={"time_limit_s": 7},
    )
    made = make_pod(one, build(one, SITE), [Mount("/w", "workspace", "x/root/w", read_only=False)], SITE)
    mounts = [*OWN_MOUNTS, {"name": "workspace", "mountPath": "/w", "subPath": "x/root/w"}]
    first = executor(0, ["0", "1", "1", "7", "", "", "", "echo", "$$(HOME) $$$$x"], volumeMounts=mounts)
    second = executor(1, ["1", "1", "0", "7", "/i", "/w/o", "/w/e", "run", "me"], volumeMounts=mounts, image="other:2")
    assert made["spec"]["containers"] == [
        first | {"env": [*ENV, {"name": "A", "value": "$$B"}]},
        second | {"workingDir": "/w"},
    ]
    assert made["spec"]["activeDeadlineSeconds"] == 907


def test_a_pod_requests_the_share_of_its_cores_that_the_site_says() -> None:
    made = pod(replace(SITE, cpu_share=0.4), terms={"cpu_cores": 2, "ram_gb": 1})
    assert made["spec"]["resources"]["requests"]["cpu"] == "800m"


def test_a_head_task_gets_the_servers_address_its_token_and_no_cpu_of_its_own() -> None:
    made = pod(replace(SITE, ca="-----"), kind="head", terms={"cpu_cores": 4, "ram_gb": 2})
    [container] = made["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PENSTOCK_TOKEN_FILE": "/run/penstock-token/token",
        "PENSTOCK_STATE": "/tmp/penstock", "PENSTOCK_WORKLOAD": "w1", "PENSTOCK_URL": "https://penstock.example",
        "PENSTOCK_CA_FILE": "/run/penstock-token/ca.pem",
    }  # fmt: skip
    secrets = {"name": "workspace", "mountPath": "/run/penstock-token", "subPath": f"{FOLDER}/secrets"}
    assert secrets | {"readOnly": True} in container["volumeMounts"]
    assert made["spec"]["resources"]["requests"] == {"cpu": "0m", "memory": "2000000000"}
    assert made["metadata"]["labels"]["penstock/server"] == "yes"


def test_a_remote_input_needs_a_transfer_container_first() -> None:
    made = pod(inputs=[{"path": "/in", "url": "https://example.org/x"}], terms={"ram_gb": 0.1})
    [stage_in] = made["spec"]["initContainers"]
    words = ["python3", "-m", "penstock.backends.kubernetes.transfer", "in", "--limit", "21600"]
    assert stage_in == {
        "name": "stage-in", "image": "penstock/server:1", "imagePullPolicy": "IfNotPresent",
        "command": [*words, "--url", "https://penstock.example", "--largest", str(1 << 40)],
        "workingDir": "/.penstock/attempt",
        "env": [{"name": "HOME", "value": "/.penstock/attempt"}],
        "volumeMounts": [{"name": "workspace", "mountPath": "/.penstock/attempt", "subPath": FOLDER}],
        "securityContext": RESTRICTED,
    }  # fmt: skip
    assert made["metadata"]["labels"]["penstock/transfers"] == "yes"
    assert made["spec"]["resources"]["limits"] == {"memory": "192000000"}


def test_a_pod_that_mounts_the_workspace_gets_the_launcher_from_there() -> None:
    made = pod(replace(SITE, launcher="launcher/abc", claim_folder="below", image_volumes=False))["spec"]
    [container] = made["containers"]
    mount = {"name": "workspace", "mountPath": "/.penstock/launcher", "subPath": "below/launcher/abc", "readOnly": True}
    assert container["volumeMounts"][0] == mount
    assert [one["name"] for one in made["volumes"]] == ["scratch", "workspace"]
    assert "initContainers" not in made


def test_older_clusters_get_the_launcher_by_a_container_and_resources_by_container() -> None:
    made = pod(replace(SITE, image_volumes=False, pod_resources=False))["spec"]
    assert [one["name"] for one in made["initContainers"]] == ["launcher"]
    assert made["volumes"][0] == {"name": "launcher", "emptyDir": {}}
    assert "resources" not in made
    assert made["containers"][0]["resources"] == {
        "requests": {"cpu": "1000m", "memory": "1000000000"}, "limits": {"memory": "1000000000"},
    }  # fmt: skip


def test_root_needs_the_task_and_the_deployment() -> None:
    asked: dict[str, Any] = {"terms": {"allow_root": True}}
    assert pod(**asked)["spec"]["securityContext"]["runAsNonRoot"]
    allowed = pod(replace(SITE, allow_root=True), **asked)["spec"]["securityContext"]
    assert allowed == {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod(replace(SITE, allow_root=True))["spec"]["securityContext"]["runAsNonRoot"]
    one = work(**asked)
    assert build(one, SITE).logs == ["warning: this deployment runs nothing as root: allow_root was ignored."]


def test_memory_volumes_are_shared_memory() -> None:
    made = pod(terms={"memory_volumes": ["/fast"], "ram_gb": 2})["spec"]
    assert {"name": "memory-0", "mountPath": "/fast"} in made["containers"][0]["volumeMounts"]
    limit = {"medium": "Memory", "sizeLimit": "2000000000"}
    assert {"name": "memory-0", "emptyDir": limit} in made["volumes"]


def test_pods_can_be_kept_on_a_node_and_pull_with_a_secret() -> None:
    made = pod(replace(SITE, node="n1", pull_secret="registry", claim_folder="w"))["spec"]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    required = made["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {"nodeSelectorTerms": [term]}
    assert made["imagePullSecrets"] == [{"name": "registry"}]
    assert made["containers"][0]["volumeMounts"][1]["subPath"] == f"w/{FOLDER}/run"


def test_without_the_workspace_files_travel_with_the_attempts_token() -> None:
    site = replace(SITE, claim=None)
    one = work(
        inputs=[{"path": "/in/f", "url": f"{URL}/f"}, {"path": "/t", "content": "text"}],
        outputs=[{"path": "/o/x", "url": f"{URL}/x"}],
    )
    plan = build(one, site)
    made = make_pod(one, plan, PodFiles(site).prepare(one, plan), site)["spec"]
    assert [one["name"] for one in made["initContainers"]] == ["stage-in"]
    assert [one["name"] for one in made["containers"]] == ["executor-0", "stage-out"]
    assert made["containers"][0]["args"][:2] == ["0", "1"]
    assert made["containers"][0]["volumeMounts"][-3:] == [
        {"name": "attempt", "mountPath": "/o", "subPath": "root/o"},
        {"name": "attempt", "mountPath": "/in/f", "subPath": "inputs/0", "readOnly": True},
        {"name": "attempt", "mountPath": "/t", "subPath": "inputs/1", "readOnly": True},
    ]
    assert made["containers"][1]["command"][3] == "/.penstock/steps/1"
    assert {"name": "secret", "mountPath": "/.penstock/secret", "readOnly": True} in (
        made["containers"][1]["volumeMounts"]
    )
    inputs = f"https://penstock.example/api/v1/attempts/{ATTEMPT}/inputs"
    assert plan.transfers == [
        {"url": f"{inputs}/0", "target": "inputs/0", "type": "FILE"},
        {"url": f"{inputs}/1", "target": "inputs/1", "type": "FILE"},
    ]
    assert plan.tree["contents"] == {}


def test_a_secret_holds_token_and_plan() -> None:
    made = make_secret(work(), "{}", replace(SITE, claim=None, ca="-----"))
    assert made["stringData"] == {"token": "t", "plan.json": "{}", "ca.pem": "-----"}
    assert made["immutable"]


def test_what_lies_in_a_mounted_input_is_not_mounted_twice() -> None:
    one = work({"workdir": "/d/deep"}, inputs=[{"path": "/d", "url": f"{URL}/d", "type": "DIRECTORY"}])
    plan = build(one, SITE)
    spread = [("/d/a", "owners/o/data/d/a", False)]
    assert tree_mounts(plan, FOLDER, "workspace", spread) == [
        Mount("/d", "workspace", f"{FOLDER}/root/d", read_only=False),
        Mount("/d/a", "workspace", "owners/o/data/d/a", read_only=True),
    ]
    live = [("/d", "workloads/w1/work", True)]
    assert tree_mounts(plan, FOLDER, "workspace", live) == [
        Mount("/d", "workspace", "workloads/w1/work", read_only=False)
    ]
