#!/usr/bin/python
"""Ansible module: images that a node's containerd has, loaded from archives when they are missing or others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]  # it has no types

DOCUMENTATION = r"""
module: penstock_images
short_description: Load images into containerd, where it does not have them
description:
  - Loads an archive when the node has no image of its name, another one than was loaded from it, or when the archive's
    digest is another than the last time.
  - Keeps what it loaded from the kubelet's clean-up, since no registry would give it again.
  - Runs on the node, with containerd's C(ctr).
options:
  images:
    description: The images, each with O(images[].reference), O(images[].archive) and O(images[].sha256).
    type: list
    elements: dict
    required: true
    suboptions:
      reference:
        description: Name and tag.
        type: str
        required: true
      archive:
        description: Name of the archive in O(folder).
        type: str
        required: true
      sha256:
        description: Digest of the archive.
        type: str
        required: true
  folder:
    description: Folder of the archives on the node.
    type: path
    required: true
  ctr:
    description: The program.
    type: path
    required: true
  record:
    description: File on the node that keeps what was loaded from which archive.
    type: path
    default: /var/lib/containerd/penstock-images.json
attributes:
  check_mode:
    support: full
    description: Says what it would load.
author: Penstock
"""

EXAMPLES = r"""
- name: Load an image
  penstock_images:
    images:
      - {reference: "penstock/tools:1", archive: tools.tar, sha256: "{{ digest }}"}
    folder: /var/tmp/images
    ctr: /opt/penstock-node/bin/ctr
"""

RETURN = r"""
loaded:
  description: The images that were loaded, or would be in check mode.
  returned: always
  type: list
  elements: dict
"""

PINNED = "io.cri-containerd.pinned=pinned"


def full_name(reference: str) -> str:
    """The name that containerd keeps an image under: a registry's host stands first, Docker's where none does."""
    host, slash, _ = reference.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def call(ctr: str, *arguments: str) -> str:
    """What ``ctr`` says about the kubelet's images."""
    command = [ctr, "--namespace", "k8s.io", "images", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def digests(ctr: str) -> dict[str, str]:
    """Each image's name with its digest; none where containerd is not installed yet or does not answer."""
    try:
        lines = call(ctr, "list").splitlines()[1:]
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {words[0]: words[2] for words in map(str.split, lines) if len(words) > 2}  # REF TYPE DIGEST …


def read_record(path: Path) -> dict[str, Any]:
    """What was loaded, by name; nothing when there is no readable record."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def missing(images: list[dict[str, str]], present: dict[str, str], record: dict[str, Any]) -> list[dict[str, str]]:
    """The images that are to be loaded."""
    wanted = []
    for image in images:
        name = full_name(image["reference"])
        loaded = record.get(name, {})
        if name not in present or loaded != {"sha256": image["sha256"], "digest": present[name]}:
            wanted.append(image)
    return wanted


def load(image: dict[str, str], folder: Path, ctr: str, record: Path) -> None:
    """Load one and note it."""
    name = full_name(image["reference"])
    call(ctr, "import", str(folder / image["archive"]))
    call(ctr, "label", name, PINNED)
    noted = {**read_record(record), name: {"sha256": image["sha256"], "digest": digests(ctr)[name]}}
    half = record.with_suffix(".new")
    half.write_text(json.dumps(noted, indent=1))
    half.replace(record)


def main() -> None:
    """Compare, load, report."""
    suboptions = {name: {"type": "str", "required": True} for name in ("reference", "archive", "sha256")}
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True, "options": suboptions},
            "folder": {"type": "path", "required": True},
            "ctr": {"type": "path", "required": True},
            "record": {"type": "path", "default": "/var/lib/containerd/penstock-images.json"},
        },
        supports_check_mode=True,
    )
    given = module.params
    record = Path(given["record"])
    wanted = missing(given["images"], digests(given["ctr"]), read_record(record))
    for image in [] if module.check_mode else wanted:
        try:
            load(image, Path(given["folder"]), given["ctr"], record)
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip()
            module.fail_json(msg=f"{image['reference']} cannot be loaded from {image['archive']}: {why}")
        except KeyError:
            module.fail_json(msg=f"{image['archive']} holds no image of the name {image['reference']}")
    module.exit_json(changed=bool(wanted), loaded=wanted)


if __name__ == "__main__":
    main()
