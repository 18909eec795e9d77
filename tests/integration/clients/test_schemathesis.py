"""schemathesis makes requests from the OpenAPI document that is served: none of them is a mistake of the server's."""

from __future__ import annotations

import os
import subprocess

import pytest
from tests.integration.clients.conftest import DRIVE_S, Deployment, environment

EXAMPLES = 400 if os.environ.get("PENSTOCK_SOAK") else 15


@pytest.mark.parametrize("paths", ["^/ga4gh/tes/v1", "^/v1/", "^/api/v1/tasks"])
def test_no_request_is_answered_by_a_mistake(deployment: Deployment, paths: str) -> None:
    command = [
        str(environment("schemathesis").with_name("schemathesis")),
        "run",
        f"{deployment.server.url}/openapi.json",
    ]
    command += ["--include-path-regex", paths, "--checks", "not_a_server_error", "--phases", "fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--header", f"Authorization: Bearer {deployment.token}"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PENSTOCK_", "PYTHON"))}
    folder = deployment.shared
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=DRIVE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
