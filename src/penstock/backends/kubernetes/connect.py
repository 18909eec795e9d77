"""From the settings to a backend that has found its cluster."""

from __future__ import annotations

import asyncio

import structlog

from penstock.backends.kubernetes.access import find_access
from penstock.backends.kubernetes.backend import ATTEMPT_LABEL, KubernetesBackend
from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.room import survey
from penstock.backends.kubernetes.site import parse_version, site_of
from penstock.errors import Unreachable
from penstock.settings import Settings

log = structlog.get_logger(__name__)
OLDEST = (1, 29)  # what the launcher, the watch and the pods need is stable since
_PAUSE_S = 2.0


async def connect(settings: Settings) -> KubernetesBackend:
    """Wait for the API server and learn what it can. SetupError, NotAuthenticated, Forbidden say what is wrong."""
    cluster = Cluster(find_access(settings.kubeconfig), settings.namespace)
    while True:
        try:
            version = parse_version(await cluster.version())
            space = await survey(cluster, settings, ATTEMPT_LABEL)
        except Unreachable as error:
            log.warning("the cluster does not answer", reason=error.message)
            await asyncio.sleep(_PAUSE_S)
        else:
            break
    site = await asyncio.to_thread(site_of, settings, version)
    log.info("connected", namespace=cluster.namespace, version=version, launcher=site.launcher or site.launcher_image)
    return KubernetesBackend(settings, cluster, site, space)
