"""Policy of the TES interface: who may see which task, pages, and what a request becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import penstock
from penstock.access.models import Principal
from penstock.errors import InvalidInput, NotFound
from penstock.names import is_id
from penstock.settings import Settings
from penstock.tasks.models import MOST_EXECUTORS, Created, NewTask, Task, TaskSpec
from penstock.tasks.service import TaskService
from penstock.tasks.store import Filter
from penstock.tes.checks import check
from penstock.tes.models import Organization, TesListTasksResponse, TesServiceInfo, TesTask, View
from penstock.tes.parameters import BACKEND_PARAMETERS, terms
from penstock.tes.views import view

LARGEST_PAGE = 2047


class TesService:
    """Tasks as TES clients and engines see them."""

    def __init__(self, tasks: TaskService, settings: Settings) -> None:
        self._tasks = tasks
        self._settings = settings

    async def create(self, specs: Sequence[tuple[str | None, TaskSpec]], principal: Principal) -> list[Created]:
        """Create tasks from (key, body) pairs, in one transaction."""
        return await self._tasks.create([self._new(key, spec, principal) for key, spec in specs])

    async def get(self, task: str, wanted: View, principal: Principal) -> TesTask:
        """One task of the caller's; NotFound for a stranger's, too."""
        return view(await self._own(task, principal), wanted)

    async def page(self, wanted: Filter, size: int, shown: View, principal: Principal) -> TesListTasksResponse:
        """One page, newest first."""
        if not 1 <= size <= LARGEST_PAGE:
            raise InvalidInput(f"page_size={size} is not between 1 and {LARGEST_PAGE}.")
        if wanted.before is not None and not is_id(wanted.before):
            raise InvalidInput(f"{wanted.before!r} is not a page token of this server.")
        mine = replace(wanted, owner=principal.owner, limit=size + 1)
        found = await self._tasks.page(mine, with_attempts=shown is not View.MINIMAL)
        token = found[size - 1].id if len(found) > size else None
        return TesListTasksResponse(tasks=[view(one, shown) for one in found[:size]], next_page_token=token)

    async def cancel(self, task: str, principal: Principal) -> None:
        """Cancel the caller's task; one that has ended stays as it is."""
        await self._tasks.cancel((await self._own(task, principal)).id)

    def info(self, url: str) -> TesServiceInfo:
        """What this server is and can."""
        return TesServiceInfo(
            id=f"org.penstock.{self._settings.deployment}",
            name=f"Penstock {self._settings.deployment}",
            description=f"Runs tasks of up to {MOST_EXECUTORS} executors; GB are 10^9 bytes and may be fractions.",
            organization=Organization(name=self._settings.deployment, url=url),
            version=penstock.__version__,
            storage=["file:///workspace/", "http", "https", *(f"file://{path}/" for path in self._settings.allow_path)],
            tesResources_backend_parameters=list(BACKEND_PARAMETERS),
        )

    def _new(self, key: str | None, spec: TaskSpec, principal: Principal) -> NewTask:
        check(spec, principal)
        return NewTask(
            owner=principal.owner, spec=spec, terms=terms(spec.resources), workload=principal.workload, key=key
        )

    async def _own(self, task: str, principal: Principal) -> Task:
        found = await self._tasks.get(task) if is_id(task) else None
        foreign = found is None or (found.owner != principal.owner and not principal.may("admin"))
        if foreign or (principal.workload is not None and found is not None and found.workload != principal.workload):
            raise NotFound(f"There is no task {task!r}.")
        assert found is not None  # noqa: S101 - foreign covers it; for the type checker
        return found
