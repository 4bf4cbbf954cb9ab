"""/datasets: what was collected."""

from __future__ import annotations

from typing import Final

from flask import Response, request
from flask_smorest import Blueprint
from werkzeug.routing import BaseConverter, IntegerConverter, PathConverter

from bridge import messages
from bridge.backend import Backend, root_path
from bridge.file_response import respond_with
from bridge.rendering import dataset_json, dataset_page_json
from bridge.routes.documentation import BINARY, TEXT, header, query_integer, route
from bridge.routes.responses import json_response
from bridge.schemas import DatasetListSchema, DatasetPageSchema

REPORT_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; frame-ancestors 'self'"
)


class DatasetConverter(PathConverter):
    """A dataset's name: any path but one with a NUL, which no file has."""

    regex = r"[^/\x00][^\x00]*?"


class EpisodeConverter(IntegerConverter):
    """A number that no dataset outgrows, in ASCII digits."""

    regex = "[0-9]{1,9}"


DATASET_CONVERTERS: Final[dict[str, type[BaseConverter]]] = {"dataset": DatasetConverter, "episode": EpisodeConverter}


def datasets_blueprint(backend: Backend) -> Blueprint:
    """Needs DATASET_CONVERTERS in the application's URL map."""
    blueprint = Blueprint("datasets", __name__, url_prefix="/datasets", description="What was collected")
    catalogue = backend.catalogue

    @route(blueprint, "GET", "", 200, DatasetListSchema)
    def datasets() -> Response:
        """All datasets, the last modified first"""
        return json_response({"datasets": [dataset_json(summary) for summary in catalogue.datasets()]})

    @route(
        blueprint,
        "GET",
        "/<dataset:name>",
        200,
        DatasetPageSchema,
        problems=(400, 404, 422),
        parameters=[
            query_integer("offset", 0, 0, messages.MAX_OFFSET),
            query_integer("limit", 100, 1, messages.MAX_EPISODES_PER_PAGE),
        ],
    )
    def dataset(name: str) -> Response:
        """One dataset and some of its episodes"""
        page = messages.parse_page(request.args)
        summary = catalogue.dataset(name)
        episodes = catalogue.episodes(name, page.offset, page.limit)
        return json_response(dataset_page_json(summary, episodes, page, root_path()))

    @route(
        blueprint,
        "GET",
        "/<dataset:name>/episodes/<episode:episode>/<camera>.mp4",
        200,
        BINARY,
        "video/mp4",
        headers={"ETag": "Of the content"},
        others={206: BINARY, 304: None},
        problems=(404, 412, 416, 422),
        parameters=[
            header("Range", "One range of bytes; of several, all is sent"),
            header("If-None-Match", "Nothing is sent where the video has this ETag"),
        ],
    )
    def video(name: str, episode: int, camera: str) -> Response:
        """One episode as one camera saw it"""
        found = catalogue.video(name, episode, camera)
        return respond_with(found.content, "video/mp4", found.etag)

    @route(
        blueprint,
        "GET",
        "/<dataset:name>/report",
        200,
        TEXT,
        "text/html",
        others={206: TEXT, 304: None},
        problems=(404, 412, 416, 422),
    )
    def report(name: str) -> Response:
        """The report on a dataset, for a person"""
        response = respond_with(catalogue.report(name), "text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = REPORT_POLICY
        return response

    return blueprint
