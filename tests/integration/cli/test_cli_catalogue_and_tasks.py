"""``penstock pipelines`` and ``penstock task`` against a real server."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from tests.integration.cli.conftest import PIPELINES, Shell, until

TOOLS = "penstock/tools:1"


def task(script: str, name: str = "greeting", **more: Any) -> str:
    return json.dumps({"name": name, "executors": [{"image": TOOLS, "command": ["sh", "-c", script]}], **more})


def create(shell: Shell, script: str, name: str = "greeting", **more: Any) -> str:
    return shell.ok("task", "create", "-", stdin=task(script, name, **more)).strip()


def test_the_catalogue_is_listed_with_versions_and_titles(shell: Shell) -> None:
    listed = shell.ok("pipelines", "list")
    assert ["tally", "1.2", "Counts", "lines"] in [line.split() for line in listed.splitlines()]
    assert {"tally", "variants"} <= {one["name"] for one in shell.json("pipelines", "list")}


def test_a_pipeline_is_shown_with_inputs_parameters_units_defaults_and_an_example(shell: Shell) -> None:
    shown = shell.ok("pipelines", "show", "tally")
    assert "--text  1 or more files, .txt" in shown
    assert "times  integer ≥ 1 ≤ 9; default 1" in shown
    assert "seconds  number ≥ 0 ≤ 60 (s); default 0" in shown
    assert "order  name | count; default name" in shown
    assert "header  boolean; default true" in shown
    assert "penstock run tally --text text.txt --output results/" in shown
    assert shell.json("pipelines", "show", "tally")["parameters"]["properties"]["times"]["maximum"] == 9


def test_the_example_of_every_pipeline_passes_a_dry_run(shell: Shell) -> None:
    for one in shell.json("pipelines", "list"):
        line = shell.ok("pipelines", "show", one["name"]).splitlines()[-1].split()
        assert line[:3] == ["penstock", "run", one["name"]]
        for word in line[3:]:
            if "." in word and "=" not in word and "/" not in word:
                shell.file(word, "x\n")
        shell.ok(*line[1:], "--dry-run")


def test_a_pipeline_of_ones_own_is_checked_without_a_server(shell: Shell) -> None:
    shell.environment["PENSTOCK_URL"] = "http://127.0.0.1:9"
    said = shell.ok("pipelines", "check", str(PIPELINES / "tally"))
    assert "tally 1.2 is fine: 2 files." in said
    assert "penstock run tally" in said


def test_what_is_wrong_with_a_pipeline_is_listed(shell: Shell) -> None:
    shutil.copytree(PIPELINES / "tally", shell.folder / "tally")
    definition = shell.folder / "tally" / "pipeline.yml"
    definition.write_text(
        definition.read_text().replace("  list:", "  output:").replace("default: 1\n", "default: 99\n")
    )
    said = shell.wrong("pipelines", "check", "tally", code=2)
    assert "2 problems" in said
    assert "its default does not fit" in said
    assert "`penstock run` has an option --output" in said


def test_a_task_is_created_watched_and_shown(shell: Shell) -> None:
    created = create(shell, "echo hello; echo alas >&2")
    done = shell("task", "watch", created, "--json")
    assert done.returncode == 0
    assert [one["state"] for one in json.loads(done.stdout)] == ["COMPLETE"]
    assert f"{created}  COMPLETE  greeting" in done.stderr
    shown = shell.ok("task", "show", created)
    assert "sh -c echo hello; echo alas >&2  [penstock/tools:1]" in shown
    assert "COMPLETE" in shown
    logs = shell.ok("task", "logs", created)
    assert "stdout (exit code 0)\nhello\n" in logs
    assert "stderr (exit code 0)\nalas\n" in logs
    assert shell.json("task", "logs", created)[0]["logs"][0]["stdout"] == "hello\n"
    assert shell.json("task", "show", created)["id"] == created


def test_a_task_can_come_from_a_file(shell: Shell) -> None:
    shell.file("task.json", task("true"))
    created = shell.json("task", "create", "task.json")["id"]
    assert shell("task", "watch", created).returncode == 0


def test_a_failed_task_ends_the_watch_with_1(shell: Shell) -> None:
    created = create(shell, "exit 7")
    assert shell("task", "watch", created).returncode == 1
    assert "7" in shell.ok("task", "show", created).splitlines()[-1]


def test_a_canceled_task_ends_the_watch_with_3(shell: Shell) -> None:
    created = create(shell, "sleep 60")
    watching = shell.start("task", "watch", created)
    until(watching, created)
    shell.ok("task", "cancel", created)
    watching.communicate(timeout=30)
    assert watching.returncode == 3


def test_a_watch_is_a_live_table_on_a_terminal(shell: Shell) -> None:
    created = create(shell, "sleep 2")
    code, screen = shell.on_terminal("task", "watch", created)
    assert code == 0
    assert screen.count("created") > 1  # the table was drawn again …
    assert "\x1b[1A" in screen  # … over itself
    assert screen.rindex("COMPLETE") > max(screen.rfind(state) for state in ("QUEUED", "INITIALIZING", "RUNNING"))


def test_a_watch_into_a_pipe_is_a_line_for_each_state(shell: Shell) -> None:
    created = create(shell, "sleep 2")
    lines = shell("task", "watch", created).stderr.splitlines()
    states = [line.split()[1] for line in lines if line.startswith(created)]
    assert states == list(dict.fromkeys(states))
    assert states[-1] == "COMPLETE"
    assert "\x1b" not in "".join(lines)


def test_tasks_are_listed_by_state_name_and_tag(shell: Shell) -> None:
    created = create(shell, "true", name="findable", tags={"study": "s1"})
    other = create(shell, "true", name="other", tags={"study": "s2"})
    assert shell("task", "watch", created, other).returncode == 0
    ids = [one["id"] for one in shell.json("task", "list", "--name", "find", "--state", "complete")]
    assert created in ids
    assert other not in ids
    assert [one["id"] for one in shell.json("task", "list", "--tag", "study=s2")] == [other]
    assert {created, other} <= {one["id"] for one in shell.json("task", "list", "--tag", "study")}
    assert created in shell.ok("task", "list", "--most", "5")


def test_a_watch_on_a_terminal_draws_a_table(shell: Shell) -> None:
    created = create(shell, "sleep 0.3")
    code, screen = shell.on_terminal("task", "watch", created)
    assert code == 0
    assert created in screen
    assert "COMPLETE" in screen


def test_what_tes_refuses_is_told_in_words(shell: Shell) -> None:
    done = shell("task", "create", "-", stdin=json.dumps({"name": "no executors"}))
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "executors" in done.stderr


@pytest.mark.parametrize("words", [("list",), ("task", "list"), ("pipelines", "list")])
def test_lists_are_json_for_programs(shell: Shell, words: tuple[str, ...]) -> None:
    assert isinstance(shell.json(*words), list)
