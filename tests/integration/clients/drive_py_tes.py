"""Runs in the client's environment: what py-tes can do, in every release of it; prints one JSON object."""

import json
import os
import sys
import time

import tes

FOLDER, URL, TOKEN = os.environ["TES_FOLDER"], os.environ["TES_URL"], os.environ["TES_TOKEN"]
FINAL = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")


def connect():
    if sys.argv[1] == "basic":
        return tes.HTTPClient(URL, timeout=10, user="whoever", password=TOKEN)
    return tes.HTTPClient(URL, timeout=10, token=TOKEN)


def task(script, **fields):
    executor = tes.Executor(image="penstock/tools:1", command=["sh", "-c", script], env={"WHO": "ada"})
    return tes.Task(name=f"py-tes {sys.argv[1]}", executors=[executor], tags={"run": sys.argv[1]}, **fields)


def wait(client, name, states=FINAL):
    end = time.monotonic() + 60
    while client.get_task(name, "MINIMAL").state not in states:
        assert time.monotonic() < end, client.get_task(name, "FULL")
        time.sleep(0.05)
    return client.get_task(name, "FULL")


def main():
    client = connect()
    with open(f"{FOLDER}/in.txt", "w") as file:
        file.write("from a file\n")
    ran = client.create_task(
        task(
            "cat /in/file /in/text > /out/all; echo $WHO; echo said >&2",
            description="everything at once",
            inputs=[
                tes.Input(url=f"file://{FOLDER}/in.txt", path="/in/file", type="FILE"),
                tes.Input(content="from the task\n", path="/in/text", type="FILE"),
            ],
            outputs=[tes.Output(url=f"file://{FOLDER}/out.txt", path="/out/all", type="FILE")],
            resources=tes.Resources(cpu_cores=1, ram_gb=0.5),
            volumes=["/scratch"],
        )
    )
    done = wait(client, ran)
    failed = wait(client, client.create_task(task("exit 3")))
    slow = client.create_task(task("sleep 600"))
    wait(client, slow, ("RUNNING",))
    client.cancel_task(slow)
    canceled = wait(client, slow)
    page = client.list_tasks(view="MINIMAL", page_size=2)
    rest = client.list_tasks(view="BASIC", page_size=2, page_token=page.next_page_token)
    log = done.logs[0]
    print(
        json.dumps(
            {
                "service": client.get_service_info().name,
                "states": [done.state, failed.state, canceled.state],
                "codes": [log.logs[0].exit_code, failed.logs[0].logs[0].exit_code],
                "streams": [log.logs[0].stdout, log.logs[0].stderr],
                "outputs": [(one.url, one.path, int(one.size_bytes)) for one in log.outputs],
                "times": log.start_time <= log.logs[0].start_time <= log.logs[0].end_time <= log.end_time,
                "echoed": [done.name, done.tags, done.volumes, done.inputs[0].type, done.resources.cpu_cores],
                "pages": [[one.id for one in page.tasks], [one.id for one in rest.tasks][:1]],
                "ids": [slow, failed.id, done.id],
                "view": rest.tasks[0].logs[0].logs[0].stdout,
            }
        )
    )


main()
