"""Exit codes."""

from __future__ import annotations

import pytest

from penstock import errors
from penstock.cli.outcome import exit_code, workload_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput("x"), 2),
        (errors.InvalidParameter("x"), 2),
        (errors.UnknownPipeline("x"), 2),
        (errors.NotAuthenticated("x"), 2),
        (errors.NotFound("x"), 2),
        (errors.Gone("x"), 2),
        (errors.InputChanged("x"), 2),
        (errors.TooLarge("x"), 2),
        (errors.Unreachable("x"), 4),
        (errors.Draining("x"), 4),
        (errors.StorageFull("x"), 1),
        (errors.Conflict("x"), 1),
        (errors.LimitReached("x"), 1),
        (errors.PenstockError("x"), 1),
    ],
)
def test_each_error_has_the_exit_code_of_its_class(error: errors.PenstockError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("state", "code"),
    [("SUCCEEDED", 0), ("ACKNOWLEDGED", 0), ("FAILED", 1), ("EXPIRED", 1), ("CANCELED", 3)],
)
def test_only_a_workload_that_succeeded_ends_with_0(state: str, code: int) -> None:
    assert workload_code(state) == code


def test_a_workload_whose_results_were_not_sent_does_not_end_with_0() -> None:
    assert workload_code("SUCCEEDED", unsent=True) == 1
