"""The shapes of bodies, for the OpenAPI document alone: `messages` parses and `rendering` renders without them."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import RAISE, Schema, fields
from marshmallow.validate import Length, OneOf, Range

from bridge import messages
from sim_service.commands import CollectRequest, Preset, StopMode
from sim_service.ports import JobState, ServiceState

_DEFAULTS = CollectRequest("")


def _integer(low: int | None = 0, high: int | None = None, **options: Any) -> fields.Integer:
    return fields.Integer(validate=Range(low, high), strict=True, **options)


def _given(field: type[fields.Field[Any]] = fields.String, **options: Any) -> fields.Field[Any]:
    """A field that is always there."""
    return field(required=True, **options)


def _nullable(field: type[fields.Field[Any]] = fields.String, **options: Any) -> fields.Field[Any]:
    """A field that is always there and may be null."""
    return field(required=True, allow_none=True, **options)


def _state(states: Any, **options: Any) -> fields.String:
    return fields.String(required=True, validate=OneOf(get_args(states)), **options)


def _counts(description: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": description}
    )


class _Exact(Schema):
    """Has the fields that it lists and no other."""

    class Meta:
        unknown = RAISE


class FieldErrorSchema(_Exact):
    field = _given(metadata={"description": 'In the body or the query, or a header; "body" for all of it'})
    message = _given()


class ProblemSchema(Schema):
    """RFC 9457."""

    type = _given(metadata={"description": "urn:isaac-collect:problem: and a slug"})
    title = _given()
    status = _integer(400, 599, required=True)
    detail = _given()
    instance = _given(metadata={"description": "The path that was asked"})
    errors = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "Every bad field of a 400"})
    job_id = fields.String(metadata={"description": "The job that is in the way of a 409"})
    retry_after_s = _integer(0, metadata={"description": "When to try again, as the header Retry-After says"})


class StartRequestSchema(_Exact):
    output_dir = _given(
        validate=Length(1, messages.MAX_OUTPUT_DIR_CHARACTERS),
        metadata={"description": "Folder of the dataset: relative to the data root, or absolute inside it"},
    )
    skill = fields.String(load_default=_DEFAULTS.skill)
    num_episodes = _integer(1, messages.MAX_EPISODES, load_default=_DEFAULTS.num_episodes)
    seed = _integer(0, messages.MAX_SEED, load_default=_DEFAULTS.seed)
    steps_per_segment = _integer(*messages.STEPS_PER_SEGMENT, load_default=_DEFAULTS.steps_per_segment)
    use_ycb = fields.Boolean(load_default=_DEFAULTS.use_ycb)
    randomize = fields.String(
        validate=OneOf(get_args(Preset)),
        load_default=_DEFAULTS.randomize,
        metadata={"description": "What varies from episode to episode besides the layout"},
    )
    num_objects = _integer(
        1,
        messages.MAX_OBJECTS,
        load_default=_DEFAULTS.num_objects,
        allow_none=True,
        metadata={"description": "On the table, the target among them; null: what `randomize` says"},
    )
    resume = fields.Boolean(load_default=_DEFAULTS.resume)


class StopRequestSchema(_Exact):
    mode = fields.String(validate=OneOf(get_args(StopMode)), load_default="after_episode")


class ResetRequestSchema(_Exact):
    seed = _integer(0, messages.MAX_SEED, load_default=0)


class NothingSchema(_Exact):
    """No field."""


class TokenSchema(_Exact):
    token = _given(validate=Length(1))


class ProgressSchema(_Exact):
    requested = _integer(required=True)
    completed = _integer(required=True)
    exhausted = _integer(required=True, metadata={"description": "Episodes given up"})
    current_episode = _integer(required=True, allow_none=True)
    attempt = _integer(required=True)
    frame = _integer(required=True)
    frames = _integer(required=True)
    phase = _given()
    fraction = fields.Float(required=True, validate=Range(0, 1))


class RecordedRequestSchema(_Exact):
    output_dir = _given()
    skill = _given()
    num_episodes = _integer(required=True)
    seed = _integer(required=True)
    steps_per_segment = _integer(required=True)
    use_ycb = _given(fields.Boolean)
    randomize = fields.String(
        required=True,
        allow_none=True,
        validate=OneOf([*get_args(Preset), None]),
        metadata={"description": "null where the page of a batch run shows one with ranges of its own"},
    )
    num_objects = _integer(required=True, allow_none=True)
    resume = _given(fields.Boolean)


class JobSchema(_Exact):
    id = _given()
    state = _state(JobState)
    skill = _given()
    request = fields.Nested(RecordedRequestSchema, required=True)
    output_dir = _given(metadata={"description": "Absolute path"})
    dataset = _given(metadata={"description": "Name among the datasets"})
    progress = fields.Nested(ProgressSchema, required=True)
    attempts = _integer(required=True)
    successes = _integer(required=True)
    success_rate = _nullable(fields.Float)
    failures = _counts("Reason to number of attempts")
    frames = _integer(required=True)
    frames_per_s = _nullable(fields.Float)
    eta_s = _nullable(fields.Float)
    started_at = _given(fields.DateTime)
    finished_at = _nullable(fields.DateTime)
    error = _nullable()


class JobListSchema(_Exact):
    jobs = fields.List(fields.Nested(JobSchema), required=True)


class StatusSchema(_Exact):
    """Of the running job, else of the last one since the process began."""

    state = _state(ServiceState)
    job_id = _nullable()
    job_state = fields.String(required=True, allow_none=True, validate=OneOf([*get_args(JobState), None]))
    skill = _nullable()
    progress = fields.Nested(ProgressSchema, required=True, allow_none=True)
    attempts = _integer(required=True)
    successes = _integer(required=True)
    success_rate = _nullable(fields.Float)
    failures = _counts("Reason to number of attempts")
    frames = _integer(required=True)
    frames_per_s = _nullable(fields.Float)
    eta_s = _nullable(fields.Float)
    output_dir = _nullable()
    dataset = _nullable()
    started_at = _nullable(fields.DateTime)
    finished_at = _nullable(fields.DateTime)
    error = _nullable()
    last_event_id = _nullable(metadata={"description": "Where /collect/events goes on without a gap"})
    viewers = _integer(required=True)
    read_only = _given(fields.Boolean)
    data_root = _given()
    version = _given()


class SimulatorSchema(_Exact):
    name = _given()
    playing = _given(fields.Boolean)
    time_s = _nullable(fields.Float)
    control_period_s = _given(fields.Float)
    versions = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    state = _state(ServiceState)


class DatasetSchema(_Exact):
    name = _given()
    episodes = _integer(required=True)
    frames = _integer(required=True)
    fps = _integer(required=True)
    robot_type = _given()
    cameras = fields.List(fields.String(), required=True)
    size_bytes = _integer(required=True)
    modified_at = _nullable(fields.DateTime)
    simulator = _nullable()
    seed = _nullable(fields.Integer)
    attempts = _nullable(fields.Integer)
    successes = _nullable(fields.Integer)
    success_rate = _nullable(fields.Float)
    failures = _counts("Reason to number of attempts")
    has_report = _given(fields.Boolean)
    error = _nullable(metadata={"description": "Why the dataset cannot be read"})


class DatasetListSchema(_Exact):
    datasets = fields.List(fields.Nested(DatasetSchema), required=True)


class EpisodeSchema(_Exact):
    episode = _integer(required=True, metadata={"description": "Position in the dataset"})
    index = _nullable(fields.Integer, metadata={"description": "Index that the episode was drawn by"})
    frames = _integer(required=True)
    duration_s = _given(fields.Float)
    task = _given()
    attempt = _nullable(fields.Integer)
    success = _nullable(fields.Boolean)
    failure_reason = _nullable()
    placement_error_m = _nullable(fields.Float)
    object = _nullable()
    object_colour = _nullable()
    videos = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": "Camera to path"}
    )


class DatasetPageSchema(DatasetSchema):
    episode_list = fields.List(fields.Nested(EpisodeSchema), required=True)
    offset = _integer(required=True)
    limit = _integer(required=True)


class CameraSchema(_Exact):
    name = _given()
    snapshot = _given()
    mjpeg = _given()
    whep = _given()


class LiveSchema(_Exact):
    max_fps = _integer(required=True)
    max_size_px = _integer(required=True)


class CameraListSchema(_Exact):
    cameras = fields.List(fields.Nested(CameraSchema), required=True)
    viewers = _integer(required=True)
    live = fields.Nested(LiveSchema, required=True)


class HealthSchema(_Exact):
    status = fields.String(required=True, validate=OneOf(["ok"]))


class ReadinessSchema(_Exact):
    status = fields.String(required=True, validate=OneOf(["ready"]))


class SessionSchema(_Exact):
    token_required = _given(fields.Boolean)
    authenticated = _given(fields.Boolean)
    read_only = _given(fields.Boolean)
