"""Structured logs on standard error: one JSON object a line, or text for people."""

from __future__ import annotations

import logging
import sys

import structlog

from penstock.settings import Settings


def configure(settings: Settings) -> None:
    """Set up logging for a service; call once, at its start."""
    level = getattr(logging, settings.log_level.upper())
    render: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_task,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def with_task(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """A line about an attempt names its task, too: one search finds all of a task's lines, of server and agents."""
    if "attempt" in event and "task" not in event:
        event["task"] = str(event["attempt"]).partition("-")[0]
    return event
