"""The wire protocol between server and agents, version 1 (design.md, section 6). Both sides import it, and only it.

Every call names the site and the agent's incarnation (an id made at its start): a later incarnation of a site fences
the earlier one. One release of skew is allowed: unknown fields are ignored, new fields have defaults.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from penstock.staging.storage import Storage
from penstock.tasks.models import AttemptLog, Kind, Outcome, SiteTags, TaskSpec, Terms
from penstock.tasks.room import Room

PROTOCOL = 1


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Caller(_Wire):
    """Who calls."""

    site: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    incarnation: str
    protocol: int = PROTOCOL


class Hello(Caller):
    """Registration at an agent's start; ``running`` are the attempts whose runners it found alive or finished."""

    total: Room
    tags: SiteTags = {}
    mounts_workspace: bool = True
    running: list[str] = []


class Welcome(_Wire):
    """``keep`` are the attempts the agent goes on with, ``end`` those whose runners it must end and forget."""

    lease_s: float
    longest_wait_s: float
    keep: list[Work] = []
    end: list[str] = []


class LeaseRequest(Caller):
    """A long-poll for work; answered when there is some that the site has room for, else after ``wait`` seconds.

    What is free is the site's total less its live attempts, which the server knows. ``holding`` are the attempts the
    agent knows of: a lease whose answer was lost on the way is told again. ``ending`` are those it is ending already.
    ``total`` is the site's size now, where nodes come and go; agents of earlier releases do not tell it.
    """

    wait: float = 0.0
    most: int = 32
    holding: list[str] = []
    ending: list[str] = []
    total: Room | None = None


class Work(_Wire):
    """One leased attempt: all an agent needs to run it. ``token`` is the attempt's own and dies with it."""

    attempt: str
    kind: Kind
    owner: str
    workload: str | None = None
    spec: TaskSpec
    terms: Terms
    token: str = Field(repr=False)
    storage: list[Storage] = Field([], repr=False)  # the owner's credentials that its remote inputs need


class Orders(_Wire):
    """Attempts whose runners to end: ``end`` without a word (fenced), ``cancel`` with a report CANCELED."""

    end: list[str] = []
    cancel: list[str] = []


class LeaseAnswer(Orders):
    """What was leased, and orders; all empty when the wait ended."""

    work: list[Work] = []


class Renewal(Caller):
    """Renews every lease the agent holds, in one call."""

    attempts: list[str]


class Report(_Wire):
    """What happened to an attempt. Outputs that lie in the workspace are published by the server at ``finished``."""

    attempt: str
    event: Literal["started", "finished"]
    at_us: int
    outcome: Outcome | None = None
    reason: str = ""
    log: AttemptLog = AttemptLog()


class Reports(Caller):
    """A batch of reports; each is idempotent."""

    reports: list[Report]


class ReportsAnswer(_Wire):
    """``refused`` are fenced attempts: end their runners and forget them."""

    refused: list[str] = []
