"""Policy of the TES interface: who may see which task, pages, and what a request becomes."""

from __future__ import annotations

from collections.abc import Sequence

import penstock
from penstock.access.models import Principal
from penstock.credentials.service import CredentialService
from penstock.errors import InvalidInput, NotFound
from penstock.names import is_id
from penstock.settings import Settings
from penstock.staging.urls import SUPPORTED
from penstock.tasks.listing import Brief, Filter
from penstock.tasks.models import MOST_EXECUTORS, Created, NewTask, State, TaskSpec
from penstock.tasks.service import TaskService
from penstock.tes.checks import check
from penstock.tes.models import NEVER_USED, Organization, TesListTasksResponse, TesServiceInfo, TesTask, View, Wanted
from penstock.tes.parameters import BACKEND_PARAMETERS, terms
from penstock.tes.views import minimal, view

LARGEST_PAGE = 2047
MOST_TAG_FILTERS = 16


class TesService:
    """Tasks as TES clients and engines see them."""

    def __init__(self, tasks: TaskService, settings: Settings, credentials: CredentialService | None = None) -> None:
        self._credentials = credentials
        self._tasks = tasks
        self._settings = settings

    async def create(self, specs: Sequence[tuple[str | None, TaskSpec]], principal: Principal) -> list[Created]:
        """Create tasks from (key, body) pairs, in one transaction."""
        if self._credentials is not None:
            for _, spec in specs:
                await self._credentials.check(principal.owner, terms(spec.resources).credentials)
        return await self._tasks.create([self._new(key, spec, principal) for key, spec in specs])

    async def get(self, task: str, wanted: View, principal: Principal) -> TesTask:
        """One task of the caller's; NotFound for a stranger's, too."""
        brief = await self._own(task, principal)
        return minimal(brief) if wanted is View.MINIMAL else view(await self._tasks.get(task), wanted)

    async def page(self, wanted: Wanted, shown: View, principal: Principal) -> TesListTasksResponse:
        """One page, newest first; a token only when there is more."""
        mine = filter_of(wanted, principal.owner)
        if wanted.state in NEVER_USED:
            return TesListTasksResponse(tasks=[])
        if shown is View.MINIMAL:
            found = [minimal(one) for one in await self._tasks.brief_page(mine)]
        else:
            found = [view(one, shown) for one in await self._tasks.page(mine)]
        token = found[wanted.page_size - 1].id if len(found) > wanted.page_size else None
        return TesListTasksResponse(tasks=found[: wanted.page_size], next_page_token=token)

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
            storage=["file:///workspace/", *SUPPORTED, *(f"file://{path}/" for path in self._settings.allow_path)],
            tesResources_backend_parameters=list(BACKEND_PARAMETERS),
        )

    def _new(self, key: str | None, spec: TaskSpec, principal: Principal) -> NewTask:
        check(spec, principal)
        return NewTask(
            owner=principal.owner, spec=spec, terms=terms(spec.resources), workload=principal.workload, key=key
        )

    async def _own(self, task: str, principal: Principal) -> Brief:
        if is_id(task):
            found = await self._tasks.brief(task)
            mine = found.owner == principal.owner or principal.may("admin")
            if mine and principal.workload in (None, found.workload):
                return found
        raise NotFound(f"There is no task {task!r}.")


def filter_of(wanted: Wanted, owner: str) -> Filter:
    """What to look for, one task more than a page holds; InvalidInput names what cannot be looked for."""
    if not 1 <= wanted.page_size <= LARGEST_PAGE:
        raise InvalidInput(f"page_size={wanted.page_size} is not between 1 and {LARGEST_PAGE}.")
    if wanted.page_token is not None and not is_id(wanted.page_token):
        raise InvalidInput(f"{wanted.page_token!r} is not a page token of this server.")
    if max(len(wanted.tag_key), len(wanted.tag_value)) > MOST_TAG_FILTERS:
        raise InvalidInput(f"{len(wanted.tag_key)} tag_key: a list may be narrowed by at most {MOST_TAG_FILTERS} tags.")
    if len(wanted.tag_value) > len(wanted.tag_key):
        raise InvalidInput(f"{len(wanted.tag_value)} tag_value for {len(wanted.tag_key)} tag_key.")
    values = [*wanted.tag_value, *[""] * (len(wanted.tag_key) - len(wanted.tag_value))]
    return Filter(
        owner=owner,
        state=None if wanted.state is None or wanted.state in NEVER_USED else State(wanted.state.value),
        name_prefix=wanted.name_prefix,
        tags=tuple(zip(wanted.tag_key, values, strict=True)),
        before=wanted.page_token,
        limit=wanted.page_size + 1,
    )
