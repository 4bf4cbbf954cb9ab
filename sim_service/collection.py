"""Collects the episodes of one dataset: seeds, retries, counts. The sole owner of the writer."""

from __future__ import annotations

import dataclasses
import logging
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, TypeVar

import numpy as np

import sim_service
from collectors.episode import EpisodeOutcome, EpisodeProgress, run_episode
from collectors.features import ACTION_NAMES, ROBOT_TYPE, STATE_NAMES, extra_features
from collectors.geometry import Pose
from collectors.kinematics import hand_pose
from collectors.simulator import Simulator, SimulatorError, Tick
from collectors.task import TASKS, Task
from collectors.variation import draw_variation
from collectors.waypoints import Plan, UnreachableError
from lerobot_writer import ResumeError, SimLeRobotWriter, WriterError
from sim_service.config import CollectConfig
from sim_service.export.card import CardError, write_card
from sim_service.ledger import Ledger, LedgerError
from sim_service.scene_columns import scene_columns

REPO_ID: Final = "isaac-collect/pick_place"
TASK_NAME: Final = "pick_place"

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def drive(simulator: Simulator, ticks: Generator[Tick, None, _Result]) -> _Result:
    """Run a generator of ticks to its end on a simulator whose clock is ours; returns what it returns."""
    try:
        tick = next(ticks)
        while True:
            tick = step(simulator, ticks, tick)
    except StopIteration as stop:
        result: _Result = stop.value
        return result


def step(
    simulator: Simulator,
    ticks: Generator[Tick, None, _Result],
    tick: Tick,
    look_on: Callable[[Tick], None] | None = None,
) -> Tick:
    """Advance by one tick, let `look_on` see it, and get the next one; a simulator's failure is the generator's to
    handle."""
    try:
        simulator.advance(tick)
        if look_on is not None:
            look_on(tick)
    except SimulatorError as error:
        return ticks.throw(error)
    return next(ticks)


@dataclass(frozen=True)
class Attempt:
    """One attempt at an episode that is over. recorded: its frames are in the dataset now. exhausted: it was the last
    one that this index gets."""

    index: int
    attempt: int
    outcome: EpisodeOutcome
    recorded: bool
    exhausted: bool


