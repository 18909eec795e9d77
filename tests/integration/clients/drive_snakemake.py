"""Runs in the client's environment: snakemake with its published TES executor; prints one JSON object.

The plugin wants a storage provider that jobs reach by themselves, an S3 store say. Told that it can transfer local
files (it can: by file:// URLs, as inputs and outputs of its tasks), it leaves that to the TES server; the Snakefile
then has to be among the inputs.
"""

import dataclasses
import json
import os
import pathlib
import sys

import snakemake_executor_plugin_tes as plugin

SETTINGS = {"can_transfer_local_files": True, "auto_deploy_default_storage_provider": False}
SETTINGS |= {"job_deploy_sources": False, "init_seconds_before_status_checks": 0}
inputs_of = plugin.Executor._get_task_inputs


def with_snakefile(self, job, jobscript, checkdir):
    return [*inputs_of(self, job, jobscript, checkdir), self._prepare_file(self.workflow.main_snakefile)]


plugin.common_settings = dataclasses.replace(plugin.common_settings, **SETTINGS)
plugin.Executor._get_task_inputs = with_snakefile
os.environ["GITHUB_WORKSPACE"] = os.environ["TES_FOLDER"]  # the plugin prints a log from there when a task failed
pathlib.Path("funnel.log").touch()
pathlib.Path("Snakefile").write_text(sys.stdin.read())

from snakemake.cli import main  # noqa: E402 - it looks for plugins at once

words = ["--executor", "tes", "--tes-url", os.environ["TES_URL"], "--tes-token", os.environ["TES_TOKEN"], "--jobs", "2"]
words += ["--container-image", "penstock/tools:1", "--seconds-between-status-checks", "1"]
words += ["--default-resources", "mem_mb=500", "disk_mb=100", "--latency-wait", "5"]
code = 0
try:
    main([*words, *sys.argv[1:]])
except SystemExit as end:
    code = int(end.code or 0)
print(json.dumps({"code": code}))
