"""TES over real HTTP, the same bodies as for the local backend: pods that mount the workspace, and pods that do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.conftest import Place
from tests.cluster.servers import ClusterServer
from tests.integration.conftest import Tes
from tests.integration.test_tes import (  # noqa: F401 - the tests
    test_a_cancel_right_after_create_wins,
    test_a_canceled_task_ends_with_its_whole_tree,
    test_a_command_that_cannot_start_is_127_or_126,
    test_a_missing_input_is_a_system_error_that_names_it,
    test_a_missing_output_is_a_system_error_that_names_it,
    test_a_task_runs_and_tells_what_it_did,
    test_a_task_that_can_never_run_is_refused_with_the_reason,
    test_a_time_limit_ends_a_task_and_says_so,
    test_executors_run_in_order_and_stop_at_the_first_that_fails,
    test_inputs_appear_at_their_paths_and_outputs_at_their_urls,
    test_nothing_of_an_attempt_is_left_in_the_workspace,
    test_other_paths_of_the_machine_are_refused,
    test_outputs_are_published_after_an_executor_failed_too,
)


@pytest.fixture(scope="module", params=["workspace", "travelling"])
def shared_server(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterServer]:
    """A server whose site mounts the workspace, and one whose site does not."""
    one = ClusterServer(
        tmp_path_factory.mktemp("served") / request.param, place=place, mounts=request.param == "workspace"
    )
    one.start()
    yield one
    one.until_idle()
    one.stop()


@pytest.fixture
def tes(shared_server: ClusterServer) -> Iterator[Tes]:
    """A client of that server."""
    client = shared_server.tes()
    yield client
    client.http.close()
