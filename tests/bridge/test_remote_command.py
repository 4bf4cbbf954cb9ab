"""`isaac-collect remote` against the real application on fakes, and against servers that misbehave."""

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bridge_fakes import CONFIG, FakeService, bridge_app
from bridge_replies import job_json, status_json
from scripted_server import Reply, ScriptedServer, json_reply, problem, reply, reset

from bridge import client as client_module
from bridge import client_transport
from bridge.client import BridgeClient
from bridge.config import BridgeConfig
from bridge.remote_command import add_remote_flags, run_remote
from bridge.server import BridgeServer

TOKEN = "s3cret-token"
Run = Callable[..., tuple[int, str, str]]


@contextmanager
def serving(service: FakeService, config: BridgeConfig = CONFIG) -> Iterator[str]:
    server = BridgeServer(bridge_app(service, config), config)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakeService]:
    service = FakeService(tmp_path)
    with service.running():
        yield service
        service.events.close()
        service.frames.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "POLL_S", 0.02)
    monkeypatch.setattr(client_transport, "PAUSES_S", (0.01, 0.02))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of `isaac-collect remote WORDS`."""

    def run(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        add_remote_flags(parser)
        code = run_remote(parser.parse_args(words), environment or {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def one_line(text: str) -> dict[str, Any]:
    assert text.count("\n") == 1
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


def test_start_and_watch_until_all_is_done(service: FakeService, run: Run) -> None:
    with serving(service) as url:
        code, out, err = run("start", "--url", url, "--output-dir", "a", "--num-episodes", "3", "--watch", "--json")
    told = one_line(out)
    assert (code, told["exit_code"], told["job"]["state"]) == (0, 0, "completed")
    assert told["job"] == json.loads(json.dumps(told["job"]))
    assert told["job"]["progress"]["completed"] == 3
    assert told["job"]["started_at"].endswith("Z")
    assert "3 of 3 episodes" in err


def test_start_alone_returns_at_once_with_what_was_asked(service: FakeService, run: Run) -> None:
    service.frames_per_episode = 10**6
    flags = ("--num-episodes", "7", "--seed", "3", "--steps-per-segment", "9", "--use-ycb", "--resume")
    flags += ("--randomize", "light", "--num-objects", "3")
    with serving(service) as url:
        code, out, err = run("start", "--output-dir", "a", *flags, "--json", environment={"ISAAC_COLLECT_URL": url})
    request = one_line(out)["job"]["request"]
    assert (code, request) == (
        0,
        {
            "output_dir": "a",
            "skill": "pick_place",
            "num_episodes": 7,
            "seed": 3,
            "steps_per_segment": 9,
            "use_ycb": True,
            "randomize": "light",
            "num_objects": 3,
            "resume": True,
        },
    )
    assert "7 episodes into" in err


def test_the_defaults_of_start_are_the_services(service: FakeService, run: Run) -> None:
    with serving(service) as url, BridgeClient(url) as client:
        _, out, _ = run("start", "--url", url, "--output-dir", "a", "--json")
        client.stop("now")
        assert one_line(out)["job"]["request"] == dataclasses.asdict(client.start("a").request)
        client.stop("now")


def test_busy_is_a_failure_that_says_how_to_watch(service: FakeService, run: Run) -> None:
    service.frames_per_episode = 10**6
    with serving(service) as url:
        _, out, _ = run("start", "--url", url, "--output-dir", "a", "--json")
        job_id = one_line(out)["job"]["id"]
        code, out, err = run("start", "--url", url, "--output-dir", "b", "--json")
    told = one_line(out)
    assert (code, told["exit_code"]) == (1, 1)
    assert told["problem"] == {"status": 409, "slug": "busy", "errors": [], "job_id": job_id}
    assert f"isaac-collect remote watch {job_id}" in err


def test_a_refused_request_is_told_with_every_bad_field(service: FakeService, run: Run) -> None:
    with serving(service) as url:
        code, out, err = run("start", "--url", url, "--output-dir", "../a", "--num-episodes", "0", "--json")
    told = one_line(out)
    assert code == told["exit_code"] == 2
    assert [error["field"] for error in told["problem"]["errors"]] == ["output_dir", "num_episodes"]
    assert "num_episodes" in err


@pytest.mark.parametrize(
    ("words", "state", "job_state"), [(["stop"], "stopping", "stopping"), (["stop", "--now"], "idle", "stopped")]
)
def test_stop(service: FakeService, run: Run, words: list[str], state: str, job_state: str) -> None:
    service.frames_per_episode = 10**6
    with serving(service) as url:
        assert run("stop", "--url", url)[0] == 0
        run("start", "--url", url, "--output-dir", "a")
        code, out, _ = run(*words, "--url", url, "--json")
    status = one_line(out)["status"]
    assert (code, status["state"], status["job_state"]) == (0, state, job_state)


def test_status_for_a_person(service: FakeService, run: Run) -> None:
    with serving(service) as url:
        assert run("status", "--url", url)[:2] == (
            0,
            f"{url}: idle, version 0.0.0-test, data below {service.data_root.path}\n",
        )
        run("start", "--url", url, "--output-dir", "a", "--num-episodes", "2", "--watch")
        code, out, err = run("status", "--url", url)
    assert (code, err) == (0, "")
    assert "completed, 2 of 2 episodes" in out
    assert "of attempts succeed" in out


def test_nothing_to_watch(service: FakeService, run: Run) -> None:
    with serving(service) as url:
        code, _, err = run("watch", "--url", url)
        assert (code, "no job to watch" in err) == (1, True)
        code, _, err = run("watch", "--url", url, "job-9999")
        assert (code, "job-9999" in err) == (2, True)


@pytest.mark.parametrize(
    ("state", "expected"), [("completed", 0), ("incomplete", 3), ("stopped", 3), ("failed", 1), ("interrupted", 1)]
)
def test_the_exit_code_of_watch_is_how_the_job_ended(run: Run, state: str, expected: int) -> None:
    end = job_json(state=state, error="the disk is full" if state == "failed" else None)
    with ScriptedServer(json_reply(status_json()), json_reply(job_json()), json_reply(end)) as server:
        code, out, err = run("watch", "--url", server.url, "--json")
        assert [request.path for request in server.requests] == [
            "/collect/status",
            "/collect/jobs/job-0001",
            "/collect/jobs/job-0001",
        ]
    told = one_line(out)
    assert code == told["exit_code"] == expected
    assert told["job"]["state"] == state
    assert ("the disk is full" in err) == (state == "failed")


def test_a_failed_service_fails_status(run: Run) -> None:
    with ScriptedServer(json_reply(status_json(state="failed", error="no display"))) as server:
        code, out, _ = run("status", "--url", server.url)
    assert (code, "no display" in out) == (1, True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reset, 1),
        (reply(200, b"<html>"), 1),
        (reply(502, b"<html>"), 1),
        (problem(500, "internal"), 1),
        (problem(503, "not-ready", retry_after_s=60), 1),
        (problem(507, "storage"), 1),
        (problem(401, "unauthorized"), 2),
        (problem(403, "read-only"), 2),
        (problem(409, "output-refused"), 2),
        (problem(422, "key-reused"), 2),
    ],
)
@pytest.mark.parametrize("words", [["status"], ["stop"], ["watch"], ["start", "--output-dir", "a"]])
def test_failures_are_one_line_and_a_code(run: Run, answer: Reply, expected: int, words: list[str]) -> None:
    with ScriptedServer(answer) as server:
        code, out, err = run(*words, "--url", server.url, "--json", environment={"ISAAC_COLLECT_TOKEN": TOKEN})
        assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    told = one_line(out)
    assert code == told["exit_code"] == expected
    assert told["error"] in err
    assert TOKEN not in out + err


def test_a_flag_wins_over_the_environment(run: Run) -> None:
    with ScriptedServer(json_reply(status_json())) as server:
        environment = {"ISAAC_COLLECT_URL": "http://127.0.0.1:1", "ISAAC_COLLECT_TOKEN": "other"}
        assert run("status", "--url", server.url, "--token", TOKEN, environment=environment)[0] == 0
        assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_an_address_that_is_none_fails_without_a_call(run: Run) -> None:
    code, _, err = run("status", "--url", "localhost:8600")
    assert code == 2
    assert "http://" in err


def test_ctrl_c_leaves_the_job_running(service: FakeService) -> None:
    code = (
        "import argparse, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from bridge.remote_command import *; parser = argparse.ArgumentParser();"
        "add_remote_flags(parser); sys.exit(run_remote(parser.parse_args()))"
    )
    words = ["start", "--output-dir", "a", "--num-episodes", "100000", "--watch", "--json"]
    with serving(service) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, "ISAAC_COLLECT_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        job_id = process.stderr.readline().split()[1].rstrip(":")
        assert "of 100000" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        with BridgeClient(url) as client:
            assert client.job(job_id).running
            client.stop("now")
    assert process.returncode == one_line(out)["exit_code"] == 130
    assert f"the job {job_id} goes on" in err
    assert "Traceback" not in err
