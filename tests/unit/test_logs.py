"""Lines of the log."""

from __future__ import annotations

from penstock.logs import with_task


def test_a_line_about_an_attempt_names_its_task_too() -> None:
    assert with_task(None, "", {"attempt": "01abc-2"})["task"] == "01abc"
    assert with_task(None, "", {"attempt": "01abc-2", "task": "other"})["task"] == "other"
    assert "task" not in with_task(None, "", {"event": "x"})
