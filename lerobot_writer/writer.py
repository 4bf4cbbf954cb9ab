"""Records a LeRobot v3.0 dataset, episode by episode, so that no finished episode is ever lost."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from lerobot_writer import layout
from lerobot_writer.durable import disk_errors, make_directory, publish, remove_folder, write_flushed
from lerobot_writer.episode import OpenEpisode
from lerobot_writer.errors import CommitError, EncodingError, FrameError, OrderError, ResumeError
from lerobot_writer.existing import (
    Contents,
    empty_contents,
    refresh_statistics,
    reopen,
    replace_file,
    require_folder,
    require_free,
    stats_json,
    writer_json,
)
from lerobot_writer.lock import hold, release
from lerobot_writer.pack import pack_dataset
from lerobot_writer.schema import build_schema, is_text
from lerobot_writer.stats import Counts, Moments, image_entry, quantiles_of, vector_entry
from lerobot_writer.swap import finish_swap, is_being_swapped
from lerobot_writer.tables import (
    collector_columns,
    data_table,
    episode_row,
    histogram_table,
    tasks_jsonl,
    tasks_table,
    write_table,
)
from lerobot_writer.video import CameraEncoder, VideoCodec


class SimLeRobotWriter:
    """Writes the dataset that FORMAT.md describes.

    The verbs, in order: per frame `add_frame` and one `add_video_frame` per camera (in any order within the frame),
    then `finish_episode` or `discard_episode`, at the end `finalize`. A wrong order raises. When `finish_episode` has
    returned, that episode survives a killed process and a power cut. Use it from one thread.

    output_dir: the dataset's folder, where it is now (a later chdir changes nothing); must not exist or be empty,
    unless `resume` or `overwrite` is given. camera_resolution: (width, height) of every camera [px], even.
    extra_features: further float32 vectors per frame, name to (shape, names). resume: continue the dataset in
    output_dir, which must have the same schema, after removing what a killed writer left unfinished; where there is
    nothing to continue, start. overwrite: delete a dataset that is there.

    Raises SchemaError, DatasetExistsError or ResumeError before anything is changed on disk, StorageError when the
    folder cannot be written.
    """

    def __init__(
        self,
        output_dir: str | Path,
        repo_id: str,
        fps: int,
        robot_type: str,
        state_dim: int,
        action_dim: int,
        camera_names: Sequence[str],
        camera_resolution: tuple[int, int],
        state_names: Sequence[str],
        action_names: Sequence[str],
        *,
        extra_features: Mapping[str, tuple[tuple[int, ...], Sequence[str]]] | None = None,
        resume: bool = False,
        overwrite: bool = False,
        codec: VideoCodec | None = None,
    ) -> None:
        self._root = Path(output_dir).resolve()
        self._repo_id = repo_id
        self._schema = build_schema(
            repo_id,
            fps,
            robot_type,
            state_names,
            action_names,
            state_dim,
            action_dim,
            camera_names,
            camera_resolution,
            extra_features or {},
            codec or VideoCodec(),
        )
        self._episode: OpenEpisode | None = None
        self._ended: str | None = None  # why no further call is possible
        self._must_discard: str | None = None  # why the open episode can only be discarded
        self._encoders: dict[str, CameraEncoder] = {}
        with disk_errors(f"cannot open {self._root}"):
            require_folder(self._root)
            finish_swap(self._root)
            make_directory(self._root)
            self._release = weakref.finalize(self, _release, hold(self._root), self._encoders)
            try:
                self._open(resume, overwrite)
            except BaseException:
                self._end("it could not be opened")
                raise

    def _open(self, resume: bool, overwrite: bool) -> None:
        if is_being_swapped(self._root):
            raise ResumeError(f"{self._root} is being packed; try again when that has ended")
        if not resume:
            require_free(self._root, overwrite)
        self._restore(reopen(self._root, self._schema, self._repo_id) if resume else empty_contents())
        schema = self._schema
        for camera in schema.cameras:
            self._encoders[camera] = CameraEncoder(
                camera, schema.fps, schema.width, schema.height, schema.codec, schema.image_stride
            )

    def _restore(self, contents: Contents) -> None:
        self._num_episodes, self._num_frames = contents.episodes, contents.frames
        self._tasks, self._rows = list(contents.tasks), contents.rows
        self._histograms: dict[str, Counts] = contents.histograms
        self._quantiles: dict[str, Any] = {}
        self._moments: dict[str, Moments] = {}
        self._columns: pa.Schema | None = None
        self._quantile_episodes = contents.episodes
        if contents.episodes:
            self._refresh_statistics()
            self._columns = _collector_schema(self._root, contents.episodes)
        else:
            make_directory(self._root / layout.WRITER.parent)
            replace_file(self._root, layout.WRITER, writer_json(self._schema, self._repo_id, 0))
            remove_folder(self._root / layout.UNFINISHED)

    @property
    def num_episodes(self) -> int:
        """Finished episodes, those of earlier runs included."""
        return self._num_episodes

    @property
    def num_frames(self) -> int:
        """Frames of the finished episodes."""
        return self._num_frames

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
        """Add the vectors of one frame, copied.

        episode_index: `num_episodes`. frame_index: from 0. state, action: floating point, shape (state_dim,) and
        (action_dim,). timestamp: frame_index / fps [s]. next_done: true at the last frame of the episode. extra: the
        extra features. Raises OrderError or FrameError listing everything that is wrong; the episode stays as it was.
        """
        self._require_recordable()
        episode = self._episode or OpenEpisode(self._schema, self._num_episodes)
        episode.add_frame(episode_index, frame_index, state, action, extra or {}, timestamp, next_done)
        self._begin(episode)

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        """Add one camera's picture of the present frame: uint8, shape (height, width, 3), copied.

        Blocks while the encoder is behind; no frame is ever dropped. Raises EncodingError when the encoder failed.
        """
        self._require_recordable()
        episode = self._episode or OpenEpisode(self._schema, self._num_episodes)
        picture = episode.require_picture(camera, rgb)
        self._begin(episode)
        self._encoders[camera].add(picture)
        episode.count_picture(camera)

    def finish_episode(
        self, episode_index: int, length: int, task: str, columns: Mapping[str, object] | None = None
    ) -> None:
        """Commit the episode.

        length: its number of frames. task: what the robot was asked to do, in words. columns: further columns of the
        episode's row (bool, int, float, str or lists of these), the same names and types in every episode. Raises
        FrameError when the episode is incomplete (it stays open), EncodingError or CommitError when writing failed
        (discard it, then go on).
        """
        self._require_recordable()
        episode = self._episode
        if episode is None or episode_index != episode.index:
            open_one = "no episode is open" if episode is None else f"episode {episode.index} is open"
            raise OrderError(f"cannot finish episode {episode_index}: {open_one}")
        episode.require_complete(length)
        if not is_text(task) or not task.strip():
            raise FrameError(f"episode {episode_index}: task must be a non-empty text, got {task!r}")
        typed = collector_columns(columns or {}, self._columns)
        self._must_discard = f"finishing episode {episode.index} failed"
        futures = [encoder.finish() for encoder in self._encoders.values()]
        counts = {key: future.result() for key, future in zip(self._schema.video_keys, futures, strict=True)}
        for key, histogram in counts.items():
            encoded = int(histogram[0].sum()) // self._schema.sampled_pixels
            if encoded != length:
                raise EncodingError(f"{key}, episode {episode.index}: {encoded} of {length} pictures were encoded")
        self._commit(episode, task, typed, counts)

    def discard_episode(self) -> None:
        """Drop the open episode; not a byte of it remains. Does nothing when none is open."""
        self._require_usable()
        if self._episode is None:
            return
        self._must_discard = f"discarding episode {self._episode.index} failed"
        for encoder in self._encoders.values():
            encoder.abort()
        with disk_errors(self._must_discard):
            remove_folder(self._root / layout.UNFINISHED)
        self._episode, self._must_discard = None, None

    def finalize(self, pack: bool = False) -> None:
        """Bring all statistics up to date and end the writer.

        pack: also join all episodes into one video per camera and few data files, without re-encoding.
        """
        self._require_usable()
        if self._episode is not None:
            raise OrderError(
                f"episode {self._episode.index} is open with {self._episode.length} frames; finish or discard it first"
            )
        with disk_errors(f"cannot finalize {self._root}"):
            if self._quantile_episodes != self._num_episodes:
                self._refresh_statistics()
            remove_folder(self._root / layout.UNFINISHED)
        self._end("it was finalized")
        if pack and self._num_episodes:
            pack_dataset(self._root)

    def __enter__(self) -> SimLeRobotWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finalize; after an exception discard the open episode first."""
        if self._ended is not None:
            return
        if kind is not None:
            self.discard_episode()
        self.finalize()

    def _require_usable(self) -> None:
        if self._ended is not None:
            raise OrderError(f"the writer of {self._root} takes no more calls: {self._ended}")

    def _require_recordable(self) -> None:
        self._require_usable()
        for encoder in self._encoders.values():
            encoder.raise_error()
        if self._must_discard is not None:
            raise OrderError(f"the open episode takes no more calls, discard it: {self._must_discard}")

    def _begin(self, episode: OpenEpisode) -> None:
        if self._episode is not None:
            return
        if episode.index >= layout.MAX_FILES:
            raise OrderError(f"{self._root} is full: a dataset holds at most {layout.MAX_FILES} episodes")
        staging, at = self._root / layout.UNFINISHED, layout.chunk_and_file(episode.index)
        paths = [staging / layout.video_file(key, *at) for key in self._schema.video_keys]
        with disk_errors(f"cannot start episode {episode.index}"):
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
        self._episode = episode
        for encoder, path in zip(self._encoders.values(), paths, strict=True):
            encoder.start(path, episode.index)

    def _commit(
        self,
        episode: OpenEpisode,
        task: str,
        typed: Sequence[tuple[str, Any, pa.DataType]],
        counts: Mapping[str, Counts],
    ) -> None:
        """Stage every file and flush it, then move all into place with info.json last."""
        schema, staging, number = self._schema, self._root / layout.UNFINISHED, episode.index
        at = layout.chunk_and_file(number)
        meta_at = layout.chunk_and_file(number // layout.EPISODES_PER_META_FILE)
        tasks = self._tasks if task in self._tasks else [*self._tasks, task]
        frames = self._num_frames + episode.length
        columns = episode.columns(self._num_frames, tasks.index(task))

        moments = {name: Moments.of(values.reshape(episode.length, -1)) for name, values in columns.items()}
        quantiles = {name: quantiles_of(values.reshape(episode.length, -1)) for name, values in columns.items()}
        entries = {name: vector_entry(moments[name], quantiles[name]) for name in columns}
        entries |= {key: image_entry(histogram, episode.length) for key, histogram in counts.items()}
        row = episode_row(
            schema,
            number,
            task,
            self._num_frames,
            episode.length,
            at,
            dict.fromkeys(schema.video_keys, (*at, 0)),
            entries,
            meta_at,
            typed,
        )
        rows = row if self._rows is None else pa.concat_tables([self._rows, row]).combine_chunks()

        # Of the whole dataset so far. The true quantiles come with finalize; until then those of the last one stay.
        all_moments = {name: self._moments[name].merge(m) if self._moments else m for name, m in moments.items()}
        all_quantiles = self._quantiles or quantiles
        quantile_episodes = self._quantile_episodes or 1
        all_counts = {key: self._histograms[key] + c if self._histograms else c for key, c in counts.items()}
        totals = {name: vector_entry(all_moments[name], all_quantiles[name]) for name in columns}
        totals |= {key: image_entry(histogram, frames) for key, histogram in all_counts.items()}

        videos = [layout.video_file(key, *at) for key in schema.video_keys]
        data, histograms = layout.data_file(*at), layout.histogram_file(*at)
        episodes_file = layout.episodes_file(*meta_at)
        texts = {
            layout.STATS: stats_json(schema, totals),
            layout.TASKS_JSONL: tasks_jsonl(tasks),
            layout.WRITER: writer_json(schema, self._repo_id, quantile_episodes),
            layout.INFO: (json.dumps(schema.info(number + 1, frames, len(tasks)), indent=2) + "\n").encode(),
        }
        order = [*videos, data, histograms, layout.STATS, layout.TASKS, layout.TASKS_JSONL, layout.WRITER]
        order += [episodes_file, layout.INFO]
        try:
            write_table(data_table(schema, columns), staging / data)
            write_table(histogram_table(counts), staging / histograms)
            write_table(tasks_table(tasks), staging / layout.TASKS)
            write_table(rows, staging / episodes_file)
            for file, content in texts.items():
                write_flushed(staging / file, content)
            for file in order:
                make_directory((self._root / file).parent)
        except (OSError, pa.ArrowException) as error:
            raise CommitError(f"episode {number} could not be written: {error}; discard it to go on") from error
        try:
            publish(self._root, staging, order)
            self._episode, self._must_discard = None, None
            self._num_episodes, self._num_frames, self._tasks = number + 1, frames, tasks
            self._rows = None if self._num_episodes % layout.EPISODES_PER_META_FILE == 0 else rows
            self._columns = pa.schema([(name, kind) for name, _, kind in typed])
            self._moments, self._quantiles, self._histograms = all_moments, all_quantiles, all_counts
            self._quantile_episodes = quantile_episodes
        except BaseException as error:
            reason = f"committing episode {number} was cut short ({error!r}); reopen the dataset with resume=True"
            self._end(reason)
            if isinstance(error, OSError):
                raise CommitError(reason) from error
            raise
        shutil.rmtree(staging, ignore_errors=True)  # empty folders; the next episode would use them again

    def _refresh_statistics(self) -> None:
        contents = Contents(self._num_episodes, self._num_frames, tuple(self._tasks), self._rows, self._histograms)
        self._moments, self._quantiles = refresh_statistics(self._root, self._schema, self._repo_id, contents)
        self._quantile_episodes = self._num_episodes

    def _end(self, reason: str) -> None:
        self._ended = reason
        self._release()
        for encoder in self._encoders.values():
            encoder.join()


def _release(lock: int, encoders: Mapping[str, CameraEncoder]) -> None:
    """Also when a writer is dropped without `finalize`: its threads end and its folder is free again."""
    for encoder in encoders.values():
        encoder.stop()
    release(lock)


def _collector_schema(root: Path, episodes: int) -> pa.Schema:
    """The collector's own episode columns of an existing dataset."""
    file = layout.episodes_file(*layout.chunk_and_file((episodes - 1) // layout.EPISODES_PER_META_FILE))
    fields = list(pq.read_schema(root / file))
    last = next(i for i, field in enumerate(fields) if field.name == "meta/episodes/file_index")
    return pa.schema(fields[last + 1 :])
