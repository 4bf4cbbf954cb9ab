"""How a call of the Bridge API can fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bridge.client_records import JobInfo

PROBLEM_PREFIX: Final = "urn:isaac-collect:problem:"


class BridgeError(Exception):
    """Base of everything that the client raises."""


class BadArgumentError(BridgeError):
    """A URL, token or key that cannot be sent."""


class UnreachableError(BridgeError):
    """Nobody answered, or not to the end."""


class BadReplyError(BridgeError):
    """Something answered, but not as the Bridge API does; the message names server, path and what is amiss."""


class StillRunningError(BridgeError):
    """The time to wait is over and the job is not. job: as last seen."""

    def __init__(self, message: str, job: JobInfo | None) -> None:
        super().__init__(message)
        self.job = job


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemError(BridgeError):
    """The service refused. slug: kind of the problem, such as "busy"; empty where something else than the service, a
    proxy say, refused. errors: of every bad field. job_id: which job is running. retry_after_s: when to try again.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        job_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        text = detail or title
        untold = "; ".join(f"{error.field}: {error.message}" for error in errors if error.message not in detail)
        super().__init__(f"{text} ({untold})" if untold else text)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.job_id = job_id
        self.retry_after_s = retry_after_s


class BadRequest(ProblemError):
    """400: `errors` lists every bad field."""


class Unauthorized(ProblemError):
    """401: no token or a wrong one."""


class Forbidden(ProblemError):
    """403: the Host or Origin is not allowed, or the service is read-only."""


class NotFound(ProblemError):
    """404: no such job, dataset, episode or camera."""


class Busy(ProblemError):
    """409: the job `job_id` is running."""


class OutputRefused(ProblemError):
    """409: no dataset can be started or continued in that folder."""


class NotReady(ProblemError):
    """503: the simulator is starting, shutting down, has failed or does not answer; or too much waits already."""


_BY_SLUG: Final[Mapping[str, type[ProblemError]]] = {"busy": Busy, "output-refused": OutputRefused}
_BY_STATUS: Final[Mapping[int, type[ProblemError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    503: NotReady,
}


def problem_from(status: int, body: Mapping[str, Any], retry_after_s: float | None = None) -> ProblemError:
    """The error of an RFC 9457 body. What it leaves out is empty: an error is no place to fail in."""
    slug = str(body.get("type", "")).removeprefix(PROBLEM_PREFIX)
    kind = _BY_SLUG.get(slug) or _BY_STATUS.get(status, ProblemError)
    listed = body.get("errors")
    errors = [
        FieldError(str(error.get("field", "")), str(error.get("message", "")))
        for error in (listed if isinstance(listed, list) else [])
        if isinstance(error, dict)
    ]
    job_id = body.get("job_id")
    return kind(
        status,
        slug,
        str(body.get("title", "")),
        str(body.get("detail", "")),
        errors,
        None if job_id is None else str(job_id),
        retry_after_s,
    )
