"""`isaac-collect`, also `python -m sim_service`: the command line, where everything is wired together."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import sim_service
from collectors.replay import joint_deviation, replay
from collectors.simulator import SimulatorError
from lerobot_writer.check import check_dataset
from sim_service.batch_run import BatchRun
from sim_service.catalogue import DatasetCatalogue
from sim_service.collect_command import run_collect
from sim_service.collection import drive
from sim_service.config import CollectConfig, ConfigError, add_collect_flags, apply_environment, collect_config
from sim_service.data_root import DataRootError, FolderDataRoot
from sim_service.doctor_command import add_doctor_flags, doctor_config, run_doctor
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.heartbeat import Heartbeat
from sim_service.job_store import JobStoreError
from sim_service.kit_arguments import split_kit_arguments
from sim_service.logs import set_up_service_logging
from sim_service.merge_command import add_merge_flags, run_merge
from sim_service.onlooker import Onlooker
from sim_service.pack_command import add_pack_flags, run_pack
from sim_service.ports import Ports
from sim_service.recorded import load_episode, open_dataset
from sim_service.report.contact_sheet import write_contact_sheet
from sim_service.serve_command import run_service
from sim_service.serve_config import ServeConfig, add_serve_flags, serve_config
from sim_service.shard_report import ShardReport
from sim_service.simulators import SimulatorStartError, SimulatorUnavailable, end_process, open_simulator
from sim_service.status_command import add_status_flags, run_status
from sim_service.stop_request import EXIT_CODES, StopRequest
from sim_service.stored import DatasetError
from sim_service.wiring import open_service, running_page

REPLAY_TOLERANCE = 1e-6  # rad, m and rad/s; MuJoCo repeats itself to the bit on one machine


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The environment counts for the command that is asked for alone."""
    parser = argparse.ArgumentParser(
        prog="isaac-collect", description="Franka pick-and-place demonstrations as LeRobot v3.0 datasets."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {sim_service.__version__}")
    parser.add_argument("--verbose", action="store_true", help="log what each phase of an episode reached")
    commands = parser.add_subparsers(dest="command", required=True)

    collect = commands.add_parser("collect", help="collect episodes into a dataset")
    add_collect_flags(collect)
    serve = commands.add_parser("serve", help="run the simulator with a web page and an API to collect by")
    add_serve_flags(serve)
    remote = commands.add_parser("remote", help="ask a running service: start, status, stop, watch")
    asked = next((word for word in arguments if not word.startswith("-")), None)
    if asked == "remote":
        from bridge.remote_command import add_remote_flags  # requests: a quarter of a second that no other one needs

        add_remote_flags(remote)
    doctor = commands.add_parser("doctor", help="try whatever the collector relies on, and say what holds")
    add_doctor_flags(doctor)
    manifest = commands.add_parser("manifest", help="print an instance of the service for Kubernetes")
    if asked == "manifest":
        from sim_service.manifest_command import add_manifest_flags

        add_manifest_flags(manifest)
    if asked in ("collect", "serve", "doctor"):
        apply_environment({"collect": collect, "serve": serve, "doctor": doctor}[asked])

    check = commands.add_parser("check", help="check a dataset against every rule of the format")
    check.add_argument("dataset", type=Path)
    check.add_argument("--json", action="store_true", help="print the report as JSON")

    status = commands.add_parser("status", help="sum the shards of a collection up, or wait for them")
    add_status_flags(status)

    merge = commands.add_parser("merge", help="make one dataset of the shards of a collection, without re-encoding")
    add_merge_flags(merge)

    pack = commands.add_parser("pack", help="join a dataset's files, without re-encoding")
    add_pack_flags(pack)

    replayed = commands.add_parser("replay", help="run a recorded episode's actions again and compare the states")
    replayed.add_argument("dataset", type=Path)
    replayed.add_argument("episode", type=int)

    sheet = commands.add_parser("sheet", help="write a contact sheet of what the cameras saw")
    sheet.add_argument("dataset", type=Path)
    sheet.add_argument("picture", type=Path, help="file to write, such as sheet.png")
    sheet.add_argument("--episodes", type=int, nargs="+", metavar="E", help="which ones (default: the first four)")
    sheet.add_argument("--width", type=int, default=192, metavar="PX", help="of one picture")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    words, kit = split_kit_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = build_parser(words).parse_args(words)
        _add_kit_arguments(parsed, kit)
        if parsed.command == "serve":
            return _serve(serve_config(parsed), parsed.verbose)
        if parsed.command == "collect":
            return _collect(collect_config(parsed), parsed.verbose)
        _set_up_logging(parsed.verbose)
        if parsed.command == "doctor":
            return run_doctor(doctor_config(parsed))
        if parsed.command == "remote":
            from bridge.remote_command import run_remote

            return run_remote(parsed)
        if parsed.command == "check":
            return _check(parsed.dataset, parsed.json)
        if parsed.command == "manifest":
            from sim_service.manifest_command import run_manifest

            return run_manifest(parsed)
        if parsed.command == "status":
            return run_status(parsed)
        if parsed.command == "merge":
            return run_merge(parsed)
        if parsed.command == "pack":
            return run_pack(parsed)
        if parsed.command == "replay":
            return _replay(parsed.dataset, parsed.episode)
        return _sheet(parsed.dataset, parsed.picture, parsed.episodes, parsed.width)
    except SimulatorStartError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return FAILED
    except (ConfigError, DatasetError, DataRootError, JobStoreError, SimulatorUnavailable) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return BAD_ARGUMENTS


def _add_kit_arguments(parsed: argparse.Namespace, kit: Sequence[str]) -> None:
    if "kit_arguments" in parsed:
        parsed.kit_arguments = kit
    elif kit:
        raise ConfigError(f"{' '.join(kit)}: {parsed.command} takes no settings of Omniverse Kit")


def _set_up_logging(verbose: bool) -> None:
    """Our own packages speak from INFO on (all with --verbose), the libraries from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for package in ("collectors", "sim_service", "lerobot_writer"):
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.INFO)


def _collect(config: CollectConfig, verbose: bool) -> int:
    shard = config.shard
    if shard is not None and not sys.stderr.isatty():  # many of them, read by machines
        set_up_service_logging(verbose, lambda: f"shard {shard}")
    else:
        _set_up_logging(verbose)
    if config.workers > 1:
        from sim_service.worker_run import run_workers

        return run_workers(config)
    onlookers: list[Onlooker] = []
    if config.heartbeat_file is not None:
        onlookers.append(Heartbeat(config.heartbeat_file))
    if shard is not None:
        onlookers.append(ShardReport(config, shard))
    if config.page is None:
        return run_collect(config, onlookers)
    batch = BatchRun(config)
    folder = config.output.resolve()
    ports = Ports(
        commands=None,
        status=batch.board,
        events=batch.board.events,
        jobs=batch,
        frames=batch.frames,
        data_root=FolderDataRoot(folder.parent),
        catalogue=DatasetCatalogue(folder.parent, only=folder.name),
    )
    with running_page(config.page, ports):
        return run_collect(config, [*onlookers, batch])


def _serve(config: ServeConfig, verbose: bool) -> int:
    """Exit code 0 after a signal: everything finished is in its dataset, and the rest can be resumed."""
    opening = partial(open_simulator, config.simulator, application=config.application)
    with StopRequest() as stop, open_service(config, opening, verbose) as service:
        run_service(service, stop, config.grace_s)
    return DONE


def _check(dataset: Path, as_json: bool) -> int:
    if not dataset.is_dir():
        raise DatasetError(f"{dataset} is not a folder")
    report = check_dataset(dataset)
    print(report.to_json() if as_json else report.text())
    return DONE if report.ok else FAILED


def _replay(root: Path, episode: int) -> int:
    dataset = open_dataset(root)
    recorded = load_episode(dataset, episode)
    simulator = open_simulator(dataset.configuration["simulator"], dataset.settings)
    try:
        deviation = joint_deviation(recorded.states, drive(simulator, replay(simulator, recorded)))
    except SimulatorError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return FAILED
    finally:
        simulator.close()
    repeated = deviation <= REPLAY_TOLERANCE
    verdict = "reproduces" if repeated else "does not reproduce"
    print(
        f"episode {episode} of {root}: {len(recorded.actions)} actions, open loop; largest deviation of a joint "
        f"{deviation:.2e} (allowed {REPLAY_TOLERANCE:.0e}): it {verdict} the recorded states"
    )
    return DONE if repeated else FAILED


def _sheet(root: Path, picture: Path, episodes: Sequence[int] | None, width_px: int) -> int:
    if width_px < 1:
        raise ConfigError(f"--width must be at least 1, got {width_px}")
    dataset = open_dataset(root)
    chosen = list(episodes) if episodes else list(range(min(4, len(dataset.rows))))
    write_contact_sheet(dataset, chosen, picture, width_px)
    print(
        f"{picture}: episodes {chosen}; a row per camera ({', '.join(dataset.cameras)}); "
        "columns: the first frame, then the last one of each phase"
    )
    return DONE


def run() -> NoReturn:
    """The process that `isaac-collect` is."""
    try:
        code = main()
    except KeyboardInterrupt:  # of a command that keeps nothing
        code = EXIT_CODES[signal.SIGINT]
    except BrokenPipeError:  # whoever read our output has enough of it
        sys.stdout = sys.stderr
        code = 128 + signal.SIGPIPE
    except Exception:
        traceback.print_exc()
        code = FAILED
    end_process(code)


if __name__ == "__main__":
    run()
