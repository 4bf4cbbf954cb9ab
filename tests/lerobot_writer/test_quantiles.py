"""Quantiles by radix selection are numpy's, to the bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lerobot_writer.quantiles import exact_quantiles

FRACTIONS = [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0]
ROWS = [1, 2, 3, 7, 100, 1001, 20_000]


def quantiles(x: NDArray[Any], rows_at_once: int = 333) -> NDArray[np.float64]:
    def blocks() -> Iterator[NDArray[Any]]:
        for start in range(0, len(x), rows_at_once):
            yield x[start : start + rows_at_once]

    exact = x.astype(np.float64)
    return exact_quantiles(blocks, len(x), exact.min(axis=0), exact.max(axis=0), FRACTIONS)


def draw(kind: str, rows: int) -> NDArray[Any]:
    rng = np.random.default_rng([rows, len(kind)])
    shape = (rows, 3)
    values: dict[str, NDArray[Any]] = {
        "normal": rng.normal(size=shape).astype(np.float32),
        "denormal": (rng.normal(size=shape) * 1e-42).astype(np.float32),
        "every exponent": (rng.choice([-1, 1], shape) * 10.0 ** rng.uniform(-38, 38, shape)).astype(np.float32),
        "one value": np.full(shape, -2.5, np.float32),
        "zeros of both signs": rng.choice(np.array([-0.0, 0.0], np.float32), shape),
        "few values": rng.choice(np.array([-1, 0, 0.04], np.float32), shape),
        "counted": np.arange(rows * 3).reshape(shape),
        "large integers": rng.integers(-(2**52), 2**52, shape),
        "one integer": np.full(shape, 7),
        "rarely true": rng.random(shape) > 0.98,
        "never true": np.zeros(shape, bool),
    }
    return values[kind]


KINDS = (
    *("normal", "denormal", "every exponent", "one value", "zeros of both signs", "few values"),
    *("counted", "large integers", "one integer", "rarely true", "never true"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", ROWS)
def test_they_are_those_of_numpy(kind: str, rows: int) -> None:
    x = draw(kind, rows)
    np.testing.assert_array_equal(quantiles(x), np.quantile(x.astype(np.float64), FRACTIONS, axis=0))


def test_how_the_values_are_cut_into_blocks_does_not_matter() -> None:
    x = draw("normal", 1001)
    for rows_at_once in (1, 10, 1001):
        np.testing.assert_array_equal(quantiles(x, rows_at_once), quantiles(x))


def test_values_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        quantiles(np.zeros((3, 1)))
