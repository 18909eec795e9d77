"""The catalogue: which pipelines there are, and whether what a workload declares fits one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog
import yaml
from pydantic import ValidationError

from penstock.errors import InvalidInput, UnknownPipeline
from penstock.names import check_relative_path
from penstock.pipelines.models import DEFINITION, Definition, InputRole, Pipeline
from penstock.pipelines.parameters import check_parameters, closest, parse_parameter

__all__ = ["BUILT_IN", "Catalogue", "check_inputs", "check_parameters", "parse_parameter", "read_pipeline"]

BUILT_IN = Path(__file__).resolve().parent.parent / "catalogue"
_log = structlog.get_logger(__name__)


class Catalogue:
    """The pipelines below some folders. A later folder's pipeline hides an earlier one's of the same name.

    The folders are read at every call, so that a pipeline that an operator puts there is in the catalogue at once.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = [BUILT_IN, *folders]

    def list(self) -> list[Pipeline]:
        """What a user sees, by name. A definition that is broken is left out and logged."""
        visible: dict[str, Pipeline] = {}
        for folder in self._pipeline_folders():
            try:
                pipeline = read_pipeline(folder)
            except InvalidInput as error:
                _log.warning("A pipeline of the catalogue is broken.", folder=str(folder), problem=error.message)
            else:
                visible[pipeline.name] = pipeline
        return [visible[name] for name in sorted(visible)]

    def get(self, name: str, version: str | None = None) -> Pipeline:
        """The pipeline ``name``, in that version if one is named; UnknownPipeline says what there is."""
        candidates = [read_pipeline(folder) for folder in self._pipeline_folders() if folder.name == name]
        if not candidates:
            known = {folder.name for folder in self._pipeline_folders()}
            raise UnknownPipeline(f"There is no pipeline {name!r}.", hint=closest(name, known))
        for pipeline in reversed(candidates):
            if version in (None, pipeline.version):
                return pipeline
        versions = ", ".join(pipeline.version for pipeline in candidates)
        raise UnknownPipeline(f"There is no version {version!r} of pipeline {name!r}.", hint=f"There is {versions}.")

    def _pipeline_folders(self) -> Iterator[Path]:
        for folder in self.folders:
            if folder.is_dir():
                yield from sorted(path.parent for path in folder.glob(f"*/{DEFINITION}"))


def read_pipeline(folder: Path) -> Pipeline:
    """The pipeline that ``folder`` holds; InvalidInput names the file, the key and what is wrong with it."""
    path = folder / DEFINITION
    try:
        document = yaml.safe_load(path.read_text())
        definition = Definition.model_validate(document)
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        raise InvalidInput(f"{path}: {_listed(error)}.") from error
    if definition.name != folder.resolve().name:
        raise InvalidInput(f"{path} says name: {definition.name}, but its folder is {folder.resolve().name!r}.")
    return Pipeline(definition, folder.resolve())


def check_inputs(pipeline: Pipeline, declared: Iterable[tuple[str, str]]) -> None:
    """Check the (role, file name) pairs of a workload; InvalidInput names the role or file and what is right."""
    roles = pipeline.definition.inputs
    files = list(declared)
    for role, name in files:
        if role not in roles:
            raise InvalidInput(f"Pipeline {pipeline.name!r} takes no input {role!r}.", hint=closest(role, roles))
        _check_name(role, roles[role], name)
    _check_distinct(files)
    counts = Counter(role for role, _ in files)
    for role, entry in roles.items():
        _check_count(role, entry, counts[role])
    if pipeline.definition.any_of and not any(counts[role] for role in pipeline.definition.any_of):
        choices = " or ".join(repr(role) for role in pipeline.definition.any_of)
        raise InvalidInput(f"Pipeline {pipeline.name!r} needs input {choices}, and neither was given.")


def _check_name(role: str, entry: InputRole, name: str) -> None:
    if len(check_relative_path(name).parts) != 1:
        raise InvalidInput(f"{name!r} is not a file name.", hint="Give the name without its folder.")
    if not name.lower().endswith(tuple(suffix.lower() for suffix in entry.suffixes)):
        raise InvalidInput(
            f"Input {role!r} cannot be {name!r}.",
            hint=f"Its name must end in {', '.join(entry.suffixes)} ({', '.join(entry.formats)}).",
        )


def _check_distinct(files: list[tuple[str, str]]) -> None:
    for (role, name), count in Counter(files).items():
        if count > 1:
            raise InvalidInput(f"Input {role!r} has {count} files named {name!r}.", hint="Give each its own name.")


def _check_count(role: str, entry: InputRole, count: int) -> None:
    if count == 0 and entry.min > 0:
        raise InvalidInput(f"Input {role!r} is missing.", hint=f"It is: {entry.title}.")
    if count < entry.min or (entry.max is not None and count > entry.max):
        wanted = f"{entry.min}" if entry.max == entry.min else f"{entry.min} to {entry.max or 'any number'}"
        raise InvalidInput(f"Input {role!r} has {count} files.", hint=f"It takes {wanted}.")
    if count % entry.multiple_of:
        raise InvalidInput(
            f"Input {role!r} has {count} {'file' if count == 1 else 'files'}.",
            hint=f"The number must be a multiple of {entry.multiple_of}: {entry.title}.",
        )


def _listed(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in entry['loc']) or 'document'}: {entry['msg']}" for entry in problems
    )
