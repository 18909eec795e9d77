"""The module `penstock_images`: what it loads, with a `ctr` that keeps its images in a file."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]  # it has no types

ROOT = Path(__file__).resolve().parents[3]

# Images are lines "NAME DIGEST" in a file beside it; an archive holds such a line.
CTR = r"""#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
touch "$here/images"
case $4 in
    list) echo "REF TYPE DIGEST SIZE"; sed 's/ / application\/json /; s/$/ 1MiB/' "$here/images" ;;
    import) [ -s "$5" ] || { echo "unrecognized image format" >&2; exit 1; }
            name=$(cut -d' ' -f1 "$5"); sed -i "\#^$name #d" "$here/images"; cat "$5" >>"$here/images" ;;
esac
"""


@pytest.fixture(scope="module")
def images_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("penstock_images", ROOT / "library" / "penstock_images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Runner:
    """Runs the module as Ansible does, in this process."""

    def __init__(self, module: ModuleType, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self._module, self._output, self.folder = module, output, folder
        self.ctr = folder / "ctr"
        self.ctr.write_text(CTR)
        self.ctr.chmod(0o755)
        self.archive("docker.io/penstock/tools:1", "sha256:a")

    def archive(self, name: str, digest: str) -> None:
        (self.folder / "tools.tar").write_text(f"{name} {digest}\n")

    def __call__(self, sha256: str = "1", **more: Any) -> dict[str, Any]:
        arguments = {
            "images": [{"reference": "penstock/tools:1", "archive": "tools.tar", "sha256": sha256}],
            "folder": str(self.folder),
            "ctr": str(self.ctr),
            "record": str(self.folder / "record.json"),
            **more,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            self._module.main()
        told: dict[str, Any] = json.loads(self._output.readouterr().out)
        return told

    def calls(self, word: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if f" {word} " in line]


@pytest.fixture
def run(images_module: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(images_module, tmp_path, capfd)


def test_an_image_is_loaded_once_and_kept_from_clean_up(run: Runner) -> None:
    assert [run()["changed"], run()["changed"]] == [True, False]
    assert len(run.calls("import")) == 1
    assert run.calls("label") == [
        "--namespace k8s.io images label docker.io/penstock/tools:1 io.cri-containerd.pinned=pinned"
    ]


def test_another_archive_is_loaded_under_the_same_name(run: Runner) -> None:
    run()
    run.archive("docker.io/penstock/tools:1", "sha256:b")
    assert run(sha256="2")["changed"]
    assert not run(sha256="2")["changed"]


def test_an_image_that_somebody_replaced_or_removed_is_loaded_again(run: Runner) -> None:
    run()
    (run.folder / "images").write_text("docker.io/penstock/tools:1 sha256:other\n")
    assert run()["changed"]
    (run.folder / "images").write_text("")
    assert run()["changed"]


def test_check_mode_says_what_it_would_load_even_without_containerd(run: Runner) -> None:
    run.ctr.unlink()
    assert [image["archive"] for image in run(_ansible_check_mode=True)["loaded"]] == ["tools.tar"]


def test_an_archive_that_cannot_be_read_is_named_with_the_reason(run: Runner) -> None:
    (run.folder / "tools.tar").write_text("")
    assert run()["msg"] == "penstock/tools:1 cannot be loaded from tools.tar: unrecognized image format"


def test_an_archive_of_another_image_is_named(run: Runner) -> None:
    run.archive("docker.io/penstock/server:1", "sha256:a")
    assert run()["msg"] == "tools.tar holds no image of the name penstock/tools:1"


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("penstock/tools:1", "docker.io/penstock/tools:1"),
        ("busybox:1", "docker.io/library/busybox:1"),
        ("registry.k8s.io/pause:3", "registry.k8s.io/pause:3"),
        ("lab:5000/tools:1", "lab:5000/tools:1"),
        ("localhost/tools:1", "localhost/tools:1"),
    ],
)
def test_a_name_is_completed_as_containerd_does(images_module: ModuleType, reference: str, full: str) -> None:
    assert images_module.full_name(reference) == full
