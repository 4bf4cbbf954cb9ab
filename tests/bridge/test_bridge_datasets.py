"""/datasets, over the fakes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from bridge_fakes import CAMERAS, FakeService, bridge_app
from flask.testing import FlaskClient

from bridge.file_response import CHUNK_BYTES
from sim_service.ports import EpisodeVideo

PREFIXES = ("", "/v1/sim/bridge")
VIDEO = "/datasets/n/a/episodes/1/cam_high.mp4"
SUMMARY_FIELDS = {
    "name",
    "episodes",
    "frames",
    "fps",
    "robot_type",
    "cameras",
    "size_bytes",
    "modified_at",
    "simulator",
    "seed",
    "attempts",
    "successes",
    "success_rate",
    "failures",
    "has_report",
    "error",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> FakeService:
    service = FakeService(tmp_path_factory.mktemp("data"))
    report = service.data_root.path / "report.html"
    report.write_text("<h1>Report</h1><script>fetch('/sim/play')</script>")
    service.catalogue.reports["n/a"] = report
    service.catalogue.add("n/a", 5)
    service.catalogue.add("broken", error="no info.json")
    return service


@pytest.fixture(scope="module")
def client(service: FakeService) -> FlaskClient:
    return bridge_app(service).test_client()


@pytest.fixture(params=["bytes", "file"])
def content(service: FakeService, tmp_path: Path, request: pytest.FixtureRequest) -> bytes:
    """What the video holds: longer than a chunk, and no chunk like another."""
    content = b"".join(n.to_bytes(4, "big") for n in range(CHUNK_BYTES // 2))
    if request.param == "bytes":
        service.catalogue.video_content = content
    else:
        path = tmp_path / "video.mp4"
        path.write_bytes(content)
        service.catalogue.video_content = path
    return content


def slug(response: Any) -> str:
    assert response.content_type == "application/problem+json"
    return str(response.json["type"]).removeprefix("urn:isaac-collect:problem:")


def get(client: FlaskClient, path: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers=named, buffered=True)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_datasets_are_listed_with_the_broken_ones(client: FlaskClient, prefix: str) -> None:
    listed = client.get(f"{prefix}/datasets").json["datasets"]
    assert [dataset["name"] for dataset in listed] == ["n/a", "broken"]
    assert all(set(dataset) == SUMMARY_FIELDS for dataset in listed)
    assert listed[1]["error"] == "no info.json"


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["n/a", "n%2Fa", "n%2fa"])
def test_a_dataset_comes_with_its_episodes_and_their_videos(client: FlaskClient, prefix: str, name: str) -> None:
    page = client.get(f"{prefix}/datasets/{name}").json
    assert set(page) == SUMMARY_FIELDS | {"episode_list", "offset", "limit"}
    assert [episode["episode"] for episode in page["episode_list"]] == [0, 1, 2, 3, 4]
    assert (page["offset"], page["limit"]) == (0, 100)
    for episode in page["episode_list"]:
        assert set(episode["videos"]) == set(CAMERAS)
        for path in episode["videos"].values():
            assert path.startswith(f"{prefix}/datasets/n/a/episodes/{episode['episode']}/")
            assert get(client, path).status_code == 200


def test_episodes_come_in_pages(client: FlaskClient) -> None:
    page = client.get("/datasets/n/a?offset=1&limit=2").json
    assert [episode["episode"] for episode in page["episode_list"]] == [1, 2]
    assert client.get("/datasets/n/a?offset=1000").json["episode_list"] == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("offset=-1&limit=x", ["offset", "limit"]),
        ("offset=9999999999", ["offset"]),
    ],
)
def test_a_bad_page_is_refused(client: FlaskClient, query: str, fields: list[str]) -> None:
    response = client.get(f"/datasets/n/a?{query}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json["errors"]] == fields


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/nobody",
        "/datasets/n",
        "/datasets/",
        "/datasets/../../etc/passwd",
        "/datasets/%2e%2e/secret",
        "/datasets/a%00b",
        "/datasets/%FF",
        "/datasets/n/a/episodes/5/cam_high.mp4",
        "/datasets/n/a/episodes/0/cam_low.mp4",
        "/datasets/n/a/episodes/0/cam_high.avi",
        "/datasets/n/a/episodes/x/cam_high.mp4",
        "/datasets/n/a/episodes/-1/cam_high.mp4",
        "/datasets/n/a/episodes/" + "9" * 5000 + "/cam_high.mp4",
        "/datasets/n/a/episodes/٣/cam_high.mp4",
        "/datasets/nobody/report",
        "/datasets/nobody/episodes/0/cam_high.mp4",
    ],
)
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert slug(response) == "not-found"


@pytest.mark.parametrize(
    "path", ["/datasets/broken", "/datasets/broken/episodes/0/cam_high.mp4", "/datasets/broken/report"]
)
def test_a_broken_dataset_says_how(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 422
    assert slug(response) == "dataset-unreadable"
    assert "no info.json" in response.json["detail"]


def test_a_video_comes_whole(client: FlaskClient, content: bytes) -> None:
    response = get(client, VIDEO)
    assert (response.status_code, response.content_type, response.data) == (200, "video/mp4", content)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"] == '"n-a-1-cam_high"'
    assert response.headers["Cache-Control"] == "no-cache"
    head = client.head(VIDEO, buffered=True)
    assert (head.data, int(head.headers["Content-Length"])) == (b"", len(content))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, None),
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", -7, None),
        (f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES}", CHUNK_BYTES - 1, CHUNK_BYTES + 1),
        ("bytes=100-99999999", 100, None),
        ("BYTES=3-4", 3, 5),
    ],
)
def test_a_part_of_a_video_is_that_part(
    client: FlaskClient, content: bytes, asked: str, start: int, stop: int | None
) -> None:
    response = get(client, VIDEO, Range=asked)
    assert response.status_code == 206
    assert response.data == content[start:stop]
    first = start % len(content)
    assert response.headers["Content-Range"] == f"bytes {first}-{first + len(response.data) - 1}/{len(content)}"
    assert int(response.headers["Content-Length"]) == len(response.data)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=0-1, 3-"])
def test_of_several_parts_all_is_sent(client: FlaskClient, content: bytes, asked: str) -> None:
    response = get(client, VIDEO, Range=asked)
    assert (response.status_code, response.data) == (200, content)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-5", "bytes=x-y"])
def test_a_part_that_is_not_there_is_refused(client: FlaskClient, content: bytes, asked: str) -> None:
    response = get(client, VIDEO, Range=asked)
    assert response.status_code == 416
    assert slug(response) == "range-not-satisfiable"
    assert response.headers["Content-Range"] == f"bytes */{len(content)}"


def test_a_video_that_is_known_is_not_sent_again(client: FlaskClient, content: bytes) -> None:
    etag = get(client, VIDEO).headers["ETag"]
    for asked in (etag, f'"x", {etag}', "*"):
        response = get(client, VIDEO, If_None_Match=asked)
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag
    assert get(client, VIDEO, If_None_Match='"other"').data == content
    refused = get(client, VIDEO, If_Match='"other"')
    assert (refused.status_code, slug(refused)) == (412, "precondition-failed")
    assert get(client, VIDEO, If_Match=etag).data == content


def test_a_part_of_a_video_that_changed_is_the_whole(client: FlaskClient, content: bytes) -> None:
    etag = get(client, VIDEO).headers["ETag"]
    assert get(client, VIDEO, Range="bytes=1-2", If_Range=etag).data == content[1:3]
    changed = get(client, VIDEO, Range="bytes=1-2", If_Range='"older"')
    assert (changed.status_code, changed.data) == (200, content)


def test_a_video_that_is_replaced_while_it_is_sent_stays_the_one_it_was(
    client: FlaskClient, service: FakeService, tmp_path: Path
) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * 3 * CHUNK_BYTES)
    service.catalogue.video_content = path
    with client.get(VIDEO) as response:
        chunks = iter(response.response)
        read = [next(chunks)]
        (tmp_path / "new.mp4").write_bytes(b"b" * CHUNK_BYTES)
        (tmp_path / "new.mp4").replace(path)
        read += chunks
        assert b"".join(read) == b"a" * 3 * CHUNK_BYTES
    assert get(client, VIDEO).data == b"b" * CHUNK_BYTES


@pytest.mark.parametrize("grow", [True, False])
def test_a_video_is_never_longer_than_announced_and_a_cut_one_is_noticed(
    client: FlaskClient, service: FakeService, tmp_path: Path, grow: bool
) -> None:
    path = tmp_path / "video.mp4"
    size = 2 * CHUNK_BYTES
    path.write_bytes(b"a" * size)
    service.catalogue.video_content = path
    with client.get(VIDEO) as response:
        chunks = iter(response.response)
        first = next(chunks)
        os.truncate(path, 2 * size if grow else CHUNK_BYTES)
        if grow:
            assert len(first) + sum(map(len, chunks)) == size
        else:
            with pytest.raises(OSError, match="ended"):
                list(chunks)


@pytest.mark.parametrize("missing", [True, False])
def test_a_video_that_is_gone_is_not_found(
    client: FlaskClient, service: FakeService, tmp_path: Path, missing: bool
) -> None:
    path = tmp_path / "gone.mp4"
    if not missing:
        path.mkdir()
    service.catalogue.video_content = path
    response = client.get(VIDEO)
    assert response.status_code == 404
    assert str(tmp_path) not in response.text


def test_an_empty_video_is_sent(client: FlaskClient, service: FakeService) -> None:
    service.catalogue.video_content = b""
    assert get(client, VIDEO).data == b""
    assert get(client, VIDEO, Range="bytes=0-").status_code == 200


def test_no_file_stays_open(client: FlaskClient, service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * 100)
    service.catalogue.video_content = path
    for method, headers in (
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Range": "bytes=1-2"}),
        ("GET", {"Range": "bytes=200-"}),
        ("GET", {"If-None-Match": "*"}),
        ("GET", {"If-Match": '"x"'}),
    ):
        client.open(VIDEO, method=method, headers=headers).close()
    open_files = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    assert path not in open_files


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_report_cannot_touch_the_api(client: FlaskClient, prefix: str) -> None:
    response = get(client, f"{prefix}/datasets/n/a/report")
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert response.data.startswith(b"<h1>Report</h1>")
    policy = response.headers["Content-Security-Policy"]
    directives = [directive.strip() for directive in policy.split(";")]
    assert "sandbox" in directives  # neither scripts nor our origin
    assert "default-src 'none'" in directives
    # what a report has inside itself: style, pictures, clips; scripts are under default-src
    assert {"style-src 'unsafe-inline'", "img-src data:", "media-src data:"} < set(directives)
    assert not any(directive.startswith(("script-src", "sandbox ", "connect-src")) for directive in directives)
    assert get(client, f"{prefix}/datasets/n/a/report", If_None_Match=response.headers["ETag"]).status_code == 304


def test_a_video_of_the_catalogue_may_be_of_any_etag(
    client: FlaskClient, service: FakeService, monkeypatch: Any
) -> None:
    etags = iter(["one", "two"])
    monkeypatch.setattr(service.catalogue, "video", lambda *_: EpisodeVideo(b"x", next(etags)))
    first = get(client, VIDEO).headers["ETag"]
    assert get(client, VIDEO, If_None_Match=first).status_code == 200
