"""The client against a server that misbehaves."""

import contextlib
import copy
import dataclasses
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from bridge_replies import job_json, status_json
from scripted_server import Reply, ScriptedServer, json_reply, problem, reply, reset, silence

from bridge import client_transport
from bridge.client import BridgeClient
from bridge.client_errors import (
    BadArgumentError,
    BadReplyError,
    BadRequest,
    BridgeError,
    Busy,
    FieldError,
    Forbidden,
    NotFound,
    NotReady,
    OutputRefused,
    ProblemError,
    Unauthorized,
    UnreachableError,
)
from bridge.client_records import JobInfo, StatusInfo
from bridge.client_schema import record

TOKEN = "s3cret-token"
TRUNCATED = reply(200, b'{"state": "id', {"Content-Type": "application/json"}, length=500)
HTML = {"Content-Type": "text/html"}
GATEWAY = reply(502, b"<html><h1>502 Bad Gateway</h1></html>", HTML)
FAULTS = {"reset": reset, "truncated": TRUNCATED, "gateway": GATEWAY, "away": problem(503, "not-ready")}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transport, "PAUSES_S", (0.01, 0.02))


def test_importing_the_client_imports_nothing_heavy() -> None:
    heavy = ("flask", "aiortc", "av", "numpy", "cheroot", "sim_service", "tqdm")
    code = f"import sys, bridge.client; print(*set(sys.modules) & set({heavy!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_without_harm_is_tried_three_times(fault: str) -> None:
    with ScriptedServer(FAULTS[fault]) as server, BridgeClient(server.url) as client:
        with pytest.raises(BridgeError, match=r"not-ready|status"):
            client.status()
        assert [request.path for request in server.requests] == ["/collect/status"] * 3


@pytest.mark.parametrize("fault", FAULTS)
def test_one_good_answer_in_three_is_enough(fault: str) -> None:
    bad = FAULTS[fault]
    with ScriptedServer(bad, bad, json_reply(status_json())) as server, BridgeClient(server.url) as client:
        assert client.status().job_id == "job-0001"


@pytest.mark.parametrize("fault", FAULTS)
def test_start_is_repeated_with_the_same_key_and_body(fault: str) -> None:
    with ScriptedServer(FAULTS[fault], json_reply(job_json(), 202)) as server, BridgeClient(server.url) as client:
        assert client.start("pick_place_001", num_episodes=2).id == "job-0001"
        first, second = server.requests
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
        assert first.body == second.body
        client.start("pick_place_001", num_episodes=2)
        assert server.requests[2].headers["Idempotency-Key"] != first.headers["Idempotency-Key"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [BridgeClient.play, BridgeClient.pause, BridgeClient.reset, BridgeClient.ready])
def test_what_may_not_be_repeated_is_asked_once(fault: str, call: Callable[[BridgeClient], Any]) -> None:
    with ScriptedServer(FAULTS[fault]) as server, BridgeClient(server.url) as client:
        with contextlib.suppress(BridgeError):
            assert call(client) is False
        assert len(server.requests) == 1


def test_stop_is_repeated() -> None:
    with ScriptedServer(reset, json_reply(status_json(), 202)) as server, BridgeClient(server.url) as client:
        assert client.stop("now").state == "collecting"
        assert [request.body for request in server.requests] == [b'{"mode": "now"}'] * 2


def test_silence_is_an_error_in_time() -> None:
    with ScriptedServer(silence) as server, BridgeClient(server.url, timeout_s=0.1) as client:
        with pytest.raises(UnreachableError, match=rf"POST {server.url}/sim/play: no answer within 0.1 s"):
            client.play()
        server.released.set()


def test_nobody_there() -> None:
    with ScriptedServer(reset) as server:
        url = server.url
    with BridgeClient(url) as client, pytest.raises(UnreachableError, match=rf"GET {url}/collect/status: .*refused"):
        client.status()


def test_the_cause_is_the_connections_own_also_while_another_error_is_handled() -> None:
    with ScriptedServer(reset) as server, BridgeClient(server.url) as client:
        try:
            {}["not this"]
        except KeyError:
            with pytest.raises(UnreachableError, match="reset") as caught:
                client.play()
        assert "not this" not in str(caught.value)


