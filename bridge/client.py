"""A Python client of the Bridge API.

with BridgeClient("http://127.0.0.1:8600") as client:
    job = client.start("pick_place_001", num_episodes=2)
    job = client.wait(job.id, timeout_s=600)
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from bridge.client_errors import BadArgumentError, BadReplyError, BridgeError, NotReady, StillRunningError
from bridge.client_events import AWAY_S, EventStream
from bridge.client_records import CameraInfo, DatasetInfo, EpisodeInfo, JobInfo, ServerEvent, SimInfo, StatusInfo
from bridge.client_schema import record
from bridge.client_transport import Transport, is_away

POLL_S: Final = 0.5
PAGE: Final = 1000  # the most episodes that the service lists at once
Preset = Literal["none", "light", "full"]  # of the randomization
_Record = TypeVar("_Record")
_log = logging.getLogger(__name__)


class BridgeClient:
    """Calls of one service. For one thread at a time.

    url: with the prefix, if there is one, as in "http://127.0.0.1:8600/v1/sim/bridge". token: where the service wants
    one. timeout_s: for connecting, and for every wait for more of a reply. Calls that can be repeated without harm are
    tried three times. Every method may raise BridgeError: UnreachableError, BadReplyError, or a ProblemError such as
    Busy or Unauthorized.
    """

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 10.0) -> None:
        self._transport = Transport(url, token, timeout_s)

    @property
    def url(self) -> str:
        return self._transport.url

    def __enter__(self) -> BridgeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def start(
        self,
        output_dir: str,
        *,
        num_episodes: int = 50,
        skill: str = "pick_place",
        seed: int = 12345,
        steps_per_segment: int = 30,
        use_ycb: bool = False,
        randomize: Preset = "none",
        num_objects: int | None = None,
        resume: bool = False,
        idempotency_key: str | None = None,
    ) -> JobInfo:
        """Begin a job. output_dir: below the service's data root. num_objects: on the table, 1 to 6, the target among
        them; None: what `randomize` says. idempotency_key: 1 to 200 visible ASCII characters; the same key and request
        always get the same job; None: a new key, with which this call's own retries start nothing twice.

        Raises BadRequest, Busy, OutputRefused and NotReady among others. After UnreachableError the job may run all the
        same: only the same key tells.
        """
        body = {
            "output_dir": output_dir,
            "num_episodes": num_episodes,
            "skill": skill,
            "seed": seed,
            "steps_per_segment": steps_per_segment,
            "use_ycb": use_ycb,
            "randomize": randomize,
            "num_objects": num_objects,
            "resume": resume,
        }
        headers = {"Idempotency-Key": uuid.uuid4().hex if idempotency_key is None else _visible(idempotency_key)}
        return self._record(JobInfo, "POST", "/collect/start", body=body, headers=headers, repeatable=True)

    def status(self) -> StatusInfo:
        return self._record(StatusInfo, "GET", "/collect/status")

    def stop(self, mode: Literal["after_episode", "now"] = "after_episode") -> StatusInfo:
        """End the running job, if there is one. "now" discards the episode under way; finished ones are kept."""
        return self._record(StatusInfo, "POST", "/collect/stop", body={"mode": mode}, repeatable=True)

    def job(self, job_id: str) -> JobInfo:
        return self._record(JobInfo, "GET", f"/collect/jobs/{quote(job_id, safe='')}")

    def jobs(self, limit: int = 50) -> tuple[JobInfo, ...]:
        """Of the whole history, the newest first. limit: 1 to 500."""
        return self._records(JobInfo, "/collect/jobs", "jobs", {"limit": limit})

    def events(self, last_event_id: str | None = None, timeout_s: float | None = None) -> Iterator[ServerEvent]:
        """The status, then what happens, as it happens. With the id of an earlier event: every event after it, none
        twice and none left out; where those are no longer kept, an event "reset" with the status comes instead.

        Reconnects by itself and goes on where it was. Ends when you stop reading, or at the first event or heartbeat
        (every 15 s) after timeout_s. Raises UnreachableError when the service stays away for five minutes.
        """
        return iter(EventStream(self._transport, last_event_id, timeout_s))

    def wait(
        self, job_id: str, timeout_s: float | None = None, on_progress: Callable[[JobInfo], object] | None = None
    ) -> JobInfo:
        """The job when it is over, however it ended. on_progress: called with the job twice a second, and with its end.

        Outlives a service that is away for up to five minutes; a job that ended with it is "interrupted". Raises
        StillRunningError after timeout_s; the job goes on.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        job: JobInfo | None = None  # stays so until the service is heard of
        away_since: float | None = None
        while True:
            try:
                job = self.job(job_id)
                away_since = None
            except BridgeError as error:
                now = time.monotonic()
                if not is_away(error) or job is None or (away_since is not None and now - away_since > AWAY_S):
                    raise
                if away_since is None:
                    away_since = now
                    _log.warning("%s; trying again for %g s", error, AWAY_S)
            else:
                if on_progress is not None:
                    on_progress(job)
                if not job.running:
                    return job
            now = time.monotonic()
            if end is not None and now >= end:
                raise StillRunningError(f"the job {job_id} is not over after {timeout_s:g} s; it goes on", job)
            time.sleep(POLL_S if end is None else min(POLL_S, end - now))

    def play(self) -> SimInfo:
        """Let simulated time pass. Raises Busy while a job runs, as `pause` and `reset` do."""
        return self._record(SimInfo, "POST", "/sim/play")

    def pause(self) -> SimInfo:
        return self._record(SimInfo, "POST", "/sim/pause")

    def reset(self, seed: int = 0) -> SimInfo:
        """Put the arm at HOME and lay the scene out anew. seed: of the layout."""
        return self._record(SimInfo, "POST", "/sim/reset", body={"seed": seed})

    def sim_state(self) -> SimInfo:
        return self._record(SimInfo, "GET", "/sim/state")

    def datasets(self) -> tuple[DatasetInfo, ...]:
        """The last modified first."""
        return self._records(DatasetInfo, "/datasets", "datasets")

    def dataset(self, name: str) -> DatasetInfo:
        return self._record(DatasetInfo, "GET", _dataset_path(name), query={"limit": 1})

    def episodes(self, name: str) -> Iterator[EpisodeInfo]:
        """Of one dataset, in order; asks for a thousand at a time."""
        offset = 0
        while True:
            query = {"offset": offset, "limit": PAGE}
            page = self._records(EpisodeInfo, _dataset_path(name), "episode_list", query)
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE

    def video(self, name: str, episode: int, camera: str) -> bytes:
        """An MP4 of that one episode. episode: its position in the dataset."""
        return self._transport.call(
            "GET", f"{_dataset_path(name)}/episodes/{episode}/{quote(camera, safe='')}.mp4", repeatable=True
        )

    def cameras(self) -> tuple[CameraInfo, ...]:
        return self._records(CameraInfo, "/cameras", "cameras")

    def snapshot(self, camera: str) -> bytes:
        """A JPEG of what the camera sees now."""
        return self._transport.call("GET", f"/cameras/{quote(camera, safe='')}.jpg", repeatable=True)

    def ready(self) -> bool:
        """Whether a job could start. Raises UnreachableError where nobody answers."""
        try:
            self._transport.call("GET", "/readyz", repeatable=False)
        except NotReady:
            return False
        return True

    def _record(
        self,
        kind: type[_Record],
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        repeatable: bool | None = None,
    ) -> _Record:
        """repeatable: None: as the method promises."""
        again = method == "GET" if repeatable is None else repeatable
        reply = self._transport.json(method, path, body=body, headers=headers, query=query, repeatable=again)
        return record(kind, reply, self._transport.where(method, path))

    def _records(
        self, kind: type[_Record], path: str, key: str, query: Mapping[str, str | int] | None = None
    ) -> tuple[_Record, ...]:
        where = self._transport.where("GET", path)
        listed = self._transport.json("GET", path, query=query, repeatable=True).get(key)
        if not isinstance(listed, list):
            raise BadReplyError(f'{where}: the reply has no list "{key}"')
        return tuple(record(kind, item, f"{where}: {key}[{i}]") for i, item in enumerate(listed))


def _dataset_path(name: str) -> str:
    return f"/datasets/{quote(name)}"


def _visible(key: str) -> str:
    if not (key.isascii() and key.isprintable() and key):
        raise BadArgumentError(f"the idempotency key must be visible ASCII characters, got {key!r:.80}")
    return key
