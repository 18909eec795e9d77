"""Links that an executor leaves: the bodies of the local backend's tests, with pods."""

# ruff: noqa: F403, F821

from __future__ import annotations

from tests.integration.backends.test_local_backend_links import *

# These make links directly below /, which no pod's user may do.
del test_an_output_that_is_a_link_to_a_system_file_is_not_published
del test_an_output_that_is_a_link_out_of_the_sandbox_does_not_exist
del test_a_directory_link_out_of_the_sandbox_is_not_walked
del test_a_fifo_does_not_hold_the_runner
# Streams, workdirs and mount points are opened and made inside of the container, where no link leads out of it.
del test_stdout_is_not_written_through_a_link
del test_stdin_is_not_read_through_a_link
del test_a_working_directory_is_not_made_through_a_link
del test_a_mount_point_swapped_for_a_link_is_refused
