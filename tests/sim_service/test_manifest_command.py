"""`isaac-collect manifest`: from flags to YAML."""

import argparse

import pytest
import yaml

from sim_service.config import ConfigError
from sim_service.manifest import Instance, StreamPorts, instance_manifests
from sim_service.manifest_command import add_manifest_flags, manifest_instance, run_manifest


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_manifest_flags(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "instance"),
    [
        ("", Instance()),
        ("--simulator mujoco", Instance()),
        ("--gpu 0", Instance()),
        ("--gpu 1", Instance(gpus=1)),
        ("--simulator isaac", Instance(gpus=1)),
        ("--simulator isaac --gpu 2", Instance(gpus=2)),
        ("--gpu 1 --livestream-port 49100", Instance(gpus=1, stream=StreamPorts())),
        (
            "--name cell-2 --port 8700 --gpu 1 --image lab.example:5000/isaac:1 --data-claim disk.a --token-secret s "
            "--namespace 2robots --livestream-port 49110 --livestream-media-port 48008",
            Instance(
                "cell-2", 8700, 1, "lab.example:5000/isaac:1", "disk.a", "s", "2robots", StreamPorts(49110, 48008)
            ),
        ),
        (f"--name {'a' * 63} --port 1024", Instance("a" * 63, 1024)),
        ("--name a --port 65535", Instance("a", 65535)),
    ],
)
def test_flags_are_an_instance(words: str, instance: Instance) -> None:
    assert manifest_instance(parsed(*words.split())) == instance


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--name Cell", "--name must be 1 to 63 characters a-z"),
        ("--name 2cell", "begin with a letter"),
        ("--name cell-", "'cell-'"),
        ("--name=-cell", "'-cell'"),
        ("--name cell_2", "'cell_2'"),
        ("--name cell.2", "'cell.2'"),
        ("--name=", "got ''"),
        (f"--name {'a' * 64}", "1 to 63"),
        ("--name ätsch", "'ätsch'"),
        ("--port 80", "--port must be 1024 to 65535, got 80"),
        ("--port 0", "got 0"),
        ("--port 65536", "got 65536"),
        ("--port 8211", "--port 8211 is one of Isaac Sim's own: 8011, 8210, 8211, 8226, 47998, 49100"),
        ("--gpu -1", "--gpu must be 0 to 16, got -1"),
        ("--gpu 17", "got 17"),
        ("--simulator isaac --gpu 0", "--gpu must be at least 1, got 0"),
        ("--simulator mujoco --gpu 1", "--gpu must be 0, got 1"),
        ("--namespace Lab", "--namespace must be 1 to 63"),
        ("--namespace=", "got ''"),
        ("--data-claim a..b", "--data-claim must be"),
        (f"--data-claim {'a' * 254}", "253"),
        ("--token-secret a/b", "--token-secret must be"),
        ("--image=", "--image must be"),
        ("--livestream-port 49100", "needs --gpu 1"),
        ("--gpu 1 --livestream-media-port 48008", "needs --livestream-port"),
        ("--gpu 1 --livestream-port 8011", "--livestream-port 8011 is one of Isaac Sim's own"),
        ("--gpu 1 --livestream-port 49100 --livestream-media-port 49100", "--livestream-media-port 49100 is one of"),
        ("--gpu 1 --livestream-port 8600", "must differ, both are 8600"),
        ("--gpu 1 --livestream-port 70000", "--livestream-port must be 1024 to 65535, got 70000"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        manifest_instance(parsed(*words.split()))
    assert said in str(refused.value)
    assert "; " not in str(refused.value)  # one mistake, one sentence


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        manifest_instance(parsed("--name=A", "--port=1", "--gpu=99", "--namespace=B", "--data-claim=C"))
    assert [each.split()[0] for each in str(refused.value).split("; ")] == [
        "--gpu",
        "--port",
        "--name",
        "--namespace",
        "--data-claim",
    ]


@pytest.mark.parametrize("words", ["", "--gpu 1 --livestream-port 49100 --namespace lab"])
def test_the_output_is_the_objects_as_yaml_documents(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parsed(*words.split())
    assert run_manifest(arguments) == 0
    printed = capsys.readouterr().out
    assert list(yaml.safe_load_all(printed)) == instance_manifests(manifest_instance(arguments))
    assert "&id" not in printed  # anchors are hard to read, and to edit
    assert printed.index("apiVersion") < printed.index("kind") < printed.index("metadata") < printed.index("spec")


def test_nothing_is_printed_of_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError):
        run_manifest(parsed("--port", "1"))
    assert capsys.readouterr().out == ""
