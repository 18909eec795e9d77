"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from penstock.errors import SetupError
from penstock.settings import Settings


def test_folders_are_separated_by_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW_PATH", "/data:/scratch")
    assert Settings().allow_path == [Path("/data"), Path("/scratch")]


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "")
    assert Settings().port == 8642


def test_none_is_a_way_to_authenticate_and_not_the_lack_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_AUTHENTICATION", "none")
    assert Settings().authentication == "none"


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "70000")
    with pytest.raises(ValidationError, match="port"):
        Settings()


def test_the_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pst_a_b\n")
    assert Settings(token_file=tmp_path / "token").token() == "pst_a_b"
    assert Settings(token_file=tmp_path / "missing").token() is None


def test_a_token_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Cannot read the token"):
        Settings(token_file=tmp_path).token()


def test_the_workspace_lies_in_the_data_folder_unless_it_is_elsewhere(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).workspace_path == tmp_path / "workspace"
    assert Settings(data=tmp_path, workspace=Path("/w")).workspace_path == Path("/w")
