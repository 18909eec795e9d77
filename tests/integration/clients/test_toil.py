"""toil's TES batch system, as published."""

from __future__ import annotations

import pytest
from tests.integration.clients.conftest import Client


@pytest.mark.parametrize("client", ["toil"], indirect=True)
def test_toil_issues_watches_and_kills_jobs(client: Client) -> None:
    told = client.drive("drive_toil.py")
    assert told["codes"] == [0, 7]
    assert told["times"] == [True]
    assert told["killed"] == "CANCELED"
