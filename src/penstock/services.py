"""The services of one server, as handlers get them; ``app.py`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from penstock.settings import Settings
from penstock.signals import Signals

if TYPE_CHECKING:  # the services import models and stores only; their handlers import this module
    from penstock.access.service import AccessService
    from penstock.agents.files import AttemptFiles
    from penstock.agents.service import AgentService
    from penstock.credentials.service import CredentialService
    from penstock.database.engine import Database
    from penstock.pipelines.service import Catalogue
    from penstock.tasks.outgoing import Outgoing
    from penstock.tasks.retention import Retention
    from penstock.tasks.service import TaskService
    from penstock.tes.service import TesService
    from penstock.uploads.service import UploadService
    from penstock.workloads.service import WorkloadService


@dataclass
class Services:
    """One of each."""

    settings: Settings
    database: Database
    signals: Signals
    access: AccessService
    credentials: CredentialService
    pipelines: Catalogue
    tasks: TaskService
    retention: Retention
    outgoing: Outgoing
    agents: AgentService
    files: AttemptFiles
    tes: TesService
    uploads: UploadService
    workloads: WorkloadService


async def services(request: Request) -> Services:  # async: FastAPI calls anything else in a thread of its own
    """The services of the application that answers this request."""
    inside: Services = request.app.state.services
    return inside
