"""Parameters: text to values, values against the schema."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidParameter
from penstock.pipelines.parameters import check_parameters, parse_parameter

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "ploidy": {"type": "integer", "minimum": 1, "maximum": 16, "default": 2, "x-unit": "copies"},
        "fraction": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.05},
        "mark": {"type": "boolean", "default": True},
        "mode": {"enum": ["fast", "exact"], "type": "string", "default": "fast"},
        "label": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$", "default": "ab"},
        "limit": {"type": ["integer", "null"], "default": None},
        "names": {"type": "array", "items": {"type": "string"}, "default": []},
        "extra": {"type": "object", "default": {}},
    },
}


def test_what_is_not_given_gets_its_default() -> None:
    assert check_parameters(SCHEMA, {"ploidy": 4, "names": ["a"]}) == {
        "ploidy": 4,
        "fraction": 0.05,
        "mark": True,
        "mode": "fast",
        "label": "ab",
        "limit": None,
        "names": ["a"],
        "extra": {},
    }


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"ploidi": 2}, "There is no parameter 'ploidi'. Did you mean 'ploidy'? There is extra, fraction,"),
        ({"zzz": 2}, "There is no parameter 'zzz'. There is extra, fraction,"),
        (
            {"ploidy": 0},
            "Parameter 'ploidy' is 0. ploidy must be a whole number, at least 1 and at most 16 (copies).",
        ),
        ({"ploidy": "two"}, "Parameter 'ploidy' is \"two\". ploidy must be a whole number"),
        ({"ploidy": 2.5}, "Parameter 'ploidy' is 2.5."),
        ({"ploidy": True}, "Parameter 'ploidy' is true."),
        ({"fraction": 0}, "fraction must be a number, greater than 0 and at most 1."),
        ({"mark": "yes"}, "mark must be true or false."),
        ({"mode": "slow"}, 'Parameter \'mode\' is "slow". mode must be one of "fast", "exact".'),
        ({"label": "A"}, "label must be a text, 2 characters or more and of the form ^[a-z]+$."),
        ({"limit": "x"}, "limit must be a whole number or none."),
        ({"names": ["a", 1]}, "Parameter 'names' is [\"a\", 1]. names must be a list, each a text."),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_right(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_parameters(SCHEMA, given_)
    assert says in str(caught.value)


def test_a_required_parameter_that_is_missing_is_named() -> None:
    schema = {**SCHEMA, "required": ["ploidy", "mark"]}
    with pytest.raises(InvalidParameter, match="Parameter 'mark' is missing"):
        check_parameters(schema, {"ploidy": 1})


def test_parameters_that_contradict_each_other_are_refused() -> None:
    schema = {**SCHEMA, "not": {"required": ["ploidy", "mode"]}}
    with pytest.raises(InvalidParameter, match="The parameters do not fit together"):
        check_parameters(schema, {"ploidy": 1, "mode": "fast"})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ploidy", "4", 4),
        ("ploidy", "-4", -4),
        ("fraction", "0.25", 0.25),
        ("fraction", "1e-3", 0.001),
        ("fraction", "1", 1),
        ("mark", "no", False),
        ("mark", "TRUE", True),
        ("mode", "slow", "slow"),
        ("label", "12", "12"),
        ("label", "", ""),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("names", "a, b", ["a", "b"]),
        ("names", '["a,b"]', ["a,b"]),
        ("extra", '{"a": 1}', {"a": 1}),
    ],
)
def test_text_becomes_the_value_that_the_schema_asks_for(name: str, text: str, value: object) -> None:
    parsed = parse_parameter(SCHEMA, name, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ploidy", "two"),
        ("ploidy", "2.0"),
        ("fraction", ""),
        ("fraction", "nan"),
        ("fraction", "inf"),
        ("mark", "maybe"),
        ("extra", "{"),
        ("names", "[1"),
    ],
)
def test_text_that_means_no_such_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_parameter(SCHEMA, name, text)
    assert str(caught.value).startswith(f"Parameter {name!r} is {text!r}. {name} must be ")


def test_an_unknown_name_is_refused_before_its_text_is_read() -> None:
    with pytest.raises(InvalidParameter, match="no parameter 'ploidi'"):
        parse_parameter(SCHEMA, "ploidi", "2")


@given(st.integers(1, 16), st.floats(1e-6, 1), st.booleans())
def test_what_json_writes_is_read_back(ploidy: int, fraction: float, mark: bool) -> None:
    values = {"ploidy": ploidy, "fraction": fraction, "mark": mark}
    read = {name: parse_parameter(SCHEMA, name, json.dumps(value)) for name, value in values.items()}
    assert math.isclose(read["fraction"], fraction)
    assert {**check_parameters(SCHEMA, read), "fraction": 0} == {**check_parameters(SCHEMA, values), "fraction": 0}
