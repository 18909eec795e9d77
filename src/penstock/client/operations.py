"""What the Ansible modules of ``library/`` do: their connection, and which workloads they mean. No Ansible in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

from pydantic import BaseModel, ConfigDict

from penstock.client.http import Server
from penstock.client.workloads import FINAL, State
from penstock.errors import PenstockError
from penstock.settings import Settings

CONNECTION: dict[str, dict[str, Any]] = {
    "url": {"type": "str"},
    "token_file": {"type": "path"},
    "ca_file": {"type": "path"},
    "socket": {"type": "path"},
}
PAGE = 500
REDACTED = "********"


class Entry(BaseModel):
    """A workload as an operator's list shows it. Times are RFC 3339."""

    model_config = ConfigDict(extra="ignore")

    id: str
    owner: str
    name: str = ""
    pipeline: str
    version: str
    state: State
    reason: str = ""
    created_at: str
    updated_at: str
    expires_at: str | None = None
    warned_at: str | None = None
    bytes: int = 0
    files: int = 0

    def age_s(self, now: datetime) -> float:
        """Seconds since it last changed."""
        return (now - datetime.fromisoformat(self.updated_at)).total_seconds()


def connect(parameters: Mapping[str, Any]) -> Server:
    """The server that a module's parameters name; what they leave out is read from the environment."""
    named: dict[str, Any] = {name: parameters[name] for name in CONNECTION if parameters.get(name)}
    return Server(Settings(**named))


class Module(Protocol):
    """What of an AnsibleModule is used here; it has no types of its own."""

    params: dict[str, Any]

    def exit_json(self, **result: object) -> NoReturn:
        """Report and end the process."""

    def fail_json(self, msg: str, **result: object) -> NoReturn:
        """Report a failure and end the process."""


def perform(module: Module, run: Callable[[Any, Server], dict[str, Any]]) -> NoReturn:
    """Let a module run against the server that its parameters name, report what came of it, and end the process."""
    try:
        with connect(module.params) as server:
            result = run(module, server)
    except PenstockError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(**result)


def listed(server: Server, owner: str | None, states: Iterable[str] = ()) -> list[Entry]:
    """Workloads, newest first: of one owner, or of all of them (an operator's token), in these states or in any."""
    found: list[Entry] = []
    wanted = [State(state) for state in states]
    query: dict[str, str | int | float | bool | None] = {"owner": owner or "*", "page_size": PAGE}
    while True:
        page = server.get("/api/v1/workloads", query)
        found += [Entry.model_validate(one) for one in page["workloads"]]
        if not page.get("next_page_token"):
            return [one for one in found if not wanted or one.state in wanted]
        query["page_token"] = page["next_page_token"]


def chosen(
    entries: Sequence[Entry], ids: Sequence[str], older_than_s: float, now: datetime | None = None
) -> list[Entry]:
    """Those with these ids (all, if there are none) that have not changed for so many seconds."""
    moment = now or datetime.now(UTC)
    return [one for one in entries if (not ids or one.id in ids) and one.age_s(moment) >= older_than_s]


def removable(entries: Sequence[Entry], *, cancel: bool) -> list[Entry]:
    """Those that can be removed now: ended, or, with ``cancel``, any that are not being removed already."""
    gone = {State.ACKNOWLEDGED, State.EXPIRED}
    return [one for one in entries if one.state not in gone and (cancel or one.state in FINAL)]


def remove(server: Server, entry: Entry, wait: Callable[[str], None]) -> None:
    """Acknowledge a workload; one that has not ended is canceled first, and ``wait`` waits for that."""
    path = f"/api/v1/workloads/{entry.id}"
    if entry.state not in FINAL:
        server.post(f"{path}:cancel")
        wait(entry.id)
    server.post(f"{path}:acknowledge")
