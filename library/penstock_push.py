#!/usr/bin/python
"""Ansible module: images that a registry has, pushed from archives where they are missing or others."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]  # it has no types

DOCUMENTATION = r"""
module: penstock_push
short_description: Push images to a registry, where it does not have them
description:
  - Pushes an archive when the registry has no image of its name, or one of another content. What it has is told by the
    digest of the image's configuration, so nothing is kept here.
  - Needs C(skopeo) where it runs.
options:
  images:
    description: The images, each with O(images[].reference) and O(images[].archive).
    type: list
    elements: dict
    required: true
    suboptions:
      reference:
        description: Name and tag; a registry's host in it is left out.
        type: str
        required: true
      archive:
        description: Name of the archive in O(folder).
        type: str
        required: true
      sha256:
        description: Digest of the archive; not used.
        type: str
  folder:
    description: Folder of the archives.
    type: path
    required: true
  registry:
    description: Address of the registry, with a path where names begin with one, as in V(registry.site.org/lab).
    type: str
    required: true
  user:
    description: Who pushes; without it and O(authfile) nobody is named.
    type: str
  password:
    description: The user's password.
    type: str
  authfile:
    description: File with the credentials instead, as C(skopeo login) or C(docker login) writes it.
    type: path
  ca_file:
    description: Certificate authority of the registry besides the system's.
    type: path
  verify:
    description: Whether the registry must be encrypted and known by its certificate.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Says what it would push.
author: Penstock
"""

EXAMPLES = r"""
- name: Push an image
  penstock_push:
    images:
      - {reference: "penstock/tools:1", archive: tools.tar}
    folder: /srv/mirror/images
    registry: registry.site.org/lab
    authfile: ~/.docker/config.json
"""

RETURN = r"""
pushed:
  description: References of the images that were pushed, or would be in check mode.
  returned: always
  type: list
  elements: str
digests:
  description: Each reference with the digest that the registry knows it by; in check mode of those that it has.
  returned: always
  type: dict
"""


class Refused(Exception):
    """What skopeo said."""


def name_in(registry: str, reference: str) -> str:
    """The image's name in the registry: without the host of another one."""
    host, slash, rest = reference.partition("/")
    named = slash and ("." in host or ":" in host or host == "localhost")
    return f"{registry.rstrip('/')}/{rest if named else reference}"


def configuration_of(archive: Path) -> str:
    """Digest of the configuration of an archive's image: its identity, whatever compresses the layers."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("manifest.json")
        if member is None:
            raise KeyError(archive)
        return "sha256:" + Path(json.load(member)[0]["Config"]).name.removesuffix(".json")


def skopeo(*words: str) -> bytes:
    """What it prints."""
    done = subprocess.run(["skopeo", "--insecure-policy", *words], capture_output=True, check=False)
    if done.returncode:
        raise Refused(done.stderr.decode(errors="replace").strip())
    return done.stdout


def present(name: str, access: list[str]) -> tuple[str, str] | None:
    """The registry's digest of an image, and that of its configuration.

    Registries say in many words that there is none; where they mean something else, the push says so.
    """
    try:
        manifest = skopeo("inspect", "--raw", *access, f"docker://{name}")
    except Refused:
        return None
    configuration = json.loads(manifest).get("config", {}).get("digest", "")
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}", configuration


def push(archive: Path, name: str, access: list[str]) -> str:
    """Push it; the digest that the registry knows it by."""
    with tempfile.NamedTemporaryFile("r") as told:
        destination = [f"--dest-{word.removeprefix('--')}" if word.startswith("--") else word for word in access]
        skopeo(
            "copy", "--quiet", "--digestfile", told.name, *destination, f"docker-archive:{archive}", f"docker://{name}"
        )
        return told.read().strip()


@contextmanager
def access_of(given: dict[str, Any]) -> Iterator[list[str]]:
    """The words that tell skopeo how to get in; a password goes by a file of ours, never by the command line."""
    scratch = Path(tempfile.mkdtemp(prefix="penstock-push."))  # 0700
    try:
        words = [] if given["verify"] else ["--tls-verify=false"]
        if given["ca_file"]:
            shutil.copy(given["ca_file"], scratch / "ca.crt")
            words += ["--cert-dir", str(scratch)]
        authfile = given["authfile"]
        if given["user"]:
            pair = base64.b64encode(f"{given['user']}:{given['password'] or ''}".encode()).decode()
            host = given["registry"].partition("/")[0]
            authfile = scratch / "auth.json"
            authfile.write_text(json.dumps({"auths": {host: {"auth": pair}}}))
        yield words + (["--authfile", str(authfile)] if authfile else [])
    finally:
        shutil.rmtree(scratch)


def run(given: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Compare, push."""
    pushed, digests = [], {}
    with access_of(given) as access:
        for image in given["images"]:
            reference, archive = image["reference"], Path(given["folder"]) / image["archive"]
            name = name_in(given["registry"], reference)
            there = present(name, access)
            if there is not None and there[1] == configuration_of(archive):
                digests[reference] = there[0]
                continue
            pushed.append(reference)
            if not check:
                digests[reference] = push(archive, name, access)
    return {"changed": bool(pushed), "pushed": pushed, "digests": digests}


def main() -> None:
    """Compare, push, report."""
    suboptions = {
        "reference": {"type": "str", "required": True},
        "archive": {"type": "str", "required": True},
        "sha256": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True, "options": suboptions},
            "folder": {"type": "path", "required": True},
            "registry": {"type": "str", "required": True},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "authfile": {"type": "path"},
            "ca_file": {"type": "path"},
            "verify": {"type": "bool", "default": True},
        },
        mutually_exclusive=[["user", "authfile"]],
        required_together=[["user", "password"]],
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = run(given, check=module.check_mode)
    except Refused as refused:
        module.fail_json(msg=f"The registry {given['registry']} does not take the images: {refused}")
    except FileNotFoundError as error:
        missing = "skopeo, which is not installed here" if error.filename == "skopeo" else error.filename
        module.fail_json(msg=f"Images are pushed by {missing}" if "skopeo" in missing else f"{missing} does not exist")
    except (KeyError, ValueError, tarfile.TarError) as error:
        module.fail_json(msg=f"An archive of {given['folder']} holds no image that can be read: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
