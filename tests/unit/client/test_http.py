"""The one HTTP client: what it sends, and what its errors become."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from penstock import errors
from penstock.client.http import Server, problem
from penstock.settings import Settings

Answer = Callable[[httpx.Request], httpx.Response]


def answering(settings: Settings, answer: Answer) -> Server:
    return Server(settings, httpx.MockTransport(answer))


def refusing(settings: Settings, status: int, **body: object) -> Server:
    return answering(settings, lambda _: httpx.Response(status, json=body))


def test_the_token_of_the_file_is_sent(settings: Settings) -> None:
    settings.token_file.write_text("penstock_abc\n")
    with answering(settings, lambda request: httpx.Response(200, json=request.headers["Authorization"])) as server:
        assert server.get("/x") == "Bearer penstock_abc"


def test_without_a_token_no_credentials_are_sent(settings: Settings) -> None:
    with answering(settings, lambda request: httpx.Response(200, json="authorization" in request.headers)) as server:
        assert server.get("/x") is False


def test_an_account_replaces_the_token_where_it_is_given(settings: Settings) -> None:
    settings.token_file.write_text("penstock_abc")
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    with answering(settings, answer) as server, server.stream("/x", account=("name", "secret")):
        pass
    assert seen[0].startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "unknown-pipeline", errors.UnknownPipeline),
        (400, "invalid-parameter", errors.InvalidParameter),
        (410, "gone", errors.Gone),
        (507, "storage-full", errors.StorageFull),
        (503, "draining", errors.Draining),
        (409, "a-code-of-the-future", errors.Conflict),
        (418, "a-code-of-the-future", errors.PenstockError),
    ],
)
def test_problem_details_become_the_error_they_came_from(
    settings: Settings, status: int, code: str, kind: type[errors.PenstockError]
) -> None:
    with (
        refusing(settings, status, detail="It is so.", code=code, hint="Do this.") as server,
        pytest.raises(errors.PenstockError) as caught,
    ):
        server.get("/x")
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.hint) == ("It is so.", "Do this.")


def test_an_error_of_tes_becomes_one_of_ours(settings: Settings) -> None:
    with (
        refusing(settings, 404, status_code=404, msg="There is no task 'x'.") as server,
        pytest.raises(errors.NotFound, match="There is no task 'x'"),
    ):
        server.get("/ga4gh/tes/v1/tasks/x")


def test_an_answer_that_is_no_problem_is_named_with_its_status() -> None:
    response = httpx.Response(413, text="<html>", request=httpx.Request("POST", "http://here/api/v1/workloads"))
    error = problem(response, "http://here")
    assert isinstance(error, errors.TooLarge)
    assert "413" in error.message
    assert "/api/v1/workloads" in error.message


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_server_counts_as_unreachable(settings: Settings, status: int) -> None:
    with (
        answering(settings, lambda _: httpx.Response(status, text="bad gateway")) as server,
        pytest.raises(errors.Unreachable, match="not there"),
    ):
        server.get("/x")


def test_no_connection_says_how_to_start_the_server(settings: Settings) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    with answering(settings, refuse) as server, pytest.raises(errors.Unreachable) as caught:
        server.get("/x")
    assert "http://here" in caught.value.message
    assert "penstock serve" in caught.value.hint


def test_an_untrusted_certificate_names_the_setting(settings: Settings) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")

    with answering(settings, refuse) as server, pytest.raises(errors.SetupError) as caught:
        server.get("/x")
    assert "PENSTOCK_CA_FILE" in caught.value.hint


def test_a_missing_token_names_the_file_that_was_looked_at(settings: Settings) -> None:
    with (
        refusing(settings, 401, detail="No token.", code="not-authenticated") as server,
        pytest.raises(errors.NotAuthenticated) as caught,
    ):
        server.get("/x")
    assert str(settings.token_file) in caught.value.message
    assert "penstock admin token create" in caught.value.hint


def test_a_refused_token_names_its_file_and_the_reason(settings: Settings) -> None:
    settings.token_file.write_text("penstock_old")
    with (
        refusing(settings, 401, detail="The token expired.", code="not-authenticated") as server,
        pytest.raises(errors.NotAuthenticated, match=r"refused the token in .*token: The token expired\."),
    ):
        server.get("/x")


def test_the_token_never_stands_in_a_message(settings: Settings) -> None:
    settings.token_file.write_text("penstock_very_secret")
    with (
        refusing(settings, 401, detail="No.", code="not-authenticated") as server,
        pytest.raises(errors.NotAuthenticated) as caught,
    ):
        server.get("/x")
    assert "very_secret" not in str(caught.value)


def test_something_that_is_no_server_of_ours_is_told_apart(settings: Settings) -> None:
    with (
        answering(settings, lambda _: httpx.Response(200, text="<html>hello")) as server,
        pytest.raises(errors.PenstockError) as caught,
    ):
        server.get("/x")
    assert "PENSTOCK_URL" in caught.value.hint


@pytest.mark.parametrize("url", ["localhost:8642", "ftp://here", "/run/penstock", "http://"])
def test_an_address_that_is_none_is_refused(settings: Settings, url: str) -> None:
    with pytest.raises(errors.InvalidInput, match="not the address of a server"):
        Server(settings.model_copy(update={"url": url}))


def test_a_ca_file_that_cannot_be_read_is_named(settings: Settings, tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(errors.SetupError, match=r"ca\.pem"):
        Server(settings.model_copy(update={"url": "https://here", "ca_file": missing}))


def test_an_address_that_the_server_hands_out_is_reached_by_the_way_of_the_settings(settings: Settings) -> None:
    with answering(settings, lambda _: httpx.Response(200)) as server:
        assert server.path("https://public.example/uploads/abc") == "/uploads/abc"
        assert server.path("https://public.example/uploads/abc?sign=1") == "/uploads/abc?sign=1"


def test_a_prefix_of_the_address_is_not_doubled(settings: Settings) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={})

    with answering(settings.model_copy(update={"url": "http://here/lab/"}), answer) as server:
        server.get(server.path("http://here/lab/uploads/abc"))
    assert seen == ["http://here/lab/uploads/abc"]


def test_a_socket_that_is_not_there_is_named(settings: Settings, tmp_path: Path) -> None:
    socket = tmp_path / "api.sock"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # httpcore leaves a socket that cannot connect to the collector
        with Server(settings.model_copy(update={"socket": socket, "url": "http://penstock"})) as server:
            message = failure(server)
        gc.collect()
    assert str(socket) in message
    assert "No such file" in message


def failure(server: Server) -> str:
    with pytest.raises(errors.Unreachable) as caught:
        server.get("/x")
    return caught.value.message
