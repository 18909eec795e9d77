"""Every setting, error code, backend parameter, command, option and role variable stands in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from scripts.docs import pages

from penstock.cli.main import every_command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", sorted(pages()))
def test_a_page_that_is_written_from_the_code_is_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text() == pages()[page], "run `make docs`"


def _commands() -> list[tuple[str, list[str]]]:
    """Every command's full name with its options."""
    found = []

    def walk(command: object, path: list[str]) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            walk(child, [*path, name])
        if not children:
            options = [
                option for one in getattr(command, "params", []) for option in one.opts if option.startswith("--")
            ]
            found.append((" ".join(path), options))

    walk(every_command(), ["penstock"])
    return found


@pytest.mark.parametrize(("command", "options"), _commands())
def test_every_command_and_option_is_documented(command: str, options: list[str]) -> None:
    text = (DOCS / "cli.md").read_text()
    assert command in text
    missing = [option for option in options if option != "--help" and option not in text]
    assert missing == []


def _variables() -> list[tuple[str, str]]:
    found = []
    for spec in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        options = yaml.safe_load(spec.read_text())["argument_specs"]["main"].get("options", {})
        found += [(spec.parts[-3], name) for name in options]
    return found


@pytest.mark.parametrize(("role", "variable"), _variables())
def test_every_role_variable_is_in_the_roles_table(role: str, variable: str) -> None:
    assert re.search(rf"^\| *`{variable}`", (ROOT / "roles" / role / "README.md").read_text(), re.MULTILINE)
    assert variable.startswith(f"{role}_")


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir()))
def test_every_default_of_a_role_is_in_its_argument_spec(role: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text()) or {}
    assert set(defaults) <= {name for one, name in _variables() if one == role}


def test_every_folder_stands_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text()
    folders = [path for path in (ROOT / "src" / "penstock").iterdir() if (path / "__init__.py").exists()]
    assert [path.name for path in folders if f"{path.name}/`" not in text] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
