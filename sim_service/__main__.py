"""`isaac-collect`, also `python -m sim_service`: the command line, where everything is wired together."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn

import sim_service
from sim_service.batch_run import BatchRun
from sim_service.catalogue import DatasetCatalogue
from sim_service.collect_command import run_collect
from sim_service.config import CollectConfig, ConfigError, add_collect_flags, apply_environment, collect_config
from sim_service.data_root import DataRootError, FolderDataRoot
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.heartbeat import Heartbeat
from sim_service.job_store import JobStoreError
from sim_service.kit_arguments import split_kit_arguments
from sim_service.logs import set_up_service_logging
from sim_service.onlooker import Onlooker
from sim_service.ports import Ports
from sim_service.serve_command import run_service
from sim_service.serve_config import ServeConfig, add_serve_flags, serve_config
from sim_service.shard_report import ShardReport
from sim_service.simulators import SimulatorStartError, SimulatorUnavailable, end_process, open_simulator
from sim_service.stop_request import EXIT_CODES, StopRequest
from sim_service.stored import DatasetError
from sim_service.wiring import open_service, running_page

_COMMANDS: Final = {
    "collect": "collect episodes into a dataset",
    "serve": "run the simulator with a web page and an API to collect by",
    "remote": "ask a running service: start, status, stop, watch",
    "doctor": "try whatever the collector relies on, and say what holds",
    "manifest": "print an instance of the service for Kubernetes",
    "check": "check a dataset against every rule of the format, and whether it is worth training on",
    "report": "write one HTML file that shows what a dataset holds",
    "status": "sum the shards of a collection up, or wait for them",
    "merge": "make one dataset of the shards of a collection, without re-encoding",
    "pack": "join a dataset's files, without re-encoding",
    "replay": "run a recorded episode's actions again and compare the states",
    "rollout": "run a policy closed loop, with the collector's own judge of success",
    "sheet": "write a contact sheet of what the cameras saw",
    "export": "write a dataset in the format of another tool",
    "import": "make a dataset of another tool's file",
    "push": "upload a dataset to the Hugging Face Hub",
}

_Tool = tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
"""What adds a command's flags, and what runs it and returns the exit code."""


def _tool(command: str) -> _Tool:
    """Of a command other than collect and serve. Each is imported when it is asked for: none pays for another's."""
    if command == "remote":
        from bridge.remote_command import add_remote_flags, run_remote

        return add_remote_flags, run_remote
    if command == "doctor":
        from sim_service.doctor_command import add_doctor_flags, doctor_config, run_doctor

        return add_doctor_flags, lambda parsed: run_doctor(doctor_config(parsed))
    if command == "manifest":
        from sim_service.manifest_command import add_manifest_flags, run_manifest

        return add_manifest_flags, run_manifest
    if command == "check":
        from sim_service.check_command import add_check_flags, run_check

        return add_check_flags, run_check
    if command == "report":
        from sim_service.report_command import add_report_flags, run_report

        return add_report_flags, run_report
    if command == "status":
        from sim_service.status_command import add_status_flags, run_status

        return add_status_flags, run_status
    if command == "merge":
        from sim_service.merge_command import add_merge_flags, run_merge

        return add_merge_flags, run_merge
    if command == "pack":
        from sim_service.pack_command import add_pack_flags, run_pack

        return add_pack_flags, run_pack
    if command == "replay":
        from sim_service.replay_command import add_replay_flags, run_replay

        return add_replay_flags, run_replay
    if command == "rollout":
        from sim_service.rollout_command import add_rollout_flags, run_rollout

        return add_rollout_flags, run_rollout
    if command == "sheet":
        from sim_service.sheet_command import add_sheet_flags, run_sheet

        return add_sheet_flags, run_sheet
    if command == "export":
        from sim_service.export_command import add_export_flags, run_export

        return add_export_flags, run_export
    if command == "import":
        from sim_service.import_command import add_import_flags, run_import

        return add_import_flags, run_import
    from sim_service.push_command import add_push_flags, run_push

    return add_push_flags, run_push


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The flags, and what the environment says of them, are those of the command that is asked for alone."""
    parser = argparse.ArgumentParser(
        prog="isaac-collect", description="Franka pick-and-place demonstrations as LeRobot v3.0 datasets."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {sim_service.__version__}")
    parser.add_argument("--verbose", action="store_true", help="log what each phase of an episode reached")
    commands = parser.add_subparsers(dest="command", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, purpose in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if name == asked == "collect":
            add_collect_flags(command)
        elif name == asked == "serve":
            add_serve_flags(command)
        elif name == asked:
            add_flags, run = _tool(name)
            add_flags(command)
            command.set_defaults(run=run)
        if name == asked and name in ("collect", "serve", "doctor"):
            apply_environment(command)
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
        run: Callable[[argparse.Namespace], int] = parsed.run
        return run(parsed)
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
