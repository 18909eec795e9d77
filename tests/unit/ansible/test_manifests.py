"""Manifests of the roles: whatever the variables say, Kubernetes knows every field, the newest and the oldest."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.ansible.manifests import ROLES, Manifest, manifests, render, variables_of, wrong

VERSIONS = ("1.33", "1.36")
PLATFORM = (
    "access", "agent", "configuration", "exposure", "migration", "namespace", "policies", "pull", "secrets", "server",
    "storage",
)  # fmt: skip
# Each variable with the values that change a manifest, besides its default.
VARIED: dict[str, list[Any]] = {
    "penstock_platform_deployment": ["lab"],
    "penstock_platform_namespace": ["lab-7"],
    "penstock_platform_image_prefix": ["registry.site.org/lab/"],
    "penstock_platform_pull_secret": ["there-already"],
    "penstock_platform_pull_authfile": ["FILE"],
    "penstock_platform_images": [{"tools": "lab/tools:2"}],
    "penstock_platform_images_revision": ["0123"],
    "penstock_platform_closed_networks": [[], ["10.0.0.0/8"], ["fc00::/7"]],
    "penstock_platform_cluster_rights": [False],
    "penstock_platform_pod_security": ["baseline"],
    "penstock_platform_user_id": [2000],
    "penstock_platform_workspace_claim": ["there-already"],
    "penstock_platform_workspace_class": ["nfs"],
    "penstock_platform_workspace_mode": ["ReadWriteOnce"],
    "penstock_platform_workspace_size": ["1Ti"],
    "penstock_platform_workspace_path": ["/srv/workspace"],
    "penstock_platform_mount_workspace": [False],
    "penstock_platform_replicas": [1, 5],
    "penstock_platform_agents": [0],
    "penstock_platform_site": ["far-away"],
    "penstock_platform_site_tags": [{"gpu": "yes", "zone": "a"}],
    "penstock_platform_slots": [7],
    "penstock_platform_server_settings": [{"retention_s": 86400, "metrics_owners": True}],
    "penstock_platform_agent_settings": [{"cpu_cores": 1.5, "cpu_share": 0.4}],
    "penstock_platform_service_type": ["ClusterIP", "LoadBalancer"],
    "penstock_platform_node_port": [30642],
    "penstock_platform_annotations": [{"site.org/pool": "outside", "site.org/flag": "true"}],
    "penstock_platform_host": ["penstock.site.org"],
    "penstock_platform_ingress_class": ["nginx"],
    "penstock_platform_tls": ["none", "given"],
    "penstock_platform_certificate": ["FILE"],
    "penstock_platform_key": ["FILE"],
    "penstock_platform_names": [["10.244.0.1", "penstock.site.org", "fd00::1"]],
    "penstock_platform_operator": ["o'hara"],
    "penstock_platform_server_requests": [{"cpu": 1, "memory": "1Gi"}],
    "penstock_platform_server_limits": [{}],
    "penstock_platform_front_requests": [{"cpu": "5m"}],
    "penstock_platform_front_limits": [{}],
    "penstock_platform_agent_requests": [{"cpu": 0.5}],
    "penstock_platform_agent_limits": [{}],
    "penstock_platform_metrics_from": [["10.0.0.0/8"]],
    "database_deployment": ["lab"],
    "database_namespace": ["lab-7"],
    "database_image": ["registry.site.org/postgres:17"],
    "database_pull_secret": ["there-already"],
    "database_user_id": [2000],
    "database_storage": ["1Ti"],
    "database_storage_class": ["fast"],
    "database_claim": ["there-already"],
    "database_path": ["/srv/database"],
    "database_requests": [{"cpu": 2}],
    "database_limits": [{}],
    "metrics_image": ["registry.site.org/metrics-server:v1"],
    "metrics_namespace": ["monitoring"],
    "metrics_insecure_kubelets": [True],
    "metrics_requests": [{"cpu": 1}],
}
# What no manifest shows: how long the role waits, what it does on the controller.
ELSEWHERE = {
    "penstock_platform_make_namespace", "penstock_platform_folder", "penstock_platform_ready_s",
    "penstock_platform_remove_data", "database_ready_s", "database_remove_data", "database_url", "metrics_ready_s",
}  # fmt: skip
SERVER, POSTGRES = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
# What people set together.
TOGETHER: dict[str, dict[str, Any]] = {
    "one namespace": {
        "penstock_platform_cluster_rights": False, "penstock_platform_namespace": "lab",
        "penstock_platform_workspace_class": "local", "penstock_platform_workspace_mode": "ReadWriteOnce",
    },
    "no shared volume": {"penstock_platform_mount_workspace": False, "penstock_platform_cluster_rights": False},
    "behind an ingress": {
        "penstock_platform_host": "penstock.site.org", "penstock_platform_tls": "none",
        "penstock_platform_service_type": "ClusterIP", "penstock_platform_ingress_class": "nginx",
    },
    "an ingress with a certificate": {
        "penstock_platform_host": "penstock.site.org", "penstock_platform_tls": "given",
        "penstock_platform_certificate": "FILE", "penstock_platform_key": "FILE",
    },
    "a registry": {
        "images_registry": "registry.site.org/lab", "penstock_platform_pull_authfile": "FILE",
        "images_digests": {"penstock/server:0.1.0": SERVER, "penstock/postgres:0.1.0": POSTGRES},
    },
}  # fmt: skip
MIXTURES = 12


def mixture(number: int) -> dict[str, Any]:
    """Half of the variables with one of their values, in another combination for each number."""
    chosen = random.Random(number)  # noqa: S311 - no secret: the same at each run
    return {name: chosen.choice(values) for name, values in VARIED.items() if chosen.random() < 0.5}


CASES = {"defaults": {}, **TOGETHER, **{f"mixture {number}": mixture(number) for number in range(MIXTURES)}}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the role finds out or makes before it renders."""
    folder = tmp_path_factory.mktemp("controller")
    for name in ("ca.crt", "server.crt", "server.key", "file"):
        (folder / name).write_text(f"the {name}\n")
    secrets = {"key": "a2V5", "operator": "b3A=", "agent": "YWc="}
    known = {"penstock_platform_secrets": secrets, "penstock_platform_certificate_digest": "0"}
    return {
        **known,
        "penstock_platform_folder": str(folder),
        "database_password": "x" * 43,
        "FILE": str(folder / "file"),
    }


