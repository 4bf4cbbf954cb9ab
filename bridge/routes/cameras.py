"""/cameras: live pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from flask import Response
from flask_smorest import Blueprint

from bridge.backend import Backend, root_path
from bridge.body import read_body
from bridge.messages import BadRequestError, FieldError
from bridge.mjpeg import CONTENT_TYPE as MJPEG
from bridge.mjpeg import mjpeg_stream
from bridge.problems import Problem
from bridge.rendering import cameras_json
from bridge.routes.documentation import BINARY, OF_BODIES, TEXT, route
from bridge.routes.responses import json_response
from bridge.schemas import CameraListSchema
from bridge.stream_response import stream
from sim_service.commands import NotReadyError
from sim_service.ports import Frame

SDP: Final = "application/sdp"
FRESH_S: Final = 0.5  # a picture this young is one of now
SNAPSHOT_TIMEOUT_S: Final = 3.0


def cameras_blueprint(backend: Backend) -> Blueprint:
    blueprint = Blueprint("cameras", __name__, url_prefix="/cameras", description="Live pictures")
    frames, live = backend.frames, backend.live

    def picture_of_now(camera: str) -> Frame:
        with backend.waiting(), frames.watch():
            latest = frames.latest(camera)
            if latest is not None and time.monotonic() - latest.taken_at <= FRESH_S:
                return latest
            newer = frames.wait(camera, latest.number if latest is not None else 0, SNAPSHOT_TIMEOUT_S)
        if newer is None:
            raise NotReadyError(f"no picture of {camera} came within {SNAPSHOT_TIMEOUT_S:g} s")
        return newer

    @route(blueprint, "GET", "", 200, CameraListSchema)
    def cameras() -> Response:
        """The cameras, and where their pictures are"""
        return json_response(cameras_json(frames.cameras, frames.viewers, backend.config.live, root_path()))

    @route(blueprint, "GET", "/<camera>.jpg", 200, BINARY, "image/jpeg", problems=(404, 503))
    def snapshot(camera: str) -> Response:
        """A picture of now"""
        backend.require_camera(camera)
        return Response(live.jpeg(picture_of_now(camera)), content_type="image/jpeg")

    @route(blueprint, "GET", "/<camera>.mjpg", 200, BINARY, MJPEG.partition(";")[0], problems=(404, 503))
    def mjpeg(camera: str) -> Response:
        """Pictures for as long as somebody looks"""
        backend.require_camera(camera)

        def chunks(gone: Callable[[], bool]) -> Iterator[bytes]:
            return mjpeg_stream(frames, camera, live.jpeg, backend.closing, gone, backend.config.live.max_fps)

        return stream(chunks, MJPEG, backend.streams)

    @route(
        blueprint,
        "POST",
        "/<camera>/whep",
        201,
        TEXT,
        SDP,
        headers={"Location": "Path of the session, to DELETE"},
        problems=(*OF_BODIES, 404, 422, 503),
        body={"required": True, "content": {SDP: {"schema": TEXT}}},
    )
    def whep(camera: str) -> Response:
        """Live video by WebRTC: an offer of it is answered (WHEP, without trickle)"""
        backend.require_camera(camera)
        data = read_body(SDP)
        try:
            offer = data.decode("utf-8")
        except UnicodeDecodeError as error:
            fault = f"must be UTF-8; byte {error.start} is not"
            raise BadRequestError([FieldError("body", fault)]) from error
        with backend.waiting():
            session = live.answer(camera, offer)
        location = f"{root_path()}/cameras/{quote(camera, safe='')}/whep/{session.id}"
        return Response(session.answer_sdp, 201, {"Location": location}, content_type=SDP)

    @route(blueprint, "DELETE", "/<camera>/whep/<session_id>", 204, problems=(404,))
    def end_session(camera: str, session_id: str) -> Response:
        """End live video"""
        backend.require_camera(camera)
        if not live.end(session_id):
            raise Problem(404, "not-found", f"there is no session {session_id!r}")
        return Response(status=204)

    return blueprint
