"""`isaac-collect push` against a stub of the Hub: what arrives, what is tagged, and what is said when it goes wrong."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stub import TOKEN, Hub, hub_stub
from small_dataset import write_dataset
from writing import Take, open_writer, record

from lerobot_writer.pack import pack_dataset
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.push_command import add_push_flags, run_push
from sim_service.stored import DatasetError

constants = pytest.importorskip("huggingface_hub.constants")
# huggingface_hub 2 uploads by LFS in a way that its own HTTP library calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO = "ann/cubes"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_stub() as stub:
        point_to(stub.endpoint, monkeypatch, tmp_path)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield stub


def point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-tokens"))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "dataset"
    write_dataset(root)
    return root


@pytest.fixture
def root(tmp_path: Path, written: Path) -> Path:
    """A copy; its files must not be changed in place."""
    copy = tmp_path / "dataset"
    for path in written.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(written)).parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy / path.relative_to(written))
    return copy


def push(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_push_flags(parser)
    return run_push(parser.parse_args([str(word) for word in words]))


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_file_arrives_once_and_the_commit_is_tagged(
    root: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "report.html").write_text("<p>seen")
    (root / "meta/collection.json.tmp").write_text("half")
    (root / ".cache").mkdir()
    (root / ".cache/mine").write_text("mine")
    assert push(root, REPO) == DONE
    repo = hub.repos[REPO]
    left_out = {"meta/collection.json.tmp", ".cache/mine"}
    expected = {name: content for name, content in contents(root).items() if name not in left_out}
    assert {"README.md", "report.html", "meta/info.json"} < set(expected)
    assert repo.files == hub.tagged_files == expected
    assert repo.uploads == dict.fromkeys(expected, 1)
    assert repo.tags == {"v3.0": repo.head}
    assert not repo.private
    told = capsys.readouterr()
    assert told.out == f"{hub.endpoint}/datasets/{REPO}/commit/{repo.head}\n"
    assert TOKEN not in told.out + told.err


def test_many_files_go_in_several_commits_and_what_speaks_of_them_last(
    root: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim_service.push._FILES_PER_COMMIT", 5)
    assert push(root, REPO) == DONE
    repo = hub.repos[REPO]
    assert repo.files == contents(root)
    assert repo.commits == [f"Upload dataset ({number} of 4)" for number in range(1, 5)]
    assert repo.tags == {"v3.0": repo.head}
    order = [name.split("/")[0] for name in repo.uploads]
    assert order == sorted(order, key=("data", "videos", "README.md", "meta").index)


def test_a_second_push_moves_the_tag_and_takes_away_what_is_gone(root: Path, hub: Hub) -> None:
    assert push(root, REPO) == DONE
    repo = hub.repos[REPO]
    repo.files[".gitattributes"] = repo.files["owners_notes.md"] = b"mine"
    first = repo.head
    sent = len(hub.objects)
    pack_dataset(root)
    assert push(root, REPO) == DONE
    files = dict(repo.files)
    assert (files.pop(".gitattributes"), files.pop("owners_notes.md")) == (b"mine", b"mine")
    assert files == contents(root)
    assert repo.tags == {"v3.0": repo.head}
    assert repo.head != first
    assert len(hub.objects) > sent


def test_a_push_of_the_same_again_sends_nothing_and_tags(root: Path, hub: Hub) -> None:
    assert push(root, REPO) == DONE
    head, sent = hub.repos[REPO].head, len(hub.objects)
    assert push(root, REPO) == DONE
    assert hub.repos[REPO].head == head
    assert len(hub.objects) == sent
    assert hub.repos[REPO].tags == {"v3.0": head}


def test_private_is_asked_for(root: Path, hub: Hub) -> None:
    assert push(root, REPO, "--private") == DONE
    assert hub.repos[REPO].private
    assert push(root, REPO) == DONE
    assert hub.repos[REPO].private


def test_a_public_repository_gets_nothing_private(root: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(root, REPO) == DONE
    head = hub.repos[REPO].head
    (root / "report.html").write_text("new")
    assert push(root, REPO, "--private") == BAD_ARGUMENTS
    assert f"{REPO} exists and is public: nothing was uploaded" in capsys.readouterr().err
    assert hub.repos[REPO].head == head


def test_the_license_is_in_the_card(root: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(root, REPO, "--license", "apache-2.0") == DONE
    assert b"license: apache-2.0\n" in hub.repos[REPO].files["README.md"]
    assert push(root, REPO) == DONE
    assert b"license: apache-2.0\n" in hub.repos[REPO].files["README.md"]
    (root / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    assert push(root, REPO, "--license", "mit") == DONE
    assert hub.repos[REPO].files["README.md"] == b"---\nlicense: mit\n---\nMine.\n"
    assert push(root, REPO, "--license", "apache-2.0") == BAD_ARGUMENTS
    assert "was edited by its owner and says mit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("request_pattern", "status", "code", "told"),
    [
        ("POST /api/repos/create", 401, BAD_ARGUMENTS, "the Hub does not know who you are (401)"),
        (".*", 403, BAD_ARGUMENTS, f"your token may not write to {REPO} (403)"),
        ("POST .*/preupload/main", 403, BAD_ARGUMENTS, f"your token may not write to {REPO} (403)"),
        ("POST .*/commit/main", 400, BAD_ARGUMENTS, f"the Hub refused the push to {REPO} (400)"),
        ("POST .*/tag/.*", 501, FAILED, f"the Hub refused the push to {REPO} (501)"),
        ("POST .*/objects/batch", 403, BAD_ARGUMENTS, f"your token may not write to {REPO} (403)"),
        ("PUT .*", 403, BAD_ARGUMENTS, f"your token may not write to {REPO} (403)"),
    ],
)
def test_a_refusal_is_told_and_nothing_is_tagged(
    root: Path, hub: Hub, capsys: pytest.CaptureFixture[str], request_pattern: str, status: int, code: int, told: str
) -> None:
    hub.refusals[request_pattern] = (status, "so the server says")
    assert push(root, REPO) == code
    err = capsys.readouterr().err
    assert told in err
    assert "so the server says" in err
    assert TOKEN not in err
    assert all(not repo.tags for repo in hub.repos.values())


def test_without_a_token_the_way_to_one_is_told(
    root: Path, hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert push(root, REPO) == BAD_ARGUMENTS
    assert "run `hf auth login`, or set HF_TOKEN" in capsys.readouterr().err


def test_without_a_network_another_try_may_do(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        point_to(f"http://127.0.0.1:{closed.getsockname()[1]}", monkeypatch, tmp_path)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        assert push(root, REPO) == FAILED
    err = capsys.readouterr().err
    assert f"cannot reach the Hub for {REPO}: Connect" in err
    assert TOKEN not in err


@pytest.mark.parametrize(
    "name", ["cubes", "", "a/b/c", "ann/", "ann/cu bes", "ann/a..b", "ann/x.git", "ann/-x", f"ann/{'x' * 97}"]
)
def test_a_name_that_cannot_be_is_refused_before_anything_else(
    hub: Hub, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert push("nowhere", name) == BAD_ARGUMENTS
    assert f"got {name!r}" in capsys.readouterr().err
    assert hub.requests == []


def test_a_license_that_cannot_be_is_refused(root: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(root, REPO, "--license", "Apache 2") == BAD_ARGUMENTS
    assert "an identifier such as apache-2.0" in capsys.readouterr().err
    assert hub.requests == []


def test_only_a_valid_dataset_leaves_the_house(root: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "videos/observation.images.cam_high/chunk-000/file-001.mp4").unlink()
    assert push(root, REPO) == BAD_ARGUMENTS
    err = capsys.readouterr().err
    assert f"{root} is not valid" in err
    assert "file-001.mp4" in err
    assert hub.requests == []
    assert not (root / "README.md").exists()


def test_what_is_being_written_or_holds_nothing_is_refused(
    tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "dataset"
    with pytest.raises(DatasetError, match="is not a folder"):
        push(root, REPO)
    writer = open_writer(root)
    with pytest.raises(DatasetError, match="holds no dataset with episodes"):
        push(root, REPO)
    record(writer, Take(1))
    assert push(root, REPO) == FAILED
    assert "being written or packed by somebody else" in capsys.readouterr().err
    writer.finalize()
    assert hub.requests == []
    assert push(root, REPO) == DONE


def test_without_the_library_the_way_to_it_is_told(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert push(root, REPO) == BAD_ARGUMENTS
    assert "pip install 'isaac-collect[push]'" in capsys.readouterr().err
