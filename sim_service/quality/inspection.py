"""Shows a dataset to every gate: each episode's numbers are read once, each video is decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tqdm import tqdm

from sim_service.quality.collection_gates import collection_gates
from sim_service.quality.finite_values import FiniteValues, count_not_finite
from sim_service.quality.gate import EpisodeNumbers, NumberGate, PictureGate, Verdict
from sim_service.quality.luma import luma
from sim_service.quality.motion_figures import MotionSummary
from sim_service.quality.number_gates import number_gates
from sim_service.quality.picture_gates import picture_gates
from sim_service.quality.report import QualityReport
from sim_service.quality.roles import dimension_names
from sim_service.stored import DatasetError, StoredDataset


def inspect(dataset: StoredDataset) -> QualityReport:
    """What every gate says; of a dataset that cannot be read to its end, why."""
    finite, motion = FiniteValues(), MotionSummary()
    numbers = [*number_gates(str(dataset.info.get("robot_type") or "")), *collection_gates(dataset)]
    pictures = picture_gates(dataset)
    try:
        _show_numbers(dataset, finite, [motion, *numbers])
        _show_pictures(dataset, pictures)
    except DatasetError as error:
        return QualityReport(unread=str(error))
    return QualityReport(_verdicts([finite, *numbers, *pictures]), motion)


def _show_numbers(dataset: StoredDataset, finite: FiniteValues, others: Sequence[NumberGate | MotionSummary]) -> None:
    names = dimension_names(dataset.features)
    for number, row in enumerate(tqdm(dataset.rows, "numbers", disable=None, leave=False, unit="episode")):
        if row["length"] < 1:
            raise DatasetError(f"episode {number} of {dataset.root} has no rows")
        episode = EpisodeNumbers(number, dataset.fps, row, dataset.numbers(number), names)
        finite.see(episode)
        if not count_not_finite(episode.columns):
            for gate in others:
                gate.see(episode)


def _show_pictures(dataset: StoredDataset, gates: Sequence[PictureGate]) -> None:
    if not gates:
        return
    for camera in dataset.cameras:
        for number, row in enumerate(tqdm(dataset.rows, camera, disable=None, leave=False, unit="episode")):
            for frame, decoded in enumerate(dataset.video_frames(number, camera, range(row["length"]))):
                picture = luma(decoded)
                for gate in gates:
                    gate.see(number, camera, frame, picture)


def _verdicts(gates: Iterable[NumberGate | PictureGate]) -> list[Verdict]:
    return [verdict for gate in gates for verdict in gate.verdicts()]
