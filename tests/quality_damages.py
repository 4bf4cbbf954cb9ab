"""Ways to damage the trajectories of a dataset, with the gates on numbers that each of them sets off.

`PYTHONPATH=. python tests/quality_damages.py` prints them as the table in docs/quality.md; with a folder it writes the
clean set and every damaged one there, for other judges.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from quality_datasets import KINDS, Array, Damage, Kind, Trajectory, clean, episode_numbers, write

from collectors.features import TRUE_STATE
from sim_service.quality.finite_values import FiniteValues, count_not_finite
from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.number_gates import number_gates
from sim_service.stored import open_stored

STATES = ("observation.state", TRUE_STATE)
JOINTS, VELOCITIES, QUATERNION, COMMANDS, GRIPPER = slice(0, 7), slice(7, 14), slice(19, 23), slice(0, 7), 7


@dataclass(frozen=True)
class Planted:
    """catches: the gate that the defect is planted for. also: those that it sets off besides, with linear motion.
    why: of the latter. unseen_with: the kinds of clean sets in which the gate does not see it."""

    damage: Damage
    catches: str
    also: tuple[str, ...] = ()
    why: str = ""
    unseen_with: tuple[Kind, ...] = ()


def judge(episodes: list[EpisodeNumbers]) -> list[Verdict]:
    """As `inspect` shows them to the gates on numbers."""
    finite, gates = FiniteValues(), number_gates()
    for episode in episodes:
        finite.see(episode)
        if not count_not_finite(episode.columns):
            for gate in gates:
                gate.see(episode)
    return [verdict for gate in (finite, *gates) for verdict in gate.verdicts()]


def failing(verdicts: list[Verdict]) -> set[str]:
    return {verdict.gate for verdict in verdicts if verdict.status == "fail"}


def every(change: Callable[[Trajectory], Trajectory]) -> Damage:
    return lambda trajectories: [change(trajectory) for trajectory in trajectories]


def one(change: Callable[[Trajectory], Trajectory], episode: int = 2) -> Damage:
    return lambda trajectories: [change(t) if number == episode else t for number, t in enumerate(trajectories)]


def actions(change: Callable[[Array, Trajectory], Array]) -> Callable[[Trajectory], Trajectory]:
    """change: from a copy of the actions to the damaged ones."""
    return lambda t: t.with_columns(action=np.float32(change(t.columns["action"].copy(), t)))


def states(change: Callable[[Array], Array]) -> Callable[[Trajectory], Trajectory]:
    """The recorded state, and the true one where there is one."""

    def changed(t: Trajectory) -> Trajectory:
        made = {
            name.replace(".", "_"): np.float32(change(t.columns[name].copy())) for name in STATES if name in t.columns
        }
        return t.with_columns(**made)

    return changed


def rows(choose: Callable[[int], Array], still: bool = True) -> Callable[[Trajectory], Trajectory]:
    """Chooses rows by number, of so many; those that repeat the one before are at rest, and time goes on evenly."""

    def changed(t: Trajectory) -> Trajectory:
        chosen = choose(t.length)
        columns = {name: column[chosen] for name, column in t.columns.items()}
        for name in STATES if still else ():
            if name in columns:
                columns[name][1:, VELOCITIES][np.diff(chosen) == 0] = 0
        columns["frame_index"] = np.arange(len(chosen))
        columns["timestamp"] = np.float32(columns["frame_index"] / 30)
        columns["next.done"] = columns["frame_index"] == len(chosen) - 1
        return Trajectory({**t.row, "length": len(chosen)}, columns)

    return changed


def column(name: str, change: Callable[[Array], object]) -> Callable[[Trajectory], Trajectory]:
    """Changes a column's copy in place."""

    def changed(t: Trajectory) -> Trajectory:
        values = t.columns[name].copy()
        change(values)
        return t.with_columns(**{name.replace(".", "_"): values})

    return changed


def _set(index: object, value: object) -> Callable[[Array], Array]:
    def change(values: Array) -> Array:
        values[index] = value
        return values

    return change


def _identity(ahead: int) -> Callable[[Array, Trajectory], Array]:
    def change(action: Array, t: Trajectory) -> Array:
        state = t.columns["observation.state"][:, JOINTS]
        action[:, COMMANDS] = np.concatenate([state[ahead:], np.repeat(state[-1:], ahead, axis=0)])
        return action

    return change


def _late(action: Array, t: Trajectory) -> Array:
    start = np.append(t.columns["observation.state"][0, JOINTS], 0.04)
    return np.concatenate([start[None], action[:-1]])


def _glitch(action: Array, t: Trajectory) -> Array:
    action[100, 0] += 0.5
    return action


def _jump(action: Array, t: Trajectory) -> Array:
    action[100:, 0] += 0.2
    return action


def _noise(deviation_rad: float) -> Callable[[Array, Trajectory], Array]:
    def change(action: Array, t: Trajectory) -> Array:
        action[:, COMMANDS] += np.random.default_rng(t.length).normal(0, deviation_rad, (len(action), 7))
        return action

    return change


