"""Releases of Kubernetes: what is said of them in several places agrees."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from tests.unit.ansible.manifests import SCHEMAS, variables_of

ROOT = Path(__file__).resolve().parents[3]
MIRROR = ROOT / "mirror"


def version_in(module: str, path: str) -> str:
    """The version of a module that is required by ``mirror/<module>/go.mod``."""
    found = re.search(rf"{re.escape(path)} (v\S+)", (MIRROR / module / "go.mod").read_text())
    assert found is not None
    return found[1]


def test_the_newest_release_is_what_the_mirror_builds() -> None:
    assert variables_of("kubernetes", "defaults")["kubernetes_version"] == version_in("kubernetes", "k8s.io/kubernetes")


def test_the_oldest_release_is_built_as_it_is_asked_for() -> None:
    [told] = [yaml.safe_load(path.read_text()) for path in MIRROR.glob("kubernetes-*.yml")]
    version = version_in(told["mirror_kubernetes_module"], "k8s.io/kubernetes")
    assert told["kubernetes_version"] == version
    assert told["kubernetes_etcd_tag"] == version_in("etcd", "go.etcd.io/etcd/server/v3").removeprefix("v") + "-0"
    assert told["kubernetes_coredns_tag"] == version_in("coredns", "github.com/coredns/coredns")
    minor = version.rpartition(".")[0]
    assert variables_of("penstock_platform", "vars")["penstock_platform_least_kubernetes"] == minor
    assert variables_of("kubernetes", "vars")["kubernetes_least"] == minor
    assert f"{minor.removeprefix('v')} or newer" in (ROOT / "docs" / "kubernetes.md").read_text()


def test_manifests_are_checked_against_the_oldest_and_the_newest_release() -> None:
    modules = [path for path in MIRROR.glob("kubernetes*") if path.is_dir()]
    versions = {version_in(path.name, "k8s.io/kubernetes").removeprefix("v").rpartition(".")[0] for path in modules}
    assert {path.stem for path in SCHEMAS.glob("*.json")} == versions
