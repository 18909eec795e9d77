"""What clients mean by what they send: those made from TES's protocol buffers send "" for what they do not say."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema


def none_unless_said(value: object) -> object:
    """None for ""."""
    return None if value == "" else value


def file_unless_said(value: object) -> object:
    """A file, where nothing is said of the type."""
    return "FILE" if value in (None, "") else value


def whole(number: float) -> float:
    """An int where it is one: TES 1.1 has ``cpu_cores`` as an int32, and strictly typed clients cannot read 1.0."""
    return int(number) if number == int(number) else number


Cores = Annotated[
    float,
    PlainSerializer(whole, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number"}, mode="serialization"),
]
