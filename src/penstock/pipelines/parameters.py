"""Parameters of a pipeline: text to values, values against the JSON Schema, defaults filled in.

Pure, and imports nothing of the server: the command line parses with it, too.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from penstock.errors import InvalidParameter

_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "a JSON object",
    "null": "none",
}


def check_parameters(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with the defaults of ``schema`` filled in; InvalidParameter names what is wrong and what is right."""
    for name in given:
        _property(schema, name)
    error = _first_error(schema, given)
    if error is not None:
        raise _explained(schema, given, error)
    defaults = {name: entry["default"] for name, entry in _properties(schema).items() if "default" in entry}
    return {**defaults, **given}


def parse_parameter(schema: Mapping[str, Any], name: str, text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value that ``text`` (from a command line) means for parameter ``name`` of the object schema ``schema``."""
    entry = _property(schema, name)
    try:
        return _parsed(entry, text)
    except ValueError:
        raise InvalidParameter(f"Parameter {name!r} is {text!r}.", hint=_right(name, entry)) from None


def _parsed(entry: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401
    """``text`` by the first type that it fits; ValueError if it fits none. A list is JSON, or values between commas."""
    for kind in sorted(_kinds(entry), key=lambda kind: kind == "string"):  # a text can be anything, so it comes last
        try:
            if kind == "array" and not text.lstrip().startswith("["):
                return [_parsed(entry.get("items", {}), part.strip()) for part in text.split(",")]
            return _PARSERS[kind](text)
        except (ValueError, KeyError):
            continue
    raise ValueError(text)


def closest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: a guess where one is near, and all that exist."""
    names = sorted(known)
    guess = difflib.get_close_matches(name, names, n=1)
    listed = f"There is {', '.join(names)}." if names else "There is none."
    return f"Did you mean {guess[0]!r}? {listed}" if guess else listed


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    return properties


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    properties = _properties(schema)
    if name not in properties:
        raise InvalidParameter(f"There is no parameter {name!r}.", hint=closest(name, properties))
    return properties[name]


def _kinds(entry: Mapping[str, Any]) -> list[str]:
    kind = entry.get("type")
    if kind is None:
        return ["string"]
    return [kind] if isinstance(kind, str) else list(kind)


def _first_error(schema: Mapping[str, Any], given: Mapping[str, Any]) -> ValidationError | None:
    errors: list[ValidationError] = sorted(
        Draft202012Validator(dict(schema)).iter_errors(dict(given)),
        key=lambda error: [str(part) for part in error.path],
    )
    return errors[0] if errors else None


def _explained(schema: Mapping[str, Any], given: Mapping[str, Any], error: ValidationError) -> InvalidParameter:
    properties = _properties(schema)
    if error.validator == "required":
        missing = next(name for name in schema["required"] if name not in given)
        return InvalidParameter(f"Parameter {missing!r} is missing.", hint=_right(missing, properties.get(missing, {})))
    if not error.path:
        return InvalidParameter(f"The parameters do not fit together: {error.message}.")
    name = str(error.path[0])
    return InvalidParameter(f"Parameter {name!r} is {json.dumps(given[name])}.", hint=_right(name, properties[name]))


def _right(name: str, entry: Mapping[str, Any]) -> str:
    """One sentence on what ``entry`` allows, with its unit."""
    if "enum" in entry:
        return f"{name} must be one of {', '.join(json.dumps(value) for value in entry['enum'])}."
    kinds = " or ".join(_KINDS.get(kind, kind) for kind in _kinds(entry)) + _items(entry)
    unit = f" ({entry['x-unit']})" if entry.get("x-unit") else ""
    return f"{name} must be {kinds}{_range(entry)}{unit}."


def _items(entry: Mapping[str, Any]) -> str:
    item = entry.get("items")
    return f", each {_KINDS.get(str(item.get('type')), 'a value')}{_range(item)}" if isinstance(item, Mapping) else ""


def _range(entry: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "greater than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
        "minLength": "{} characters or more",
        "maxLength": "{} characters or less",
        "pattern": "of the form {}",
        "minItems": "{} entries or more",
        "maxItems": "{} entries or less",
    }
    limits = [text.format(entry[key]) for key, text in words.items() if key in entry]
    return f", {' and '.join(limits)}" if limits else ""


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _null(text: str) -> None:
    if text.lower() not in ("none", "null"):
        raise ValueError(text)


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": _number,
    "boolean": _boolean,
    "string": str,
    "null": _null,
    "array": json.loads,
    "object": json.loads,
}