class Collection:
    """One dataset on its way.

    `run()` is the generator that a host drives, one yield per control tick. Closing it at any tick discards the open
    episode and finalizes the dataset, with every finished episode in it. `ledger` says what was done so far, `progress`
    where the present episode is; `on_attempt` is told of each attempt as soon as the dataset shows what came of it. The
    constructor raises WriterError or LedgerError when the dataset in the output folder cannot be started or continued.
    """

    def __init__(self, config: CollectConfig, simulator: Simulator) -> None:
        self._config, self._simulator = config, simulator
        self.on_attempt: Callable[[Attempt], None] | None = None
        self._stopping = self._ended = False
        self._simulator_error: SimulatorError | None = None  # the last one
        self._simulator_suspect = False  # the last index was given up because of the simulator alone
        self.current_episode: int | None = None  # index
        self.current_attempt = 0
        self._task: Task = TASKS[TASK_NAME](simulator.objects, config.waypoint_noise_rad)
        self.progress = EpisodeProgress()
        self.frames_recorded = 0
        configuration = describe_configuration(config, simulator)
        if config.resume:
            Ledger.require_same(config.output, configuration)
        camera = simulator.cameras[0]
        self._writer = SimLeRobotWriter(
            config.output,
            REPO_ID,
            config.settings.fps,
            ROBOT_TYPE,
            len(STATE_NAMES),
            len(ACTION_NAMES),
            [camera.name for camera in simulator.cameras],
            (camera.width_px, camera.height_px),
            STATE_NAMES,
            ACTION_NAMES,
            extra_features=extra_features(noisy_state=config.randomization.observation_noise > 0),
            resume=config.resume,
        )
        try:
            self.ledger = self._open_ledger(configuration)
        except BaseException:
            with suppress(WriterError):  # the first error is the one to tell
                self.close()  # else the folder stays locked for as long as somebody holds that error
            raise

    def _open_ledger(self, configuration: dict[str, Any]) -> Ledger:
        ledger = Ledger.open(self._config.output, configuration, self._config.num_episodes)
        if ledger.episodes != self._writer.num_episodes:
            raise ResumeError(
                f"{self._config.output} has {self._writer.num_episodes} episodes, "
                f"{ledger.episodes} of them collected here"
            )
        outside = ledger.outside(self._config.indices) if self._config.shard is not None else []
        if outside:
            wanted = self._config.indices
            raise LedgerError(
                f"{self._config.output} has episode {outside[0]}, shard {self._config.shard} of "
                f"{self._config.num_episodes} episodes is {wanted.start} to {wanted.stop - 1}: give each shard a "
                "folder of its own"
            )
        ledger.save()
        return ledger

    @property
    def num_frames(self) -> int:
        """Frames in the dataset's finished episodes."""
        return self._writer.num_frames

    def stop_after_attempt(self) -> None:
        """End `run` when the attempt under way is over. An index whose attempts are not used up stays open."""
        self._stopping = True

    def close(self) -> None:
        """What closing `run` does, also where it was never driven. May be called twice."""
        if not self._ended:
            self._ended = True
            self._writer.discard_episode()
            self._finalize()

    def run(self) -> Generator[Tick, None, None]:
        """Collect every index that is not there yet. A failed attempt does not end the run; a writer's error does, and
        so do two indices in a row at which the simulator failed in every attempt."""
        try:
            for index in self._config.indices:
                if self._stopping:
                    break
                if not self.ledger.is_settled(index):
                    self.current_episode = index
                    yield from self._collect_index(index)
            self.current_episode = None
        except GeneratorExit:
            self.close()
            raise
        except BaseException:
            with suppress(
                WriterError
            ):  # the first error is the one to tell; the dataset is as whole as the disk allows
                self.close()
            raise
        self._ended = True
        self._finalize()

    def _finalize(self) -> None:
        self._writer.finalize()
        if self._writer.num_episodes:
            try:
                write_card(self._config.output)
            except CardError as error:  # the dataset is whole without
                _log.warning("%s", error)

    def _collect_index(self, index: int) -> Generator[Tick, None, None]:
        failures: list[str] = []
        for attempt in range(self._config.max_attempts):
            if self._stopping:
                return
            self.current_attempt = attempt
            plan, outcome = yield from self._attempt(index, attempt)
            recordable = plan is not None and outcome.frames > 0 and outcome.failure_reason != "simulator_error"
            if plan is not None and recordable and (outcome.success or self._config.keep_failures):
                columns = episode_columns(self._config, self._simulator, index, attempt, failures, plan, outcome)
                self._writer.finish_episode(self._writer.num_episodes, outcome.frames, plan.task, columns)
                self.frames_recorded += outcome.frames
                self._simulator_suspect = False
                try:
                    self.ledger.add_episode(index, attempt, failures, outcome)
                finally:  # the episode is in the dataset, also where the ledger's file could not be written
                    self._tell(Attempt(index, attempt, outcome, recorded=True, exhausted=False))
                return
            self._writer.discard_episode()
            failures.append(outcome.failure_reason)
            _log.warning("episode %d, attempt %d failed: %s", index, attempt, outcome.failure_reason)
            exhausted = attempt == self._config.max_attempts - 1
            if exhausted:
                self._give_up(index, failures)
            self._tell(Attempt(index, attempt, outcome, recorded=False, exhausted=exhausted))

    def _give_up(self, index: int, failures: list[str]) -> None:
        """An episode may be one that the simulator cannot carry out; two in a row speak against the simulator. The
        second stays open then, for another simulator to try."""
        simulator_alone = set(failures) == {"simulator_error"}
        if simulator_alone and self._simulator_suspect:
            raise SimulatorError(
                f"the simulator failed in every attempt at episode {index} and at the one before: "
                f"{self._simulator_error}"
            )
        self._simulator_suspect = simulator_alone
        self.ledger.add_exhausted(index, failures)

    def _tell(self, attempt: Attempt) -> None:
        if self.on_attempt is not None:
            self.on_attempt(attempt)

    def _attempt(self, index: int, attempt: int) -> Generator[Tick, None, tuple[Plan | None, EpisodeOutcome]]:
        seed = (self._config.seed, index, attempt)
        try:
            variation = draw_variation(self._config.randomization, seed, self._simulator.cameras)
            plan = self._task.draw(np.random.default_rng(seed), variation)
        except UnreachableError as error:
            _log.warning("episode %d, attempt %d: %s", index, attempt, error)
            return None, EpisodeOutcome("unreachable", 0)
        try:
            outcome = yield from run_episode(
                self._simulator,
                self._task,
                plan,
                self._writer,
                episode_index=self._writer.num_episodes,
                steps_per_segment=self._config.steps_per_segment,
                motion=self._config.motion,
                finish_failures=self._config.keep_failures,
                progress=self.progress,
            )
        except SimulatorError as error:
            _log.warning("episode %d, attempt %d: %s", index, attempt, error)
            self._simulator_error = error
            outcome = EpisodeOutcome("simulator_error", self.progress.frame)
        return plan, outcome


