"""Runs in the client's environment: toil's TES batch system issues, watches and kills jobs; prints one JSON object.

Toil packs each job as a call of its own worker, in an image of its own that has it; here a job is a plain shell
command, so that the tools image can run it. All the rest is toil's.
"""

import json
import os
import time

import toil_batch_system_tes.tes_batch_system as plugin
from toil.common import Config
from toil.job import JobDescription

FOLDER = os.environ["TES_FOLDER"]
plugin.pack_job = lambda command, _script=None, environment=None: ["sh", "-c", command]

plugin.applianceSelf = lambda: "penstock/tools:1"  # toil would ask Docker's registry whether its image exists


def job(name, **needs):
    wanted = {"memory": 1 << 28, "cores": 1, "disk": 1 << 20, "accelerators": [], "preemptible": False, **needs}
    return JobDescription(requirements=wanted, jobName=name, unitName="", local=False)


def updated(batch, count):
    found, end = {}, time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < end, found
        one = batch.getUpdatedBatchJob(2)
        if one is not None:
            found[one.jobID] = one
    return found


def main():
    config = Config()
    config.tes_endpoint, config.tes_user, config.tes_password = os.environ["TES_URL"], None, None
    config.tes_bearer_token, config.jobStore = os.environ["TES_TOKEN"], f"file:{FOLDER}/store"
    config.workflowID, config.workDir = "penstock", FOLDER
    os.mkdir(f"{FOLDER}/store")
    with open(f"{FOLDER}/store/data", "w") as file:
        file.write("stored")
    batch = plugin.TESBatchSystem(config, 8, 1 << 40, 1 << 40)
    try:
        batch.setEnv("WHO", "toil")
        good = batch.issueBatchJob(f'test "$(cat {FOLDER}/store/data)$WHO" = storedtoil', job("good"))
        bad = batch.issueBatchJob("exit 7", job("bad"))
        found = updated(batch, 2)
        slow = batch.issueBatchJob("sleep 600", job("slow"))
        end = time.monotonic() + 60
        while slow not in batch.getRunningBatchJobIDs():
            assert time.monotonic() < end
            time.sleep(0.05)
        tes_id = batch.bs_id_to_tes_id[slow]
        batch.killBatchJobs([slow])
        while (state := batch.tes.get_task(tes_id, "MINIMAL").state) == "RUNNING":
            assert time.monotonic() < end
            time.sleep(0.05)
        codes = [found[good].exitStatus, found[bad].exitStatus]
        print(json.dumps({"codes": codes, "times": [found[good].wallTime > 0], "killed": state}))
    finally:
        batch.shutdown()


main()