def _chatter(action: Array, t: Trajectory) -> Array:
    action[150:153, GRIPPER] = 0.04
    action[156:159, GRIPPER] = 0.04
    return action


def _second_grasp(action: Array, t: Trajectory) -> Array:
    action[-45:-20, GRIPPER] = 0.0
    return action


def _clip_commands(trajectories: list[Trajectory]) -> list[Trajectory]:
    highest = np.quantile(np.concatenate([t.columns["action"][:, 1] for t in trajectories]), 0.85)
    return [actions(lambda a, t: np.minimum(a, np.where(np.arange(8) == 1, highest, np.inf)))(t) for t in trajectories]


def _clip_state(trajectories: list[Trajectory]) -> list[Trajectory]:
    lowest = np.quantile(np.concatenate([t.columns["observation.state"][:, 3] for t in trajectories]), 0.15)
    return [states(lambda s: np.maximum(s, np.where(np.arange(23) == 3, lowest, -np.inf)))(t) for t in trajectories]


def _measured_again(t: Trajectory) -> Trajectory:
    """What sensors of 1 mrad would make of the same motion."""
    noise = np.random.default_rng(1).normal(0, 0.001, (t.length, 23))
    return states(lambda state: state + np.where(np.arange(23) < 7, noise, 0))(t)


def _flip(values: Array) -> Array:
    values[:, VELOCITIES] *= -1
    return values


def _degrees(values: Array) -> Array:
    values[:, VELOCITIES] = np.rad2deg(values[:, VELOCITIES])
    return values


def _scale_quaternion(values: Array) -> Array:
    values[:, QUATERNION] *= 1.01
    return values


def _stretch(count: int) -> Array:
    """Every row twice."""
    return np.repeat(np.arange(count), 2)


