"""What the values of a storage credential may look like in a file."""

from __future__ import annotations

import json

import pytest

from penstock.cli.credentials import read_values
from penstock.errors import InvalidInput


def test_lines_with_names() -> None:
    assert read_values("# mine\n Access_Key_Id = a \n\nsecret_access_key=b=c\n") == {
        "access_key_id": "a",
        "secret_access_key": "b=c",
    }


def test_a_json_object() -> None:
    assert read_values('{"username": "a", "password": "b"}') == {"username": "a", "password": "b"}


def test_googles_key_file_is_taken_as_it_is() -> None:
    key = json.dumps({"type": "service_account", "private_key": "k"})
    assert read_values(key) == {"service_account_key": key}


@pytest.mark.parametrize("text", ["", "# nothing\n", "secret", '{"a": ', "a=b\nsecret"])
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_values(text)
    assert "secret" not in str(caught.value)
