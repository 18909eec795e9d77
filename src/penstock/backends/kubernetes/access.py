"""How to reach the cluster: a kubeconfig, or the service account of the agent's own pod."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from penstock.errors import SetupError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """``token_file`` is read again for every connection's worth of calls: the kubelet renews it."""

    url: str
    namespace: str
    trust: ssl.SSLContext = field(repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None

    def bearer(self) -> str | None:
        """The token to send now."""
        return self.token_file.read_text().strip() if self.token_file else self.token


def find_access(
    kubeconfig: Path | None, environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT
) -> Access:
    """By ``kubeconfig`` where it is given, else as the pod that this runs in. SetupError says what is wrong."""
    if kubeconfig is not None:
        return _from_file(kubeconfig)
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").exists():
        raise SetupError(
            "No cluster is known: this is no pod with a service account.", hint="Set PENSTOCK_KUBECONFIG to a file."
        )
    bracketed = f"[{host}]" if ":" in host else host
    trust = ssl.create_default_context(cafile=str(account / "ca.crt"))
    namespace = (account / "namespace").read_text().strip()
    return Access(f"https://{bracketed}:{port}", namespace, trust, token_file=account / "token")


def _from_file(path: Path) -> Access:
    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text())
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context["user"])
        return _access(path, context, cluster, user)
    except OSError as error:
        raise SetupError(f"The kubeconfig {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise SetupError(f"{path} is not a kubeconfig with a current context: {error!r}.") from error


def _access(path: Path, context: dict[str, Any], cluster: dict[str, Any], user: dict[str, Any]) -> Access:
    for plugin in ("exec", "auth-provider"):
        if plugin in user:
            raise SetupError(
                f"The user of {path} is known by the plug-in {plugin!r}, which agents cannot use.",
                hint="Make a kubeconfig with the token of a service account.",
            )
    authority = _bytes(path, cluster, "certificate-authority")
    trust = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        raise SetupError(f"{path} asks not to check the API server's certificate, which agents always do.")
    _present(trust, _bytes(path, user, "client-certificate"), _bytes(path, user, "client-key"))
    return Access(
        url=cluster["server"].rstrip("/"),
        namespace=context.get("namespace", "default"),
        trust=trust,
        token=user.get("token"),
        token_file=_beside(path, user["tokenFile"]) if "tokenFile" in user else None,
    )


def _named(config: dict[str, Any], kinds: str, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in config[kinds] if one["name"] == name)[kind]
    return found


def _bytes(path: Path, where: dict[str, Any], name: str) -> bytes:
    """A value given as base64 text or as the name of a file, which is relative to the kubeconfig."""
    if f"{name}-data" in where:
        try:
            return base64.b64decode(where[f"{name}-data"], validate=True)
        except binascii.Error as error:
            raise SetupError(f"{name}-data of {path} is not base64.") from error
    return _beside(path, where[name]).read_bytes() if name in where else b""


def _beside(path: Path, name: str) -> Path:
    return path.parent / name


def _present(trust: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client's certificate. The library reads files only: this one never reaches a disk."""
    if not certificate:
        return
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + b"\n" + key)
        trust.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
