"""Dimensions of observation.state and action that are cut off, or do not move at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.roles import ACTION, STATE, Array, Roles, is_gripper, quaternions, roles_of, true_state, values

# Of all rows, at one and the same value, the largest or the smallest of the dataset, to the bit. Measured: below 1 %,
# where an episode begins and ends in one pose. A target that is held is at such a value in one episode; hence the
# second bound.
MOST_AT_END: Final = 0.05
LEAST_EPISODES_AT_END: Final = 0.25  # of the episodes, and 2 at least
LEAST_RANGE: Final = 0.01  # rad, m and rad/s: joints at rest are not judged

# A joint whose command covers 0.1 rad and that covers less than a tenth of it is stuck. Measured: 0.9 and more of the
# command.
COMMANDED_RAD: Final = 0.1
COMMANDED_SHARE: Final = 0.2  # of the joint that is told to move most, for dimensions of unknown unit
FOLLOWED: Final = 0.1


@dataclass
class _Ends:
    """Of a feature's dimensions: the largest value so far, and how many rows and episodes have it."""

    value: Array
    rows: NDArray[np.int64]
    episodes: NDArray[np.int64]

    @staticmethod
    def of(column: Array) -> _Ends:
        largest = column.max(axis=0)
        return _Ends(largest, (column == largest).sum(axis=0), np.ones(column.shape[1], np.int64))

    def joined(self, other: _Ends) -> _Ends:
        largest = np.maximum(self.value, other.value)
        mine, others = self.value == largest, other.value == largest
        return _Ends(largest, mine * self.rows + others * other.rows, mine * self.episodes + others * other.episodes)


@dataclass
class _Seen:
    """A feature over the dataset. low: of its negative."""

    names: tuple[str, ...]
    high: _Ends
    low: _Ends
    rows: int
    exempt: frozenset[int]
    least_range: float


class ClippedDimensions:
    """Values that sit at their smallest or largest for a share of the rows, though the dimension moves elsewhere. What
    sits at its ends by nature is not meant: grippers, quaternions, and unnamed dimensions that sit at both ends."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._episodes = 0

    def see(self, episode: EpisodeNumbers) -> None:
        self._episodes += 1
        for feature in (STATE, ACTION):
            if feature not in episode.columns:
                continue
            column = values(episode, feature)
            high, low = _Ends.of(column), _Ends.of(-column)
            seen = self._seen.get(feature)
            if seen is None:
                names = tuple(episode.names.get(feature, ()))
                spared = {i for name, quat in quaternions({feature: names}) for i in quat}
                spared |= {i for i, name in enumerate(names) if is_gripper(name)}
                least = LEAST_RANGE if roles_of(episode).units_known else 0.0
                self._seen[feature] = _Seen(names, high, low, len(column), frozenset(spared), least)
            else:
                seen.high, seen.low = seen.high.joined(high), seen.low.joined(low)
                seen.rows += len(column)

    def verdicts(self) -> Iterable[Verdict]:
        if not self._seen:
            yield Verdict("clipped-dimensions", "skipped", f"no {STATE} and no {ACTION}")
            return
        clipped: dict[str, float] = {}
        largest = 0.0
        least_episodes = max(2.0, LEAST_EPISODES_AT_END * self._episodes)
        for feature, seen in self._seen.items():
            shares = {"max": seen.high, "min": seen.low}
            for dimension in range(len(seen.high.value)):
                moves = seen.high.value[dimension] + seen.low.value[dimension] > seen.least_range
                at = {
                    end: ends.rows[dimension] / seen.rows
                    for end, ends in shares.items()
                    if ends.episodes[dimension] >= least_episodes
                }
                both = not seen.names and len(at) == 2 and min(at.values()) > MOST_AT_END
                if not moves or dimension in seen.exempt or both:
                    continue
                for end, share in at.items():
                    largest = max(largest, float(share))
                    if share > MOST_AT_END:
                        clipped[f"{dimension_name(feature, seen.names, dimension)} at its {end}"] = float(share)
        listed = ", ".join(f"{name} in {share:.0%}" for name, share in list(clipped.items())[:5])
        yield Verdict(
            "clipped-dimensions",
            "fail" if clipped else "pass",
            listed or f"{largest:.2%} of the rows at the end of a dimension's range",
            f"at most {MOST_AT_END:.0%} of the rows, in {LEAST_EPISODES_AT_END:.0%} of the episodes",
            value=largest,
            figures={"clipped": clipped},
        )


@dataclass
class _Range:
    """Of a feature's dimensions over the dataset."""

    low: Array
    high: Array
    names: tuple[str, ...]

    def see(self, column: Array) -> None:
        self.low, self.high = np.minimum(self.low, column.min(axis=0)), np.maximum(self.high, column.max(axis=0))


