"""What a task may name: absolute paths, URLs of known schemes, and of the workspace only what its owner may see."""

from __future__ import annotations

from penstock.access.models import Principal
from penstock.errors import Forbidden, InvalidInput
from penstock.names import check_absolute_path
from penstock.staging.urls import WORKSPACE, below, is_remote, remote
from penstock.tasks.models import MOST_EXECUTORS, Input, Output, TaskSpec

MOST_FILES = 10_000
WILDCARDS = frozenset("*?[")


def check(spec: TaskSpec, principal: Principal) -> None:
    """InvalidInput or Forbidden for the first thing that is wrong, naming it."""
    if len(spec.executors) > MOST_EXECUTORS:
        raise InvalidInput(f"{len(spec.executors)} executors: a task may have at most {MOST_EXECUTORS}.")
    for name, files in (("inputs", spec.inputs), ("outputs", spec.outputs), ("volumes", spec.volumes)):
        if len(files or []) > MOST_FILES:
            raise InvalidInput(f"{len(files or [])} {name}: a task may have at most {MOST_FILES}.")
    for one in spec.inputs or []:
        _check_input(one, principal)
    for output in spec.outputs or []:
        _check_output(output, principal)
    for path in _paths(spec):
        check_absolute_path(path)
    if any("\0" in text for text in [spec.name or "", *(spec.tags or {}), *(spec.tags or {}).values()]):
        raise InvalidInput("The task's name or one of its tags holds a NUL character.")
    for executor in spec.executors:
        if any("\0" in word for word in [*executor.command, *(executor.env or {}), *(executor.env or {}).values()]):
            raise InvalidInput("A command or environment variable holds a NUL character.")


def _paths(spec: TaskSpec) -> list[str]:
    named = [
        executor_path for one in spec.executors for executor_path in (one.workdir, one.stdin, one.stdout, one.stderr)
    ]
    return [*(spec.volumes or []), *(path for path in named if path is not None)]


def _check_input(one: Input, principal: Principal) -> None:
    check_absolute_path(one.path)
    if one.content is not None:
        return
    if one.url is None:
        raise InvalidInput(f"Input {one.path!r} has neither url nor content.")
    check_visible(one.url, principal)


def _check_output(output: Output, principal: Principal) -> None:
    check_absolute_path(output.path)
    if WILDCARDS & set(output.path):
        if output.path_prefix is None:
            raise InvalidInput(f"Output {output.path!r} has wildcards but no path_prefix.")
        if not output.path.startswith(output.path_prefix):
            raise InvalidInput(f"Output {output.path!r} does not begin with its path_prefix {output.path_prefix!r}.")
    check_visible(output.url, principal)


def check_visible(url: str, principal: Principal) -> None:
    """Forbidden if the URL names a part of the workspace that is not the caller's. Other URLs are the site's matter.

    InvalidInput if it holds credentials: a task is stored and shown as it was sent.
    """
    if is_remote(url):
        remote(url)
    scheme, _, path = url.partition("://")
    if scheme.lower() != "file":
        return
    plain = str(check_absolute_path(path))
    if not below(plain, WORKSPACE):
        return
    mine = f"{WORKSPACE}/owners/{principal.owner}"
    if principal.workload is not None:
        mine = f"{WORKSPACE}/workloads/{principal.workload}"
    if not below(plain, mine):
        raise Forbidden(f"{url!r} is not yours to name.", hint=f"Yours is file://{mine}/….")