def rendered(case: dict[str, Any], given: dict[str, Any]) -> list[Manifest]:
    """Every manifest of the three roles."""
    told = {**given, **{name: given["FILE"] if value == "FILE" else value for name, value in case.items()}}
    if told.get("penstock_platform_tls") == "given":
        told = {"penstock_platform_certificate": given["FILE"], "penstock_platform_key": given["FILE"], **told}
    wanted = [name for name in PLATFORM if name != "pull" or told.get("penstock_platform_pull_authfile")]
    texts = [render("penstock_platform", f"{template}.yml.j2", told, ("database",)) for template in wanted]
    texts += [
        render("database", f"{template}.yml.j2", told, ("penstock_platform",)) for template in ("secret", "postgres")
    ]
    texts.append(render("metrics", "metrics.yml.j2", told))
    return [manifest for text in texts for manifest in manifests(text)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_kubernetes_knows_every_field_of_every_manifest(case: dict[str, Any], given: dict[str, Any]) -> None:
    made = rendered(case, given)
    assert len(made) > 30
    assert [one for version in VERSIONS for manifest in made for one in wrong(manifest, version)] == []


@pytest.mark.parametrize("role", ["penstock_platform", "database", "metrics"])
def test_every_variable_of_a_role_is_among_the_cases(role: str) -> None:
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    assert set(spec["options"]) <= set(VARIED) | ELSEWHERE


def test_every_value_is_in_one_of_the_mixtures() -> None:
    seen = [(name, value) for number in range(MIXTURES) for name, value in mixture(number).items()]
    assert [(name, value) for name, values in VARIED.items() for value in values if (name, value) not in seen] == []


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dat": {}}
    assert len(wrong(manifest, "1.36")) == 1


def pods(made: list[Manifest]) -> list[Manifest]:
    return [one["spec"]["template"]["spec"] for one in made if "template" in one.get("spec", {})]


def test_images_of_a_registry_are_named_by_digest_and_pulled_with_its_secret(given: dict[str, Any]) -> None:
    made = rendered(TOGETHER["a registry"], given)
    ours = [pod for pod in pods(made) if "metrics" not in pod["containers"][0]["name"]]
    images = {container["image"] for pod in ours for container in pod["containers"]}
    assert images == {
        f"registry.site.org/lab/penstock/server:0.1.0@{SERVER}",
        f"registry.site.org/lab/penstock/postgres:0.1.0@{POSTGRES}",
        "registry.site.org/lab/penstock/nginx:0.1.0",
    }
    assert {pod["imagePullSecrets"][0]["name"] for pod in ours} == {"penstock-pull"}
    [agent] = [one["data"] for one in made if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "penstock-agent")]
    assert agent["PENSTOCK_IMAGE_PULL_SECRET"] == "penstock-pull"
    assert agent["PENSTOCK_SERVER_IMAGE"].endswith(f"@{SERVER}")
    assert agent["PENSTOCK_TOOLS_IMAGE"] == "registry.site.org/lab/penstock/tools:1"


@pytest.mark.parametrize(("name", "value", "where"), [("replicas", 5, "server"), ("agents", 0, "agent")])
def test_the_numbers_of_servers_and_agents_are_those_asked_for(
    name: str, value: int, where: str, given: dict[str, Any]
) -> None:
    made = rendered({f"penstock_platform_{name}": value}, given)
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in made if one["kind"] == "Deployment"}
    assert replicas == {"penstock-server": 2, "penstock-agent": 1, "metrics-server": 1} | {f"penstock-{where}": value}


def test_scaling_starts_no_pod_anew(given: dict[str, Any]) -> None:
    few, many = rendered({}, given), rendered({"penstock_platform_replicas": 5}, given)
    assert pods(few) == pods(many)


def test_every_pod_keeps_the_restricted_profile(given: dict[str, Any]) -> None:
    for pod in pods(rendered({}, given)):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_no_secret_is_in_anything_but_a_secret(given: dict[str, Any]) -> None:
    for manifest in rendered({}, given):
        if manifest["kind"] != "Secret":
            assert "x" * 43 not in yaml.safe_dump(manifest)


def test_templates_are_all_rendered_here() -> None:
    folder = Path(ROLES, "penstock_platform", "templates")
    known = {f"{name}.yml.j2" for name in PLATFORM} | {"migration_pod.yml.j2"}  # which migration.yml.j2 holds
    assert {path.name for path in folder.glob("*.yml.j2")} == known
    assert variables_of("metrics", "vars") == {}