DAMAGES: Mapping[str, Planted] = {
    "the action is the state of its row": Planted(
        every(actions(_identity(0))),
        "action-identity",
        ("action-lag", "action-onset"),
        "a copy has no lag, and nothing was told before it moved",
    ),
    "the action is the next state": Planted(
        every(actions(_identity(1))), "action-identity", ("action-lag",), "a copy lags one row"
    ),
    "actions a row late, HOME first": Planted(
        every(actions(_late)),
        "action-lag",
        ("action-onset", "gripper-timing"),
        "the shift itself, seen three ways",
    ),
    "actions a row late, the first one twice": Planted(
        every(actions(lambda a, t: np.concatenate([a[:1], a[:-1]]))),
        "action-lag",
        ("gripper-timing",),
        "the shift itself, seen twice",
    ),
    "actions a row early": Planted(
        every(actions(lambda a, t: np.concatenate([a[1:], a[-1:]]))),
        "gripper-timing",
        ("action-lag",),
        "the shift itself, seen twice",
    ),
    "actions a row early, in one episode": Planted(
        one(actions(lambda a, t: np.concatenate([a[1:], a[-1:]]))),
        "action-lag",
        ("gripper-timing",),
        "the shift itself, seen twice",
    ),
    "the arm moves before it is told to": Planted(
        every(actions(lambda a, t: np.concatenate([_late(a, t)[:6], a[6:]]))),
        "action-onset",
        ("command-speed",),
        "where the column is right again a step is left out",
    ),
    "the gripper alone a row late": Planted(
        every(actions(lambda a, t: np.column_stack([a[:, COMMANDS], np.append(a[0, 7], a[:-1, 7])]))), "gripper-timing"
    ),
    "the arm's commands jump by 0.2 rad": Planted(one(actions(_jump)), "command-speed"),
    "noise of 4 mrad on the commands": Planted(
        every(actions(_noise(0.004))), "command-acceleration", ("command-speed",), "it adds to phases at the limit"
    ),
    "one command off by 0.5 rad": Planted(one(actions(_glitch)), "command-speed"),
    "noise of 50 mrad on the commands": Planted(
        every(actions(_noise(0.05))),
        "command-jerk",
        ("command-acceleration", "command-speed", "stuck-dimensions"),
        "what has such a jerk at 30 fps is too fast as well, and joints that hardly move do not follow it",
    ),
    "a pause of 4 s": Planted(every(rows(lambda n: np.sort(np.append(np.arange(n), [n - 40] * 120)))), "idle-share"),
    "2 s of rest at the end": Planted(
        every(rows(lambda n: np.append(np.arange(n), [n - 1] * 60))),
        "idle-ends",
        ("clipped-dimensions",),
        "at HOME, an end of a joint's range",
    ),
    "2 s of rest at the beginning": Planted(
        every(rows(lambda n: np.append([0] * 60, np.arange(n)))),
        "idle-ends",
        ("clipped-dimensions", "gripper-timing"),
        "at HOME, an end of a joint's range; collection/segment_frames knows nothing of the rest",
    ),
    "the gripper opens twice for 3 rows": Planted(
        every(actions(_chatter)), "gripper-chatter", ("gripper-cycles", "gripper-timing"), "it opens before its phase"
    ),
    "a second grasp of nothing": Planted(every(actions(_second_grasp)), "gripper-cycles"),
    "an episode twice": Planted(lambda ts: [*ts, ts[1]], "duplicate-episodes"),
    "an episode twice, measured again": Planted(lambda ts: [*ts, _measured_again(ts[1])], "duplicate-episodes"),
    "an episode twice, at half the speed": Planted(
        lambda ts: [*ts, rows(_stretch, still=False)(ts[1])],
        "duplicate-episodes",
        (
            "action-lag",
            "command-acceleration",
            "gripper-timing",
            "idle-share",
            "length-outliers",
        ),
        "rows that are repeated: twice the lag, a stop in every other row, twice the length",
    ),
    "an episode that ends half-way": Planted(
        one(rows(lambda n: np.arange(n // 2))),
        "length-outliers",
        ("gripper-cycles", "gripper-timing"),
        "it ends before the gripper opens",
        unseen_with=("full",),
    ),
    "an episode of 20 rows": Planted(
        one(rows(lambda n: np.arange(20))),
        "length-minimum",
        ("gripper-cycles", "gripper-timing", "length-outliers"),
        "it ends before the gripper closes",
    ),
    "a command cut off at its 85th percentile": Planted(_clip_commands, "clipped-dimensions"),
    "a joint's position cut off at its 15th percentile": Planted(_clip_state, "clipped-dimensions"),
    "a joint's position constant": Planted(every(states(_set(np.s_[:, 3], -2.0))), "stuck-dimensions"),
    "a joint's position constant in one episode": Planted(one(states(_set(np.s_[:, 3], -2.0))), "stuck-dimensions"),
    "a joint's command constant": Planted(every(actions(lambda a, t: _set(np.s_[:, 5], 1.5)(a))), "stuck-dimensions"),
    "timestamps of 25 fps": Planted(
        every(column("timestamp", lambda time: np.multiply(time, 30 / 25, out=time))), "timestamps"
    ),
    "a timestamp off by 5 ms": Planted(one(column("timestamp", _set(50, 50 / 30 + 0.005))), "timestamps"),
    "a frame is missing": Planted(one(column("frame_index", lambda f: np.add(f, f > 99, out=f))), "timestamps"),
    "velocities with the wrong sign": Planted(every(states(_flip)), "velocity-consistency"),
    "velocities in degrees": Planted(every(states(_degrees)), "velocity-consistency"),
    "quaternions of norm 1.01": Planted(every(states(_scale_quaternion)), "unit-quaternions"),
    "a NaN in the state": Planted(one(column("observation.state", _set((7, 3), np.nan))), "finite-values"),
    "an infinite action": Planted(one(column("action", _set((7, 3), np.inf))), "finite-values"),
}


def print_matrix() -> None:
    """What each defect sets off in six linear episodes, and how the two other kinds of clean sets differ."""
    print("| defect | caught by | sets off too | because |\n|---|---|---|---|")
    for name, planted in DAMAGES.items():
        found = {kind: failing(judge(episode_numbers(planted.damage(clean(kind, 6))))) for kind in KINDS}
        others = sorted(found["linear"] - {planted.catches})
        caught = f"`{planted.catches}`" if planted.catches in found["linear"] else "nothing"
        notes = [planted.why] * bool(planted.why)
        for kind in KINDS[1:]:
            more, less = sorted(found[kind] - found["linear"]), sorted(found["linear"] - found[kind])
            notes += [f"{kind}: also {', '.join(f'`{gate}`' for gate in more)}"] * bool(more)
            notes += [f"{kind}: not {', '.join(f'`{gate}`' for gate in less)}"] * bool(less)
        print(f"| {name} | {caught} | {', '.join(f'`{gate}`' for gate in others)} | {'; '.join(notes)} |")


def write_damaged(root: Path, trajectories: Sequence[Trajectory]) -> None:
    """As `write`, with what the writer makes itself or refuses put into the files afterwards."""
    finite = [replace(t, columns={n: np.nan_to_num(c, posinf=0) for n, c in t.columns.items()}) for t in trajectories]
    dataset = open_stored(write(root, finite))
    for row, trajectory in zip(dataset.rows, trajectories, strict=True):
        path = root / dataset.data_file(row)
        data = pq.read_table(path)
        for name in ("timestamp", "frame_index", "observation.state", "action"):
            field = data.schema.field(name)
            values = trajectory.columns[name]
            column = pa.array(values.tolist(), field.type)
            data = data.set_column(data.column_names.index(name), field, column)
        pq.write_table(data, path)


def write_all(folder: Path) -> None:
    """The clean linear set of six episodes, and what each damage makes of it."""
    write(folder / "clean", clean("linear", 6))
    for name, planted in DAMAGES.items():
        root = folder / re.sub(r"\W+", "-", name)
        write_damaged(root, planted.damage(clean("linear", 6)))
        print(root)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_all(Path(sys.argv[1]))
    else:
        print_matrix()
