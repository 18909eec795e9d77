"""The module `penstock_push`, with a `skopeo` that keeps its registry in a folder; molecule has real ones."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]  # it has no types
from tests.unit.ansible.conftest import load

SKOPEO = r"""#!/bin/sh
# The registry is a folder of manifests, named after the image; a tag's `/` is `_`.
echo "$*" >>"$REGISTRY/calls"
for word; do last=$word; [ "$word" = --digestfile ] && told=next || { [ "$told" != next ] || told=$word; }; done
for word; do
    case $word in */auth.json) cp "$word" "$REGISTRY/auth" ;; docker-archive:*) from=${word#docker-archive:} ;; esac
done
file=$REGISTRY/$(echo "${last#docker://}" | tr / _)
[ ! -e "$REGISTRY/closed" ] || { echo "unauthorized: authentication required" >&2; exit 1; }
case $2 in
    inspect) [ -e "$file" ] || { echo "manifest unknown" >&2; exit 1; }; cat "$file" ;;
    copy) config=$(tar -xOf "$from" manifest.json | sed 's/.*"Config": "\([0-9a-f]*\).*/\1/')
          printf '{"config": {"digest": "sha256:%s"}}' "$config" >"$file"
          printf 'sha256:%s\n' "$(sha256sum <"$file" | cut -d' ' -f1)" >"$told" ;;
esac
"""


def archive(path: Path, content: str) -> str:
    """As `docker save` writes it; the digest of its configuration."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    manifest = json.dumps([{"Config": f"{digest}.json", "RepoTags": [], "Layers": []}]).encode()
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    return f"sha256:{digest}"


class Runner:
    """Runs the module as Ansible does, in this process."""

    def __init__(self, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self.folder, self._output = folder, output
        self._module = load("penstock_push")
        archive(folder / "tools.tar", "one")

    def __call__(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {
            "images": [{"reference": "penstock/tools:1", "archive": "tools.tar"}],
            "folder": str(self.folder),
            "registry": "registry.site.org/lab/",
            "_ansible_check_mode": check,
            **more,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            self._module.main()
        told: dict[str, Any] = json.loads(self._output.readouterr().out)
        return told

    def calls(self) -> str:
        return (self.folder / "calls").read_text()


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "skopeo"
    program.write_text(SKOPEO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("REGISTRY", str(tmp_path))
    return Runner(tmp_path, capfd)


def test_an_image_is_pushed_once_and_named_by_the_registrys_digest(run: Runner) -> None:
    first, second = run(), run()
    assert (first["changed"], first["pushed"]) == (True, ["penstock/tools:1"])
    assert (second["changed"], second["pushed"]) == (False, [])
    manifest = run.folder / "registry.site.org_lab_penstock_tools:1"
    digest = f"sha256:{hashlib.sha256(manifest.read_bytes()).hexdigest()}"
    assert first["digests"] == second["digests"] == {"penstock/tools:1": digest}


def test_another_image_of_the_same_name_is_pushed(run: Runner) -> None:
    first = run()
    archive(run.folder / "tools.tar", "two")
    second = run()
    assert second["changed"]
    assert second["digests"] != first["digests"]


def test_a_dry_run_tells_and_pushes_nothing(run: Runner) -> None:
    told = run(check=True)
    assert (told["changed"], told["pushed"], told["digests"]) == (True, ["penstock/tools:1"], {})
    assert " copy " not in run.calls()


def test_a_password_goes_by_a_file_that_is_gone_afterwards(run: Runner) -> None:
    run(user="ada", password="the-password")
    assert "the-password" not in run.calls()
    assert json.loads((run.folder / "auth").read_text())["auths"].keys() == {"registry.site.org"}
    [file] = {word for word in run.calls().split() if word.endswith("/auth.json")}
    assert not Path(file).parent.exists()


def test_a_registry_that_refuses_is_named_with_its_reason(run: Runner) -> None:
    (run.folder / "closed").touch()
    told = run(user="ada", password="the-password")
    assert told["failed"]
    assert "registry.site.org/lab/ does not take the images: unauthorized" in told["msg"]
    assert "the-password" not in json.dumps(told["msg"])


def test_certificate_and_plain_registries_are_told_to_skopeo(run: Runner) -> None:
    (run.folder / "authority.crt").write_text("x")
    run(ca_file=str(run.folder / "authority.crt"), verify=False)
    inspected, copied = run.calls().splitlines()
    assert "--tls-verify=false --cert-dir" in inspected
    assert "--dest-tls-verify=false --dest-cert-dir" in copied


def test_an_archive_that_holds_no_image_is_said(run: Runner) -> None:
    run()
    (run.folder / "tools.tar").write_text("none")
    assert "holds no image" in run()["msg"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("penstock/tools:1", "r:5000/lab/penstock/tools:1"),
        ("registry.k8s.io/coredns/coredns:v1", "r:5000/lab/coredns/coredns:v1"),
        ("localhost/x:1", "r:5000/lab/x:1"),
        ("h:5001/x:1", "r:5000/lab/x:1"),
        ("tools:1", "r:5000/lab/tools:1"),
    ],
)
def test_another_registrys_host_is_left_out_of_the_name(reference: str, name: str) -> None:
    assert load("penstock_push").name_in("r:5000/lab/", reference) == name


def test_the_documentation_names_every_option() -> None:
    documented = yaml.safe_load(load("penstock_push").DOCUMENTATION)["options"]
    assert set(documented) == {"images", "folder", "registry", "user", "password", "authfile", "ca_file", "verify"}
