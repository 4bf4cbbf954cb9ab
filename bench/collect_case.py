"""One measured collection in a process of its own: `python -m bench.collect_case`, started by `bench.collect`.

Measured is the loop over whole episodes: simulator, model and writer are open before, the dataset is finalized after.
One episode runs first and does not count: it loads the shaders and touches the buffers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bench.measure import Meter, write_result
from collectors.episode import FrameSink, run_episode
from collectors.features import ACTION_NAMES, EXTRA_FEATURES, ROBOT_TYPE, STATE_NAMES
from collectors.randomization import PRESETS
from collectors.simulator import Image, Tick
from collectors.task import TASKS
from collectors.variation import draw_variation
from lerobot_writer import SimLeRobotWriter
from sim_service.collection import REPO_ID, TASK_NAME, drive
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import RENDER_PRESETS, SimulatorSettings

SEED = 42


class Stopwatch:
    """Seconds spent in named parts of the main thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began_s


class TimedSimulator(MujocoSimulator):
    """Splits an advance into physics and rendering."""

    def __init__(self, settings: SimulatorSettings, watch: Stopwatch) -> None:
        super().__init__(settings)
        self._watch = watch
        render: Callable[[Any], dict[str, Image]] = self._renderer.render

        def timed(data: Any) -> dict[str, Image]:
            with watch.part("render"):
                return render(data)

        self._renderer.render = timed  # type: ignore[method-assign]  # the split is this bench's business alone

    def advance(self, tick: Tick) -> None:
        with self._watch.part("advance"):
            super().advance(tick)


class TimedSink:
    """Times what the main thread spends in a sink; without one, takes frames and keeps none."""

    def __init__(self, sink: FrameSink | None, watch: Stopwatch) -> None:
        self._sink, self._watch = sink, watch

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if self._sink is not None:
            with self._watch.part("write"):
                self._sink.add_frame(episode_index, frame_index, state, action, timestamp, next_done, extra)

    def add_video_frame(self, camera: str, rgb: Image) -> None:
        if self._sink is not None:
            with self._watch.part("write"):
                self._sink.add_video_frame(camera, rgb)


def measure(settings: SimulatorSettings, episodes: int, output: Path | None) -> tuple[Meter, dict[str, float]]:
    """output: where to write; None: the same loop without writing."""
    watch = Stopwatch()
    simulator = TimedSimulator(settings, watch)
    task = TASKS[TASK_NAME](simulator.objects, 0.05)
    writer: SimLeRobotWriter | None = None
    if output is not None:
        camera = simulator.cameras[0]
        writer = SimLeRobotWriter(
            output, REPO_ID, settings.fps, ROBOT_TYPE, len(STATE_NAMES), len(ACTION_NAMES),
            [c.name for c in simulator.cameras], (camera.width_px, camera.height_px), STATE_NAMES, ACTION_NAMES,
            extra_features=EXTRA_FEATURES,
        )  # fmt: skip
    sink = TimedSink(writer, watch)

    def run(index: int) -> int:
        seed = (SEED, index, 0)
        plan = task.draw(np.random.default_rng(seed), draw_variation(PRESETS["none"], seed))
        outcome = drive(simulator, run_episode(simulator, task, plan, sink, episode_index=index, steps_per_segment=30))
        if writer is not None:
            with watch.part("commit"):
                writer.finish_episode(index, outcome.frames, plan.task)
        return outcome.frames

    run(0)
    watch.seconds.clear()
    with Meter() as meter:
        frames = sum(run(index) for index in range(1, episodes + 1))
    parts = dict(watch.seconds)
    if writer is not None:
        writer.finalize()
    simulator.close()
    advance_s, render_s = parts.pop("advance"), parts["render"]
    parts["physics"] = advance_s - render_s
    parts["rest"] = meter.usage.wall_s - sum(parts.values())
    figures = {f"{name}_ms": 1000 * seconds / frames for name, seconds in parts.items()}
    return meter, {**figures, "frames": frames}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=RENDER_PRESETS, required=True)
    parser.add_argument("--episodes", type=int, required=True)
    parser.add_argument("--output", type=Path, help="write a dataset there")
    parser.add_argument("--result", type=Path, required=True)
    arguments = parser.parse_args()
    meter, figures = measure(SimulatorSettings(render_preset=arguments.preset), arguments.episodes, arguments.output)
    write_result(arguments.result, meter.usage, **figures)


if __name__ == "__main__":
    main()
