"""Write docs/settings.md and docs/errors.md from the code; `make docs` calls it, and a test compares."""

from __future__ import annotations

import inspect
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from penstock.errors import PenstockError
from penstock.settings import Settings
from penstock.tes.parameters import BACKEND_PARAMETERS

DOCS = Path(__file__).resolve().parent.parent / "docs"

SETTINGS_HEAD = """# Settings

Every setting is an environment variable of server, agent and client alike; each reads what concerns it. An empty
variable counts as unset. The services of an Ansible deployment read `/etc/penstock/*.env`.

| variable | default | meaning |
|---|---|---|
"""

ERRORS_HEAD = """# Errors

Every answer that is an error names what was wrong, with the value, and what would be right. TES routes answer
`{"status_code", "msg"}`; all others [problem details](https://www.rfc-editor.org/rfc/rfc9457) with `status`, `code`,
`detail` and `hint`. A `code` never changes once it is released, so programs may match on it.

| code | status | meaning |
|---|---|---|
"""

PARAMETERS_HEAD = """# Backend parameters of a task

`resources.backend_parameters` of a TES task; names in any case, values as text or JSON. An unknown one is a warning in
`system_logs`, or a 400 with `backend_parameters_strict`. `cpu_cores`, `ram_gb` and `disk_gb` may be fractions; GB are
10^9 bytes. A task has at most 64 executors.

| name | meaning |
|---|---|
"""


def settings() -> str:
    """The table of settings."""
    rows = [
        f"| `PENSTOCK_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def errors() -> str:
    """The table of errors, in the order of the tree."""
    rows = [f"| `{one.code}` | {one.status} | {_sentence(one)} |" for one in tree(PenstockError)]
    return ERRORS_HEAD + "\n".join(rows) + "\n"


def parameters() -> str:
    """The table of backend parameters."""
    return (
        PARAMETERS_HEAD + "\n".join(f"| `{name}` | {one.meaning} |" for name, one in BACKEND_PARAMETERS.items()) + "\n"
    )


def tree(root: type[PenstockError]) -> list[type[PenstockError]]:
    """``root`` and every class below it."""
    return [root, *(one for child in root.__subclasses__() for one in tree(child))]


def _sentence(error: type[PenstockError]) -> str:
    if error is PenstockError:
        return "The server made a mistake; its log says more."
    return " ".join((inspect.getdoc(error) or "").split())


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        value = field.get_default(call_default_factory=True, validated_data={})
        return f"`{str(value).replace(str(Path.home()), '~')}`"
    if field.default in (None, [], {}) or field.default is PydanticUndefined:
        return ""
    return f"`{field.default}`"


def pages() -> dict[str, str]:
    """Every page that is written from the code, by file name."""
    return {"settings.md": settings(), "errors.md": errors(), "backend-parameters.md": parameters()}


if __name__ == "__main__":
    for file, text in pages().items():
        (DOCS / file).write_text(text)