def describe_configuration(config: CollectConfig, simulator: Simulator) -> dict[str, Any]:
    """What decides an episode's content, for meta/collection.json: the same on every resume and shard."""
    return {
        **asked_configuration(config),
        "objects": [kind.name for kind in simulator.objects],
        "cameras": {camera.name: dataclasses.asdict(camera) for camera in simulator.cameras},
        "simulator": simulator.versions["simulator"],
        "renderer": simulator.versions["renderer"].partition(":")[0],
        "versions": {**_library_versions(), **simulator.versions},
    }


def asked_configuration(config: CollectConfig) -> dict[str, Any]:
    """The part of it that is known before a simulator is open."""
    return {
        "task": TASK_NAME,
        "seed": config.seed,
        "fps": config.settings.fps,
        "steps_per_segment": config.steps_per_segment,
        "waypoint_noise_rad": config.waypoint_noise_rad,
        "max_attempts": config.max_attempts,
        "keep_failures": config.keep_failures,
        "use_ycb": config.settings.use_ycb,
        "render_preset": config.settings.render_preset,
        "interpolation": config.motion.interpolation,
        "approach": config.motion.approach,
        "randomization": config.randomization.as_json(),
    }


def _library_versions() -> dict[str, str]:
    """Of everything besides the simulator that an episode's bytes depend on."""
    libraries = {name: metadata.version(name) for name in ("numpy", "pyarrow", "av")}
    return {
        "isaac-collect": sim_service.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **libraries,
    }


def episode_columns(
    config: CollectConfig,
    simulator: Simulator,
    index: int,
    attempt: int,
    failures: list[str],
    plan: Plan,
    outcome: EpisodeOutcome,
) -> Mapping[str, object]:
    """The `collection/...` columns of one episode's row: what was drawn, what came of it, where the cameras were."""
    columns: dict[str, object] = {
        "index": index,
        "seed": config.seed,
        "attempt": attempt,
        "failed_attempts": ",".join(failures),
        "success": outcome.success,
        "success_2cm": outcome.success_2cm,
        "failure_reason": outcome.failure_reason,
        "placement_error_m": outcome.placement_error_m,
        "grasped": outcome.grasped,
        "lifted_m": outcome.lifted_m,
        "attach_frame": outcome.attach_frame,
        "detach_frame": outcome.detach_frame,
        "attach_error_m": outcome.attach_error_m,
        "max_joint_speed_rad_s": outcome.max_joint_speed_rad_s,
        "max_joint_speed_fraction": outcome.max_joint_speed_fraction,
        "waypoint_error_m": list(outcome.waypoint_error_m),
        "segment_frames": list(outcome.segment_frames),
        "object_colour": plan.colour,
        "object_yaw_rad": plan.object_yaw_rad,
        "pick_xy_m": list(plan.pick_xy_m),
        "tilt_rad": plan.tilt_rad,
        "wrist_yaw_rad": plan.wrist_yaw_rad,
        "resampled": plan.resampled,
        "speed": plan.speed,
        "observation_noise": plan.noise.observation,
        "camera_noise_levels": plan.noise.camera_levels,
        **scene_columns(plan.scene, simulator.cameras),
    }
    start_hand_to_world = hand_pose(np.asarray(plan.scene.arm_rad))
    for camera in plan.scene.cameras or simulator.cameras:
        parent_to_world = Pose((0.0, 0.0, 0.0)) if camera.parent == "world" else start_hand_to_world
        camera_to_parent = camera.camera_to_parent()
        columns[f"{camera.name}/intrinsics"] = list(camera.intrinsics())
        columns[f"{camera.name}/camera_to_world"] = (parent_to_world @ camera_to_parent).matrix().ravel().tolist()
        columns[f"{camera.name}/camera_to_parent"] = camera_to_parent.matrix().ravel().tolist()
    return {f"collection/{name}": value for name, value in columns.items()}
