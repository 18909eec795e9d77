"""Work → what its pod needs: the tree of the attempt, what is mounted from it, what has to be fetched. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from penstock.agents.protocol import Work
from penstock.backends.attempt.declared import Declared
from penstock.backends.attempt.paths import system_folders
from penstock.backends.attempt.shape import Bind, Transfer, Tree
from penstock.backends.kubernetes.site import Site
from penstock.errors import InvalidInput
from penstock.names import TOOLS_IMAGE
from penstock.staging.urls import below

PRIVATE = "/.penstock"
TEMPORARY = "/tmp"  # noqa: S108 - the pod's own
_GIGABYTE = 10**9


@dataclass(frozen=True)
class PodPlan:
    """What a pod is made from, besides the work.

    ``roots`` are folders mounted from the attempt's ``root/``, ``points`` single files that lie directly below ``/``,
    where a pod's user cannot make any. ``uploads``: outputs travel through the server.
    """

    tree: Tree
    transfers: list[Transfer]
    roots: list[str]
    points: list[str]
    memory: list[str]
    logs: list[str]
    head: bool
    uploads: bool
    ram_bytes: int
    time_limit_s: int | None
    images: list[str] = field(default_factory=list)

    @property
    def fetches(self) -> bool:
        """Whether a container brings something before the executors start."""
        return bool(self.transfers) or self.uploads


def build(work: Work, site: Site) -> PodPlan:
    """The plan of an attempt; InvalidInput names what cannot be here."""
    system = (*system_folders(), PRIVATE)
    declared = Declared(work, system, (), shared_memory=True)
    needed = _needed(declared)
    tree: Tree = {
        "attempt": work.attempt,
        "workspace": "",
        "etc": [],
        "skeleton": [],
        "system": [*system],
        "folders": [*dict.fromkeys([*declared.folders, *needed])],
        "contents": declared.contents,
        "binds": declared.binds,
        "executors": declared.commands,
        "outputs": declared.outputs,
    }
    plan = PodPlan(
        tree=tree,
        transfers=declared.transfers,
        roots=_outermost(tree["folders"], declared.in_memory),
        points=_points(declared),
        memory=declared.in_memory,
        logs=[*declared.logs, *_root_warning(work, site)],
        head=declared.head,
        uploads=site.claim is None,
        ram_bytes=int(work.terms.ram_gb * _GIGABYTE),
        time_limit_s=work.terms.time_limit_s,
        images=[_image(executor.image, site) for executor in work.spec.executors],
    )
    return plan if site.claim is not None else _travelling(plan, work, site)


def inputs_url(site: Site, attempt: str, number: int) -> str:
    """Where a pod that does not mount the workspace gets an input."""
    return f"{site.url.rstrip('/')}/api/v1/attempts/{attempt}/inputs/{number}"


def _travelling(plan: PodPlan, work: Work, site: Site) -> PodPlan:
    """All inputs become transfers from the server, so that the pod needs no workspace."""
    if plan.head and work.terms.mounts:
        raise InvalidInput(f"Head tasks need the workspace, which site {site.site!r} does not mount.")
    written = {*plan.tree["folders"], *plan.points, *(output["path"] for output in plan.tree["outputs"])}
    binds: list[Bind] = []
    transfers = []
    roots = [*plan.roots]
    remote = {transfer["target"]: transfer["url"] for transfer in plan.transfers}
    for number, bind in enumerate(plan.tree["binds"]):
        others = {*written, *(one["path"] for one in plan.tree["binds"])} - {bind["path"]}
        target = f"inputs/{number}"
        if any(below(path, bind["path"]) for path in others):  # a folder to write into: it lies in the tree itself
            target = f"root{bind['path']}"
            roots.append(bind["path"])
        else:
            binds.append({**bind, "kind": "own", "source": target})
        url = remote.get(f"inputs/{number}", "")
        transfers.append(Transfer(url=url or inputs_url(site, work.attempt, number), target=target, type=bind["type"]))
    tree: Tree = {**plan.tree, "binds": binds, "contents": {}}
    return replace(plan, tree=tree, transfers=transfers, roots=_outermost(roots, plan.memory))


def _needed(declared: Declared) -> list[str]:
    """Folders that executors write into besides those that the task names: where they work, where streams go."""
    found = []
    for command in declared.commands:
        found += [command["workdir"] or ""]
        found += [path.rpartition("/")[0] for path in (command["stdout"], command["stderr"]) if path]
    if any(not output["path"].strip("/").count("/") and output["prefix"] for output in declared.outputs):
        raise InvalidInput("Wildcards directly below / cannot be used in pods.", hint="Use a folder of the task's own.")
    return [folder for folder in found if folder not in ("", TEMPORARY)]


def _outermost(folders: Iterable[str], memory: Iterable[str]) -> list[str]:
    """Those that lie in none of the others."""
    memory = [*memory]
    wanted = [*dict.fromkeys(one for one in folders if not any(below(one, m) for m in memory))]
    return [one for one in wanted if not any(one != other and below(one, other) for other in wanted)]


def _points(declared: Declared) -> list[str]:
    inputs = {bind["path"] for bind in declared.binds}
    written = [output["path"] for output in declared.outputs if output["type"] == "FILE" and output["prefix"] is None]
    for command in declared.commands:
        written += [path for path in (command["stdout"], command["stderr"]) if path]
    return [path for path in dict.fromkeys(written) if path.count("/") == 1 and path not in inputs]


def _image(image: str, site: Site) -> str:
    return site.tools_image if image == TOOLS_IMAGE else image


def _root_warning(work: Work, site: Site) -> list[str]:
    refused = work.terms.allow_root and not site.allow_root
    return ["warning: this deployment runs nothing as root: allow_root was ignored."] if refused else []
