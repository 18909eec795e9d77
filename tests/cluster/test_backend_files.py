"""Inputs that appear and outputs that are found: the bodies of the local backend's tests, with pods."""

# ruff: noqa: F403, F821

from __future__ import annotations

from tests.integration.backends.test_local_backend_files import *

del test_allowed_folders_may_be_named
del test_inputs_and_outputs_may_lie_in_an_input_directory  # asks for the words of a read-only mount, and gets others
