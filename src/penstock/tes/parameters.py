"""Backend parameters of a task: one table that makes the parser, service-info and the documentation (design.md, 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from penstock.errors import InvalidInput
from penstock.tasks.models import Resources, Terms

DEFAULT_CPU_CORES, DEFAULT_RAM_GB = 1.0, 1.0
SMALLEST_RAM_GB = 0.016


@dataclass(frozen=True)
class BackendParameter:
    """``read`` turns what a client sent (text, or JSON of the right type) into the value of the term of this name."""

    read: Callable[[Any], Any]
    meaning: str


def _whole(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(str(value))


def _flag(value: object) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]


def _words(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [one for one in str(value).split(",") if one]


def _numbers(value: object) -> list[int]:
    return [int(one) for one in _words(value if isinstance(value, list | str) else [value])]


def _pairs(value: Any) -> dict[str, str]:  # noqa: ANN401 - what a client sent
    found = json.loads(value) if isinstance(value, str) else value
    return {str(key): str(one) for key, one in dict(found).items()}


BACKEND_PARAMETERS = {
    "tags": BackendParameter(_pairs, "JSON object of tags that the site must have"),
    "priority": BackendParameter(_whole, "-100 to 100; higher is leased first (default 0)"),
    "attempts": BackendParameter(_whole, "how often the task is tried when an attempt is lost, 1 to 20 (default 3)"),
    "retry_on_exit": BackendParameter(_numbers, "exit codes after which the task is tried again, separated by commas"),
    "time_limit_s": BackendParameter(_whole, "seconds after which the task is ended as EXECUTOR_ERROR"),
    "network": BackendParameter(str, "none (default) or egress: what the executors may reach"),
    "memory_volumes": BackendParameter(_words, "those of the task's volumes to keep in memory, separated by commas"),
    "credentials": BackendParameter(_words, "names of the owner's storage credentials to use (default: all that fit)"),
    "allow_root": BackendParameter(_flag, "run as root where the deployment allows it (default false)"),
}


def terms(resources: Resources | None) -> Terms:
    """The terms that a task's resources ask for; InvalidInput names what is wrong."""
    wanted = resources or Resources()
    values: dict[str, Any] = {
        "cpu_cores": wanted.cpu_cores or DEFAULT_CPU_CORES,
        "ram_gb": max(wanted.ram_gb or DEFAULT_RAM_GB, SMALLEST_RAM_GB),
        "disk_gb": wanted.disk_gb or 0.0,
        "warnings": [],
    }
    for name, value in (wanted.backend_parameters or {}).items():
        parameter = BACKEND_PARAMETERS.get(name.lower())
        if parameter is not None:
            values[name.lower()] = _read(name, parameter, value)
        elif wanted.backend_parameters_strict:
            raise InvalidInput(f"Unknown backend parameter {name!r}.", hint=f"Known: {', '.join(BACKEND_PARAMETERS)}.")
        else:
            values["warnings"].append(f"Unknown backend parameter {name!r} was ignored.")
    try:
        return Terms.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{first['loc'][0]}: {first['msg']} (got {first['input']!r}).") from error


def _read(name: str, parameter: BackendParameter, value: object) -> object:
    try:
        return parameter.read(value)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"Backend parameter {name}={value!r} cannot be read.", hint=parameter.meaning + "."
        ) from error
