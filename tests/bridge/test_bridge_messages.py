"""From bytes and JSON to commands."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from bridge import messages
from bridge.messages import BadRequestError
from sim_service.commands import CollectRequest, ResetScene, StopCollection
from sim_service.ports import OutputDirError

SKILLS = ("pick_place", "stack")


def locate(path: str) -> str:
    if path.startswith("/"):
        raise OutputDirError(f"{path!r} is outside")
    return path


def start(**fields: Any) -> CollectRequest:
    return messages.parse_start({"output_dir": "a", **fields}, SKILLS, locate)


def fields_of(error: BadRequestError) -> list[str]:
    return [fault.field for fault in error.errors]


def test_what_is_left_out_has_the_defaults_of_the_request() -> None:
    assert start() == CollectRequest("a")


def test_every_field_arrives() -> None:
    request = CollectRequest("b/c", "stack", 7, 2**63 - 1, 600, True, "full", 6, True)
    assert messages.parse_start(dataclasses.asdict(request), SKILLS, locate) == request


def test_the_dataset_has_the_name_that_the_data_root_gives_it() -> None:
    assert messages.parse_start({"output_dir": "x"}, SKILLS, lambda path: f"in/{path}").output_dir == "in/x"


def test_every_bad_field_is_listed_with_what_was_found() -> None:
    body = {
        "output_dir": "/elsewhere",
        "skill": "juggle",
        "num_episodes": 0,
        "seed": "7",
        "steps_per_segment": 4,
        "use_ycb": 1,
        "randomize": "mine.yaml",
        "num_objects": 7,
        "resume": None,
        "colour": "red",
    }
    with pytest.raises(BadRequestError) as caught:
        messages.parse_start(body, SKILLS, locate)
    assert sorted(fields_of(caught.value)) == sorted(body)
    found = {fault.field: fault.message for fault in caught.value.errors}
    assert found["output_dir"] == "'/elsewhere' is outside"
    assert found["skill"] == 'must be "pick_place" or "stack"; found "juggle"'
    assert found["num_episodes"] == "must be an integer from 1 to 1000000; found 0"
    assert found["seed"] == 'must be an integer from 0 to 9223372036854775807; found "7"'
    assert found["randomize"] == 'must be "none" or "light" or "full"; found "mine.yaml"'
    assert found["num_objects"] == "must be an integer from 1 to 6 or null; found 7"
    assert found["use_ycb"] == "must be true or false; found 1"
    assert found["resume"] == "must be true or false; found null"
    assert "output_dir, skill, num_episodes" in found["colour"]


NO_COUNTS = [True, False, 1.0, 1.5, "1", [], {}, -1, 2**63, 10**400]


@pytest.mark.parametrize("value", NO_COUNTS)
def test_the_number_of_objects_is_an_integer_or_null(value: object) -> None:
    assert start(num_objects=None).num_objects is None
    with pytest.raises(BadRequestError, match="must be an integer from 1 to 6 or null; found ") as caught:
        start(num_objects=value)
    assert fields_of(caught.value) == ["num_objects"]


@pytest.mark.parametrize("name", ["num_episodes", "seed", "steps_per_segment"])
@pytest.mark.parametrize("value", [*NO_COUNTS, None])
def test_integers_are_integers_in_range(name: str, value: object) -> None:
    with pytest.raises(BadRequestError) as caught:
        start(**{name: value})
    assert fields_of(caught.value) == [name]
    assert len(caught.value.errors[0].message) < 200


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("num_episodes", 1, 1_000_000),
        ("seed", 0, 2**63 - 1),
        ("steps_per_segment", 5, 600),
        ("num_objects", 1, 6),
    ],
)
def test_the_bounds_are_allowed_and_what_is_beyond_them_is_not(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(start(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(BadRequestError):
            start(**{name: value})


@pytest.mark.parametrize("value", ["", "Full", "{}", "{preset: full}", None, 1, True, [], {}])
def test_a_randomization_is_a_preset_by_name(value: object) -> None:
    for name in ("none", "light", "full"):
        assert start(randomize=name).randomize == name
    with pytest.raises(BadRequestError) as caught:
        start(randomize=value)
    assert fields_of(caught.value) == ["randomize"]


@pytest.mark.parametrize("value", [None, "", 5, True, [], "a\0b", "a\nb", "\ud800", "x" * 1025])
def test_an_output_dir_is_printable_text(value: object) -> None:
    with pytest.raises(BadRequestError) as caught:
        start(output_dir=value)
    assert fields_of(caught.value) == ["output_dir"]
    json.dumps(str(caught.value)).encode()  # can be said


def test_a_missing_output_dir_is_required() -> None:
    with pytest.raises(BadRequestError, match="output_dir: is required"):
        messages.parse_start({}, SKILLS, locate)


@pytest.mark.parametrize("body", [[], "text", 5, None, True, [{"output_dir": "a"}]])
def test_a_body_is_an_object(body: object) -> None:
    for parse in (
        lambda: messages.parse_start(body, SKILLS, locate),
        lambda: messages.parse_stop(body),
        lambda: messages.parse_reset(body),
        lambda: messages.parse_token(body),
        lambda: messages.parse_nothing(body),
    ):
        with pytest.raises(BadRequestError, match="body: must be a JSON object"):
            parse()


def test_stop_and_reset_have_defaults() -> None:
    assert messages.parse_stop({}) == StopCollection("after_episode")
    assert messages.parse_stop({"mode": "now"}) == StopCollection("now")
    assert messages.parse_reset({}) == ResetScene(0)
    assert messages.parse_reset({"seed": 3}) == ResetScene(3)


@pytest.mark.parametrize("body", [{"mode": "soon"}, {"mode": None}, {"mode": "now", "when": 1}])
def test_a_bad_stop_is_refused(body: object) -> None:
    with pytest.raises(BadRequestError):
        messages.parse_stop(body)


def test_a_field_where_none_is_allowed_is_refused() -> None:
    with pytest.raises(BadRequestError, match="no field is allowed"):
        messages.parse_nothing({"a": 1})


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": 5}, {"token": "a", "user": "b"}])
def test_a_bad_token_body_is_refused(body: object) -> None:
    with pytest.raises(BadRequestError):
        messages.parse_token(body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": Infinity}',
        b"\xff\xfe",
        b'{"a": "\xc3"}',
        "{}".encode("utf-16"),
        "\ufeff{}".encode(),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"{} {}",
        b'{"a": 01}',
    ],
)
def test_what_is_no_json_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequestError) as caught:
        messages.load_json(data)
    assert fields_of(caught.value) == ["body"]


def test_a_number_of_sixty_thousand_digits_is_a_bad_request() -> None:
    data = b'{"output_dir": "a", "seed": ' + b"9" * 60_000 + b"}"
    with pytest.raises(BadRequestError):
        messages.parse_start(messages.load_json(data), SKILLS, locate)


def test_json_is_read_back() -> None:
    value = {"a": [1, 2.5, None, True, "ü"]}
    assert messages.load_json(json.dumps(value, ensure_ascii=False).encode()) == value
    assert math.isinf(messages.load_json(b"1e999"))  # type: ignore[arg-type]  # JSON allows it; integers refuse it


@pytest.mark.parametrize("key", ["a", "!~", "k" * 200, "550e8400-e29b-41d4-a716-446655440000"])
def test_visible_ascii_is_a_key(key: str) -> None:
    assert messages.parse_idempotency_key(key) == key


def test_no_header_is_no_key() -> None:
    assert messages.parse_idempotency_key(None) is None


@pytest.mark.parametrize("key", ["", "k" * 201, "a b", "a\tb", "ä", "\x7f", "a\n"])
def test_anything_else_is_no_key(key: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        messages.parse_idempotency_key(key)
    assert fields_of(caught.value) == ["Idempotency-Key"]


def test_a_page_has_defaults_and_bounds() -> None:
    assert messages.parse_page({}) == messages.Page(0, 100)
    assert messages.parse_page({"offset": "1000000000", "limit": "1000"}) == messages.Page(10**9, 1000)
    assert messages.parse_jobs_limit({}) == 50
    assert messages.parse_jobs_limit({"limit": "500"}) == 500


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.0", "+1", " 1", "1_0", "٣", "9" * 5000, "1001"])
def test_a_bad_query_value_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        messages.parse_page({"limit": text, "offset": "x"})
    assert fields_of(caught.value) == ["offset", "limit"]
    with pytest.raises(BadRequestError):
        messages.parse_jobs_limit({"limit": text})
