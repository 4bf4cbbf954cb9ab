"""`serve` as its users run it: a process, signals, HTTP, the embedded simulator."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from serving import ROOT, eventually, served

from lerobot_writer.check import check_dataset
from sim_service.batch_run import BatchRun
from sim_service.config import CollectConfig
from sim_service.recorded import open_dataset


def collect_by_command(output: Path, num_episodes: int, *flags: str) -> None:
    command = [sys.executable, "-m", "sim_service", "collect", "--output", str(output), "--steps-per-segment", "5"]
    subprocess.run(
        [*command, "--num-episodes", str(num_episodes), "--render-preset", "fast", *flags],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )


def parquet_files(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in sorted(dataset.rglob("*.parquet"))}


def configuration(dataset: Path) -> Any:
    return json.loads((dataset / "meta/collection.json").read_bytes())["configuration"]


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, []),
        ({"use_ycb": True, "randomize": "full"}, ["--use-ycb", "--randomize", "full"]),
        pytest.param({"randomize": "full"}, ["--randomize", "full"], marks=pytest.mark.long),
    ],
    ids=["cube", "ycb, full", "full"],
)
def test_the_api_collects_the_same_bytes_as_the_command_line(
    tmp_path: Path, fields: dict[str, Any], flags: list[str]
) -> None:
    collect_by_command(tmp_path / "by_command", 2, "--seed", "7", *flags)
    with served(tmp_path / "root") as service:
        service.until_ready()
        assert service.post("/sim/play").status_code == 200  # what happened before must not matter
        service.start("by_api", 2, seed=7, **fields)
        service.until_over()
        assert service.end() == 0
    by_command, by_api = parquet_files(tmp_path / "by_command"), parquet_files(tmp_path / "root/by_api")
    assert len(by_command) >= 4
    assert by_command == by_api
    asked, recorded = (configuration(tmp_path / name) for name in ("by_command", "root/by_api"))
    assert asked == recorded
    assert check_dataset(tmp_path / "root/by_api").ok


def test_killed_in_mid_collection_and_resumed_to_the_full_count(tmp_path: Path) -> None:
    with served(tmp_path / "root") as service:
        service.until_ready()
        service.start("ds", 4)
        service.until(lambda status: status["progress"]["completed"] >= 1 and status["progress"]["frame"] > 5)
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
    with served(tmp_path / "root") as service:
        service.until_ready()
        [job] = service.get("/collect/jobs").json()["jobs"]
        assert job["state"] == "interrupted"
        service.start("ds", 4, resume=True)
        status = service.until_over()
        assert (status["job_state"], status["progress"]["completed"]) == ("completed", 4)
        assert [job["state"] for job in service.get("/collect/jobs").json()["jobs"]] == ["completed", "interrupted"]
        assert service.end() == 0
    assert [row["collection/index"] for row in open_dataset(tmp_path / "root/ds").rows] == [0, 1, 2, 3]
    assert check_dataset(tmp_path / "root/ds").ok


@pytest.mark.parametrize(("grace", "finished"), [("60", 1), ("0", 0)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, grace: str, finished: int, number: signal.Signals) -> None:
    with served(tmp_path / "root", "--grace-period", grace) as service:
        service.until_ready()
        service.start("ds", 50)
        before = service.until(lambda status: status["progress"]["frame"] > 5)["progress"]["completed"]
        assert service.end(number) == 0
        episodes = len(open_dataset(tmp_path / "root/ds").rows) if (tmp_path / "root/ds/meta/info.json").exists() else 0
        assert episodes - before in ({1, 2} if finished else {0, 1})  # one may have ended before the signal came
    if episodes:
        assert check_dataset(tmp_path / "root/ds").ok
    with served(tmp_path / "root") as again:
        again.until_ready()
        [job] = again.get("/collect/jobs").json()["jobs"]
        assert (job["state"], job["error"]) == ("interrupted", "the service was shut down")


def test_log_records_are_json_with_the_job(tmp_path: Path) -> None:
    with served(tmp_path / "root") as service:
        service.until_ready()
        job = service.start("ds", 1)
        service.until_over()
        assert service.end() == 0
        records = service.log_records()
    begun = [record for record in records if record["message"].startswith(f"job {job['id']} begins")]
    assert len(begun) == 1
    posts = [record for record in records if record["logger"] == "bridge.access" and record["method"] == "POST"]
    assert [(record["path"], record["status"]) for record in posts] == [("/collect/start", 202)]
    assert any(record.get("job_id") == job["id"] for record in records)


def test_a_taken_port_is_a_bad_argument(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "sim_service", "serve", "--port", str(port), "--data-root", str(tmp_path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_service_on_the_data_root_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "root"):
        command = [sys.executable, "-m", "sim_service", "serve", "--port", "0", "--data-root", str(tmp_path / "root")]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "another service uses this data root" in ended.stderr


def test_what_only_the_service_needs_is_not_loaded_for_a_collect() -> None:
    modules = ("flask", "cheroot", "aiortc", "requests")
    program = f"import sys, sim_service.__main__; print([name for name in {modules} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_page_of_a_batch_run_names_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [job] = BatchRun(CollectConfig(Path())).jobs(1)
    assert job.request.output_dir == tmp_path.name


def test_a_snapshot_after_a_reset_shows_the_new_scene(tmp_path: Path) -> None:
    with served(tmp_path / "root") as service:
        service.until_ready()
        seen = [service.get("/cameras/cam_high.jpg").content]
        for seed in (1, 2):
            assert service.post("/sim/reset", {"seed": seed}).status_code == 200
            seen.append(service.get("/cameras/cam_high.jpg").content)
        assert len(set(seen)) == 3
        assert service.end() == 0


def test_a_batch_run_serves_a_page_to_look_on(tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    collect_by_command(plain, 2)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "sim_service", "collect", "--output", str(watched), "--num-episodes", "2"]
    flags = ["--steps-per-segment", "5", "--render-preset", "fast", "--streaming", "--streaming-port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen([*command, *flags], stderr=stream, cwd=ROOT)
    try:

        def address() -> str | None:
            lines = [line for line in log.read_text().splitlines() if line.startswith("Dashboard and API: ")]
            return lines[0].rpartition(" ")[2].rstrip("/") if lines else None

        url = eventually(address)
        with requests.Session() as session:
            eventually(lambda: session.get(f"{url}/collect/status", timeout=10).json()["state"] == "collecting")
            status = session.get(f"{url}/collect/status", timeout=10).json()
            assert status["read_only"]
            assert status["progress"]["requested"] == 2
            assert session.post(f"{url}/collect/stop", timeout=10).status_code == 403
            assert session.get(f"{url}/cameras/cam_high.jpg", timeout=10).content[:2] == b"\xff\xd8"
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
    assert parquet_files(plain) == parquet_files(watched)