def test_a_short_retry_after_is_waited_for_and_a_long_one_is_the_callers() -> None:
    soon, late = problem(503, "queue-full", retry_after_s=1), problem(503, "not-ready", retry_after_s=600)
    with ScriptedServer(soon, late) as server, BridgeClient(server.url) as client:
        with pytest.raises(NotReady) as caught:
            client.status()
        assert (caught.value.slug, caught.value.retry_after_s) == ("not-ready", 600)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [
        (400, "bad-request", BadRequest),
        (401, "unauthorized", Unauthorized),
        (403, "read-only", Forbidden),
        (404, "not-found", NotFound),
        (409, "busy", Busy),
        (409, "output-refused", OutputRefused),
        (422, "key-reused", ProblemError),
        (500, "internal", ProblemError),
        (503, "no-reply", NotReady),
        (507, "storage", ProblemError),
    ],
)
def test_a_problem_is_the_error_of_its_kind(status: int, slug: str, kind: type[ProblemError]) -> None:
    answer = problem(status, slug, job_id="job-7", errors=[{"field": "seed", "message": "is no number"}])
    with ScriptedServer(answer) as server, BridgeClient(server.url) as client, pytest.raises(ProblemError) as caught:
        client.play()
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.slug, error.job_id) == (status, slug, "job-7")
    assert error.errors == (FieldError("seed", "is no number"),)
    assert f"it is {slug} (seed: is no number)" in str(error)


@pytest.mark.parametrize("body", [b"<html>no</html>", b"[]", b"{}", b'{"type": 3, "errors": {"a": 1}}', b"\xff"])
def test_a_refusal_that_is_no_problem_json_is_still_told_by_its_status(body: bytes) -> None:
    with (
        ScriptedServer(reply(401, body, HTML)) as server,
        BridgeClient(server.url) as client,
        pytest.raises(Unauthorized),
    ):
        client.status()


@pytest.mark.parametrize("body", [b"<html>dashboard of something else</html>", b"[1]", b"", b'{"state": ', b"\xff"])
def test_a_success_without_a_json_object_names_server_path_and_what_came(body: bytes) -> None:
    with (
        ScriptedServer(reply(200, body, HTML)) as server,
        BridgeClient(server.url) as client,
        pytest.raises(BadReplyError, match=rf"GET {server.url}/collect/status was answered with"),
    ):
        client.status()


def test_a_redirect_is_not_followed_and_the_token_stays() -> None:
    with ScriptedServer(json_reply(status_json())) as other:
        away = reply(307, b"", {"Location": f"{other.url}/collect/status"})
        with ScriptedServer(away) as server, BridgeClient(server.url, TOKEN) as client:
            with pytest.raises(BadReplyError, match=other.url):
                client.status()
            assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
        assert other.requests == []


