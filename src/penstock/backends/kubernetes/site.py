"""What the pods of a site depend on besides the work itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.backends.kubernetes import launcher
from penstock.settings import Settings

_IMAGE_VOLUMES, _POD_RESOURCES = (1, 35), (1, 34)  # on by default since


@dataclass(frozen=True)
class Site:
    """``claim`` is None where the site does not mount the workspace; ``ca`` is the text of an authority to trust.

    ``launcher`` is the folder of the workspace that has the launcher's busybox; None: it comes from an image.
    """

    deployment: str
    site: str
    claim: str | None
    claim_folder: str
    node: str | None
    user: int
    tools_image: str
    server_image: str
    launcher_image: str
    pull_secret: str | None
    url: str
    ca: str | None = None
    allow_root: bool = False
    image_volumes: bool = True
    pod_resources: bool = True
    allow_private_urls: bool = False
    transfer_limit_s: int = 6 * 3600
    largest_input: int = 1 << 40
    cpu_share: float = 1.0
    launcher: str | None = None


def site_of(settings: Settings, version: tuple[int, int]) -> Site:
    """The site that settings and the cluster's version describe. Blocking: reads and writes files."""
    return Site(
        deployment=settings.deployment,
        site=settings.site,
        claim=settings.workspace_claim,
        claim_folder=settings.workspace_subpath.strip("/"),
        node=settings.workspace_node,
        user=settings.pod_user,
        tools_image=settings.tools_image,
        server_image=settings.server_image,
        launcher_image=settings.launcher_image,
        pull_secret=settings.image_pull_secret,
        url=settings.pod_url or settings.url,
        ca=settings.ca_file.read_text() if settings.ca_file else None,
        allow_root=settings.allow_root,
        image_volumes=_has(settings.image_volumes, version, _IMAGE_VOLUMES),
        pod_resources=_has(settings.pod_resources, version, _POD_RESOURCES),
        allow_private_urls=settings.allow_private_urls,
        transfer_limit_s=settings.transfer_limit_s,
        largest_input=settings.largest_input,
        cpu_share=settings.cpu_share,
        launcher=_launcher(settings),
    )


def _launcher(settings: Settings) -> str | None:
    from_workspace = settings.workspace_claim is not None and settings.image_volumes == "auto"
    return launcher.provide(settings.workspace_path) if from_workspace else None


def parse_version(answer: dict[str, str]) -> tuple[int, int]:
    """What ``/version`` says; vendors append to the minor number (``36+``)."""
    return int(answer["major"]), int(re.sub(r"\D.*", "", answer["minor"]))


def _has(said: str, version: tuple[int, int], since: tuple[int, int]) -> bool:
    return version >= since if said == "auto" else said == "yes"
