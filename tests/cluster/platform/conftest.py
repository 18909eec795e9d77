"""The cluster and the platform on it, as the inventory ``single_node`` makes them; left for the next run."""

from __future__ import annotations

import pytest
from tests.cluster.nodes.playbooks import THIS, Cluster, Played, mirror, set_up


@pytest.fixture(scope="session")
def site() -> Played:
    """What site.yml did: this machine has a cluster with Penstock on it now."""
    mirror()
    return set_up()


@pytest.fixture(scope="session")
def cluster(site: Played) -> Cluster:
    """The cluster of this machine."""
    return THIS
