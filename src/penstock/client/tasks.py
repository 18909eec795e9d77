"""TES 1.1 tasks (``/ga4gh/tes/v1``). A task is the JSON document of the specification, as the server sends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from penstock.client.http import Server
from penstock.tasks.models import State

_ROOT = "/ga4gh/tes/v1/tasks"
View = Literal["MINIMAL", "BASIC", "FULL"]
Document = dict[str, Any]


class Tasks:
    """Calls about tasks."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def create(self, task: Mapping[str, Any]) -> str:
        """Queue a task; its id."""
        return str(self.server.post(_ROOT, dict(task))["id"])

    def get(self, task: str, view: View = "FULL") -> Document:
        """One task."""
        document: Document = self.server.get(f"{_ROOT}/{task}", {"view": view})
        return document

    def newest(
        self,
        *,
        state: str | None = None,
        name_prefix: str | None = None,
        tags: Mapping[str, str] | None = None,
        most: int = 50,
        view: View = "BASIC",
    ) -> Iterator[Document]:
        """The caller's tasks, newest first, at most ``most``."""
        query: list[tuple[str, str]] = [("view", view)]
        query += [(key, value) for key, value in (("state", state), ("name_prefix", name_prefix)) if value]
        for key, value in (tags or {}).items():
            query += [("tag_key", key), ("tag_value", value)]
        token = ""
        while most > 0:
            page = [("page_size", str(min(most, 256)))] + ([("page_token", token)] if token else [])
            answer = self.server.get(_ROOT, query + page)
            found = answer.get("tasks", [])[:most]
            yield from found
            most -= len(found)
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def cancel(self, task: str) -> None:
        """Ask for its end; harmless when it has ended."""
        self.server.post(f"{_ROOT}/{task}:cancel")


def is_final(task: Mapping[str, Any]) -> bool:
    """Whether nothing can change the task's state any more."""
    return str(task.get("state")) in State.__members__ and State(task["state"]).final
