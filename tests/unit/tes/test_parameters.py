"""Backend parameters: one table, read leniently or strictly."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidInput
from penstock.tasks.models import Resources, Terms
from penstock.tes.parameters import BACKEND_PARAMETERS, terms


def test_without_resources_a_task_gets_one_core_and_one_gigabyte() -> None:
    assert terms(None) == Terms(cpu_cores=1.0, ram_gb=1.0, disk_gb=0.0)


def test_fractions_are_kept() -> None:
    found = terms(Resources(cpu_cores=0.25, ram_gb=0.5, disk_gb=1.5))
    assert (found.cpu_cores, found.ram_gb, found.disk_gb) == (0.25, 0.5, 1.5)


def test_every_parameter_is_read_from_text_whatever_its_case() -> None:
    sent = {
        "Tags": '{"disk": "fast"}',
        "PRIORITY": "5",
        "attempts": "2",
        "retry_on_exit": "75,76",
        "time_limit_s": "60",
        "network": "egress",
        "memory_volumes": "/tmp,/scratch",
        "allow_root": "true",
        "credentials": "lab,archive",
    }
    assert {name.lower() for name in sent} == set(BACKEND_PARAMETERS)
    found = terms(Resources(backend_parameters=sent))
    assert found.model_dump(include=set(BACKEND_PARAMETERS)) == {
        "tags": {"disk": "fast"},
        "priority": 5,
        "attempts": 2,
        "retry_on_exit": [75, 76],
        "time_limit_s": 60,
        "network": "egress",
        "memory_volumes": ["/tmp", "/scratch"],
        "allow_root": True,
        "credentials": ["lab", "archive"],
    }


def test_values_of_the_right_type_are_taken_as_they_are() -> None:
    sent = {"retry_on_exit": [1, 2], "tags": {"a": "b"}, "priority": 3, "memory_volumes": ["/m"], "allow_root": False}
    found = terms(Resources(backend_parameters=sent))
    assert (found.retry_on_exit, found.tags, found.priority) == ([1, 2], {"a": "b"}, 3)


def test_an_unknown_parameter_is_a_warning() -> None:
    found = terms(Resources(backend_parameters={"queue": "long"}))
    assert found.warnings == ["Unknown backend parameter 'queue' was ignored."]


def test_an_unknown_parameter_is_an_error_where_the_client_is_strict() -> None:
    with pytest.raises(InvalidInput, match="Unknown backend parameter 'queue'"):
        terms(Resources(backend_parameters={"queue": "long"}, backend_parameters_strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", "high"),
        ("priority", "101"),
        ("priority", True),
        ("attempts", "0"),
        ("attempts", 21),
        ("time_limit_s", "-1"),
        ("network", "everything"),
        ("allow_root", "maybe"),
        ("retry_on_exit", "one"),
        ("tags", "not json"),
        ("tags", 5),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        terms(Resources(backend_parameters={name: value}))
