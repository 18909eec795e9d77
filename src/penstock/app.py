"""The application factory: puts the services of one server together, starts and stops them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI

import penstock
from penstock import health, problems
from penstock.access.service import AccessService, load_key
from penstock.agents import api as agents_api
from penstock.agents import files_api
from penstock.agents.files import AttemptFiles
from penstock.agents.service import AgentService
from penstock.audit import AUDIT_LOG, Audit, AuditLog
from penstock.bodies import BodyLimit
from penstock.credentials import api as credentials_api
from penstock.credentials.service import CredentialService
from penstock.database.opening import open_database
from penstock.duties import Duties
from penstock.pipelines import api as pipelines_api
from penstock.pipelines.service import Catalogue
from penstock.services import Services
from penstock.settings import Settings
from penstock.signals import Signals
from penstock.tasks.outgoing import Outgoing
from penstock.tasks.publish import Publisher, make_folder
from penstock.tasks.queue import Queue
from penstock.tasks.retention import Retention
from penstock.tasks.sending import Sender
from penstock.tasks.service import TaskService
from penstock.tes import api as tes_api
from penstock.tes import engines_api
from penstock.tes.service import TesService
from penstock.uploads import api as uploads_api
from penstock.uploads.service import UploadService
from penstock.workloads import api as workloads_api
from penstock.workloads import api_accounts, api_data, api_downloads, api_drop
from penstock.workloads.service import WorkloadService

WORKSPACE_FOLDERS = ("incoming", "outgoing", "owners", "workloads", "tasks")


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; its services live as long as its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = inside = build_services(settings)
        app.state.audit = AuditLog(settings.data / AUDIT_LOG)
        async with running(inside):
            yield
        app.state.audit.close()

    app = FastAPI(title="Penstock", version=penstock.__version__, lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Audit)
    for prefix in tes_api.PREFIXES:
        app.include_router(tes_api.router, prefix=prefix)
    for router in (
        engines_api.router,
        agents_api.router,
        files_api.router,
        pipelines_api.router,
        uploads_api.router,
        health.router,
    ):
        app.include_router(router)
    app.include_router(credentials_api.router)
    for router in (workloads_api.router, api_accounts.router, api_downloads.router, api_drop.router, api_data.router):
        app.include_router(router)
    return app


def build_services(settings: Settings) -> Services:
    """One of each service, over the store that the settings name."""
    make_folders(settings)
    database, signals = open_database(settings), Signals()
    anonymous = settings.anonymous_owner if settings.authentication == "none" else None
    key = load_key(settings.key_path)
    access = AccessService(database, key, anonymous)
    publisher = Publisher(settings.workspace_path, tuple(settings.allow_path))
    credentials = CredentialService(database, key)
    sender = Sender(credentials.for_urls, settings.allow_private_urls)
    queue = Queue(database, signals, publisher, settings.lease_s, settings.retry_backoff_s, settings.owners)
    tasks = TaskService(database, signals, publisher, queue, settings.owners)
    access.find_attempt = tasks.owner_of_attempt
    catalogue = Catalogue(settings.catalogue)
    uploads = UploadService(settings, database, signals)
    return Services(
        settings=settings,
        database=database,
        signals=signals,
        access=access,
        credentials=credentials,
        pipelines=catalogue,
        tasks=tasks,
        retention=Retention(database, signals, settings.workspace_path, settings.task_retention_s),
        outgoing=Outgoing(database, signals, publisher, sender, queue.settle, settings.transfer_limit_s),
        agents=AgentService(queue, access, settings, credentials.for_urls),
        files=AttemptFiles(tasks, settings),
        tes=TesService(tasks, settings, credentials),
        uploads=uploads,
        workloads=WorkloadService(
            settings,
            database,
            signals,
            tasks,
            uploads,
            catalogue,
            room=queue.largest_site,
            sign=access.sign,
            find_storage=credentials.for_urls,
        ),
    )


def make_folders(settings: Settings) -> None:
    """The data folder and the workspace's trees, 2750: one user and group serves them all."""
    for folder in (settings.data, settings.run_path, *(settings.workspace_path / name for name in WORKSPACE_FOLDERS)):
        make_folder(folder, Path("/"))


@contextlib.asynccontextmanager
async def running(inside: Services) -> AsyncIterator[None]:
    """A store that is ready before the first request, and everything stopped after the last."""
    duties = Duties(inside)
    try:
        await inside.database.start(inside.signals)
        await duties.begin()
        yield
    finally:
        inside.signals.drain()
        await duties.end()
        inside.workloads.close()
        await inside.database.close()
