"""What executors get and what is recorded of them: the bodies of the local backend's tests, with pods."""

# ruff: noqa: F403, F821

from __future__ import annotations

from tests.integration.backends.test_local_backend_executors import *

# A pod's memory is limited, its volumes in memory are shared, its images are what they say.
del test_a_task_killed_above_its_memory_is_told_so
del test_a_memory_volume_of_several_executors_is_shared_on_disk
del test_the_versions_of_the_tools_are_recorded
del test_another_image_runs_with_a_warning
