"""Tells an owner that a workload will be removed soon: by webhook, by mail, or not at all, as the settings say."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from typing import Any

import httpx
import structlog

from penstock.clock import iso
from penstock.settings import Settings
from penstock.workloads.models import Workload

ANSWER_S = 10.0
_log = structlog.get_logger(__name__)


def document(workload: Workload) -> dict[str, Any]:
    """What is told; it opens nothing, so it may pass through many hands."""
    return {
        "event": "workload-expires",
        "id": workload.id,
        "owner": workload.owner,
        "name": workload.name,
        "pipeline": workload.pipeline,
        "state": workload.state.value,
        "bytes": workload.bytes,
        "expires_at": iso(workload.expires_us or 0),
    }


def mail(workload: Workload, sender: str, receiver: str) -> EmailMessage:
    """The same for people. ``receiver`` may hold ``{owner}``."""
    told = document(workload)
    message = EmailMessage()
    message["From"], message["To"] = sender, receiver.format(owner=workload.owner)
    message["Subject"] = f"Penstock: workload {workload.id} will be removed"
    message.set_content(
        f"The workload {workload.id} ({workload.pipeline}, {workload.state.value}) and its {workload.bytes} bytes of"
        f" results will be removed at {told['expires_at']}.\n\n"
        f"Fetch them:  penstock download {workload.id} --output DIR\n"
        f"Keep them there:  penstock keep {workload.id}\n"
    )
    return message


class Notices:
    """Sends them; what could not be sent is tried again with the next sweep."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, workload: Workload) -> bool:
        """Whether everybody who is to be told was."""
        settings = self._settings
        try:
            if settings.webhook_url is not None:
                async with httpx.AsyncClient(timeout=ANSWER_S) as client:
                    (await client.post(settings.webhook_url, json=document(workload))).raise_for_status()
            if settings.smtp_host is not None and settings.smtp_from is not None and settings.smtp_to is not None:
                await asyncio.to_thread(self._post, mail(workload, settings.smtp_from, settings.smtp_to))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, smtplib.SMTPException) as error:
            _log.warning("A notice could not be sent.", workload=workload.id, reason=str(error))
            return False
        return True

    def _post(self, message: EmailMessage) -> None:
        with smtplib.SMTP(self._settings.smtp_host or "", self._settings.smtp_port, timeout=ANSWER_S) as server:
            server.send_message(message)
