"""What a pod may use, and as whom it runs. Pure."""

from __future__ import annotations

import math
from typing import Any

from penstock.backends.kubernetes.plan import PodPlan
from penstock.backends.kubernetes.site import Site
from penstock.tasks.models import Terms

Json = dict[str, Any]
_TRANSFER_RAM = 192 * 10**6  # what a transfer container needs at least


def security_of(terms: Terms, site: Site) -> Json:
    """Root only where both the task and the deployment want it."""
    seccomp = {"type": "RuntimeDefault"}
    if terms.allow_root and site.allow_root:
        return {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": seccomp}
    return {"runAsNonRoot": True, "runAsUser": site.user, "runAsGroup": site.user, "seccompProfile": seccomp}


def add_resources(spec: Json, terms: Terms, plan: PodPlan, site: Site) -> None:
    """One budget for all containers; where the cluster has none, all is asked for by the first."""
    # A head task asks for no processor, as admission counts it: it waits for processes that need all there is.
    cpu = 0.0 if plan.head else terms.cpu_cores * site.cpu_share
    memory = str(max(plan.ram_bytes, _TRANSFER_RAM if plan.fetches else 0))
    asked = {"cpu": f"{math.ceil(cpu * 1000)}m", "memory": memory}
    first = spec["containers"][0]
    if site.pod_resources:
        spec["resources"] = {"requests": asked, "limits": {"memory": memory}}
    else:
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            container["resources"] = {"requests": {"cpu": "0", "memory": "0"}, "limits": {"memory": memory}}
        first["resources"] = {"requests": asked, "limits": {"memory": memory}}
    if terms.disk_gb and plan.uploads:
        requests = first.setdefault("resources", {}).setdefault("requests", {})
        requests["ephemeral-storage"] = str(int(terms.disk_gb * 10**9))