@pytest.mark.parametrize("token", [None, TOKEN])
def test_no_credentials_come_out_of_netrc(token: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(json_reply(status_json())) as server, BridgeClient(server.url, token) as client:
        client.status()
        assert server.requests[0].headers.get("Authorization") == (f"Bearer {token}" if token else None)


@pytest.mark.parametrize(
    "answer", [reset, TRUNCATED, GATEWAY, problem(401, "unauthorized"), reply(200, b"<html>", HTML), silence]
)
def test_the_token_is_in_no_message_and_no_log(answer: Reply, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(answer) as server, BridgeClient(server.url, TOKEN, timeout_s=0.1) as client:
        with pytest.raises(BridgeError) as caught:
            client.start("a")
        server.released.set()
        assert TOKEN in server.requests[0].headers["Authorization"]
    told = (
        "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value)) + repr(client)
    )
    assert TOKEN not in told + caplog.text


@pytest.mark.parametrize("token", ["", "two words", f"{TOKEN}\n", "gehe\u00efm", f"{TOKEN}\r\nX-Evil: 1"])
def test_a_token_that_is_no_header_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(BadArgumentError, match="printable ASCII") as caught:
        BridgeClient("http://127.0.0.1:8600", token)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8600", "ftp://a", "http://", "http://a:b", "http://a:99999", "http://a/?x=1", "http://a/#x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadArgumentError, match="looks like http:"):
        BridgeClient(url)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(BridgeError) as caught:
        BridgeClient("ftp://me:hunter2@127.0.0.1")
    assert "hunter2" not in str(caught.value)


def test_a_prefix_of_the_address_stands_before_every_path() -> None:
    with ScriptedServer(json_reply(status_json())) as server:
        with BridgeClient(f"{server.url}/v1/sim/bridge/") as client:
            client.status()
        assert server.requests[0].path == "/v1/sim/bridge/collect/status"


def test_an_idempotency_key_that_is_no_header_is_refused() -> None:
    with BridgeClient("http://127.0.0.1:1") as client:
        for key in ("", "a\nb", "\u00e9"):
            with pytest.raises(BadArgumentError, match="visible ASCII"):
                client.start("a", idempotency_key=key)


def paths(value: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """Of every key in nested objects."""
    for key, inner in value.items():
        yield (*above, key)
        if isinstance(inner, dict):
            yield from paths(inner, *above, key)


def changed(value: dict[str, Any], path: tuple[str, ...], change: Callable[[dict[str, Any], str], Any]) -> Any:
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return value


RECORDS = [(JobInfo, job_json()), (StatusInfo, status_json())]
FREE_KEYS = {("failures", "grasp_missed")}  # a mapping has no keys of its own


@pytest.mark.parametrize(("kind", "value"), RECORDS)
def test_every_missing_key_is_named(kind: type[Any], value: dict[str, Any]) -> None:
    for path in set(paths(value)) - FREE_KEYS:
        with pytest.raises(BadReplyError) as caught:
            record(kind, changed(value, path, dict.pop), "GET http://host/path")
        assert str(caught.value) == f'GET http://host/path: the reply has no "{".".join(path)}"'


@pytest.mark.parametrize(("kind", "value"), RECORDS)
@pytest.mark.parametrize("wrong", [["a list"], {"unlike": True}])
def test_every_value_of_another_type_is_named(kind: type[Any], value: dict[str, Any], wrong: Any) -> None:
    for path in paths(value):
        spoilt = changed(value, path, lambda holder, key: holder.__setitem__(key, wrong))
        with pytest.raises(BadReplyError, match="GET http://host/path: ") as caught:
            record(kind, spoilt, "GET http://host/path")
        assert ".".join(path) in str(caught.value)


@pytest.mark.parametrize(("kind", "value"), RECORDS)
def test_unknown_keys_are_passed_over_everywhere(kind: type[Any], value: dict[str, Any]) -> None:
    expected = record(kind, value, "here")
    for path in paths(value):
        extended = changed(value, path, lambda holder, key: holder.__setitem__(f"{key}_of_tomorrow", 3))
        read = record(kind, extended, "here")
        if "failures" not in path or len(path) == 1:  # in a mapping a new key is content
            assert read == expected


def test_values_arrive_as_what_they_are() -> None:
    job = record(JobInfo, job_json(), "here")
    assert job.started_at == datetime(2026, 11, 20, 21, 5, 3, 120000, tzinfo=timezone.utc)
    assert (job.finished_at, job.running, job.failures) == (None, True, {"grasp_missed": 1})
    assert (job.eta_s, type(job.eta_s)) == (2.0, float)
    assert dataclasses.asdict(job.request) == job_json()["request"]


@pytest.mark.parametrize(
    ("key", "value"), [("attempts", True), ("attempts", 1.5), ("id", 3), ("started_at", "noon"), ("eta_s", "2")]
)
def test_what_looks_alike_is_not_taken(key: str, value: Any) -> None:
    with pytest.raises(BadReplyError, match=f'here: "{key}" is '):
        record(JobInfo, job_json(**{key: value}), "here")


def test_a_time_without_its_zone_is_not_taken() -> None:
    with pytest.raises(BadReplyError, match="with its zone"):
        record(JobInfo, job_json(started_at="2026-11-20T21:05:03"), "here")


def test_a_missing_key_names_the_server() -> None:
    with (
        ScriptedServer(json_reply({"state": "idle"})) as server,
        BridgeClient(server.url) as client,
        pytest.raises(BadReplyError, match=rf'GET {server.url}/collect/status: the reply has no "job_id"'),
    ):
        client.status()
