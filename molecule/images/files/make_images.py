#!/usr/bin/python3
"""make_images.py FOLDER NAME=TEXT…: image archives as `docker save` writes them, each with one file, and their list."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

FOLDER = Path(sys.argv[1])


def tar_of(files: dict[str, bytes]) -> bytes:
    """An archive without times or owners."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def image(reference: str, text: str) -> bytes:
    """One layer with one file."""
    layer = tar_of({"text": text.encode()})
    history = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": history}).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    return tar_of({name: config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()})


def main() -> None:
    """Write archives and list."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    listed = []
    for word in sys.argv[2:]:
        reference, _, text = word.partition("=")
        content = image(reference, text)
        archive = reference.rpartition("/")[2].partition(":")[0] + ".tar"
        (FOLDER / archive).write_bytes(content)
        listed.append({"reference": reference, "archive": archive, "sha256": hashlib.sha256(content).hexdigest()})
    (FOLDER / "images.json").write_text(json.dumps(listed))


if __name__ == "__main__":
    main()