class StuckDimensions:
    """Dimensions that are constant though they must move, and joints that do not follow their command in an episode.

    A joint's position, velocity and command must move where its position or its command does: without noise on the
    waypoints an arm stays in its plane, and joints 2 and 4 rest. Besides these, all of this collector's dimensions must
    move; of another's nothing is known."""

    def __init__(self) -> None:
        self._ranges: dict[str, _Range] = {}
        self._roles = Roles()
        self._stuck: dict[int, list[str]] = {}
        self._least_followed = 1.0

    def see(self, episode: EpisodeNumbers) -> None:
        self._roles = roles_of(episode)
        for feature in (STATE, ACTION):
            if feature in episode.columns:
                column = values(episode, feature)
                names = tuple(episode.names.get(feature, ()))
                if feature not in self._ranges:
                    self._ranges[feature] = _Range(column.min(axis=0), column.max(axis=0), names)
                self._ranges[feature].see(column)
        if self._roles.joints:
            for state in (values(episode, STATE), true_state(episode)):
                self._follow(episode, state)

    def _follow(self, episode: EpisodeNumbers, state: Array) -> None:
        roles = self._roles
        moved = np.ptp(state[:, roles.joints], axis=0)
        commanded = np.ptp(values(episode, ACTION)[:, roles.commands], axis=0)
        least = COMMANDED_RAD if roles.units_known else COMMANDED_SHARE * float(commanded.max())
        names = tuple(episode.names.get(STATE, ()))
        for joint, went, told in zip(roles.joints, moved.tolist(), commanded.tolist(), strict=True):
            if told < least or told == 0:
                continue
            self._least_followed = min(self._least_followed, went / told)
            if went < FOLLOWED * told:
                of = self._stuck.setdefault(episode.number, [])
                name = dimension_name(STATE, names, joint)
                if name not in of:
                    of.append(name)

    def verdicts(self) -> Iterable[Verdict]:
        if not self._ranges:
            yield Verdict("stuck-dimensions", "skipped", f"no {STATE} and no {ACTION}")
            return
        constant = [
            dimension_name(feature, self._ranges[feature].names, dimension)
            for feature, dimension in self._constant_that_must_move()
        ]
        stuck = sorted({name for names in self._stuck.values() for name in names})
        listed = ", ".join([f"{name} is constant" for name in constant] + [f"{name} does not follow" for name in stuck])
        yield Verdict(
            "stuck-dimensions",
            "fail" if stuck or constant else "pass",
            listed or f"a joint covers {self._least_followed:.2f} of its command at least",
            f"nothing constant that must move; joints cover {FOLLOWED} of a command of {COMMANDED_RAD} or more",
            value=self._least_followed,
            episodes=tuple(sorted(self._stuck)),
            figures={"constant": constant, "stuck": stuck},
        )

    def _constant_that_must_move(self) -> list[tuple[str, int]]:
        """(feature, dimension), in their order."""
        spread = {feature: seen.high - seen.low for feature, seen in self._ranges.items()}
        roles = self._roles
        velocities = roles.velocities or (None,) * len(roles.joints)
        must_move: dict[tuple[str, int], bool] = {}
        for joint, command, velocity in zip(roles.joints, roles.commands, velocities, strict=True):
            group = [(STATE, joint), (ACTION, command)] + ([(STATE, velocity)] if velocity is not None else [])
            moves = max(spread[STATE][joint], spread[ACTION][command]) > COMMANDED_RAD
            must_move.update(dict.fromkeys(group, moves))
        return [
            (feature, dimension)
            for feature, of in spread.items()
            for dimension in np.flatnonzero(of == 0).tolist()
            if must_move.get((feature, dimension), roles.units_known)
        ]


def dimension_name(feature: str, names: tuple[str, ...], dimension: int) -> str:
    return f"{feature}[{names[dimension] if dimension < len(names) else dimension}]"
