"""What one owner may have at once; checked in the transaction that makes a workload."""

from __future__ import annotations

from sqlalchemy import Connection

from penstock.errors import LimitReached
from penstock.settings import Settings
from penstock.workloads import store
from penstock.workloads.models import Workload


def check_quota(connection: Connection, settings: Settings, new: Workload) -> None:
    """LimitReached if the owner would have more than the quotas allow; it names which, and what there is."""
    used = store.usage(connection, new.owner)
    for what, quota, there, wanted in (
        ("workloads", settings.quota_workloads, used.workloads, 1),
        ("bytes", settings.quota_bytes, used.bytes, new.bytes),
        ("files", settings.quota_files, used.files, new.files),
    ):
        if quota and there + wanted > quota:
            raise LimitReached(
                f"You have {there} {what} here and want {wanted} more; {quota} are allowed.",
                hint="Acknowledge workloads that you have fetched, or ask an operator for more.",
            )
