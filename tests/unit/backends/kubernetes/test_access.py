"""How an agent reaches its cluster."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.backends.kubernetes.access import find_access
from penstock.errors import SetupError


@pytest.fixture(scope="module")
def authority() -> str:
    """Some certificate authority of this system."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(found[0])


def kubeconfig(folder: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, **context: str) -> Path:
    """A kubeconfig with one context."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", **context}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://10.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    return folder / "config"


def test_a_token_of_a_kubeconfig(tmp_path: Path, authority: str) -> None:
    data = {"certificate-authority-data": base64.b64encode(authority.encode()).decode()}
    access = find_access(kubeconfig(tmp_path, {"token": "secret"}, data, namespace="mine"))
    assert (access.url, access.namespace, access.bearer()) == ("https://10.0.0.1:6443", "mine", "secret")
    assert len(access.trust.get_ca_certs()) == 1
    assert "secret" not in repr(access)


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path, authority: str) -> None:
    (tmp_path / "ca.crt").write_text(authority)
    (tmp_path / "token").write_text("first\n")
    access = find_access(kubeconfig(tmp_path, {"tokenFile": "token"}, {"certificate-authority": "ca.crt"}))
    assert (access.bearer(), access.namespace) == ("first", "default")
    (tmp_path / "token").write_text("second\n")
    assert access.bearer() == "second"


def test_a_pod_uses_its_service_account(tmp_path: Path, authority: str) -> None:
    for name, text in (("token", "t\n"), ("ca.crt", authority), ("namespace", "here\n")):
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = find_access(None, environment, tmp_path)
    assert (access.url, access.namespace, access.bearer()) == ("https://[fd00::1]:6443", "here", "t")


def test_without_a_cluster_the_hint_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="PENSTOCK_KUBECONFIG"):
        find_access(None, {}, tmp_path)


@pytest.mark.parametrize(
    ("user", "cluster", "told"),
    [
        ({"exec": {"command": "aws"}}, {}, "plug-in 'exec'"),
        ({"token": "x"}, {"insecure-skip-tls-verify": True}, "always do"),
        ({"token": "x"}, {"certificate-authority-data": "%"}, "not base64"),
        ({"tokenFile": "t"}, {"certificate-authority": "missing"}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], told: str) -> None:
    with pytest.raises(SetupError, match=told):
        find_access(kubeconfig(tmp_path, user, cluster))


def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("kind: Config\n")
    with pytest.raises(SetupError, match="is not a kubeconfig"):
        find_access(tmp_path / "config")
