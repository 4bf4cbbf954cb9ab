"""Exact quantiles of more values than memory holds, by radix selection: each pass counts 11 more bits of the values
that are still in question. No value is ever approximated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_DIGIT_BITS: Final = 11  # three passes for float32; the counts of all dimensions stay in the processor's cache


def exact_quantiles(
    read_blocks: Callable[[], Iterator[NDArray[Any]]],
    count: int,
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
    fractions: Sequence[float],
) -> NDArray[np.float64]:
    """What `numpy.quantile(values.astype(float64), fractions, axis=0)` is of the finite values, shape (len(fractions),
    D), to the bit. Memory grows with D alone.

    read_blocks: yields the values in blocks of shape (n, D), float32, int64 or bool, `count` rows in all; called a few
    times. minimum, maximum: of each dimension, shape (D,).
    """
    positions = np.asarray(fractions, dtype=np.float64) * (count - 1)
    below = np.floor(positions).astype(np.int64)
    ranks = np.unique(np.concatenate([below, np.minimum(below + 1, count - 1)]))
    found = np.stack(_select(read_blocks, ranks, minimum, maximum), axis=1)  # (ranks, D)
    low = found[np.searchsorted(ranks, below)]
    high = found[np.searchsorted(ranks, np.minimum(below + 1, count - 1))]
    return _interpolate(low, high, (positions - below)[:, None])


def _interpolate(low: NDArray[np.float64], high: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """As numpy does, from the nearer side (`_lerp` in numpy/lib/_function_base_impl.py)."""
    step = high - low
    return np.asarray(np.where(part < 0.5, low + step * part, high - step * (1 - part)))


def _select(
    read_blocks: Callable[[], Iterator[NDArray[Any]]],
    ranks: NDArray[np.int64],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """The values of these ranks, in rising order, for each dimension."""
    first = next(iter(read_blocks()))
    codes = [_Code(first.dtype, low, high) for low, high in zip(minimum.tolist(), maximum.tolist(), strict=True)]
    searches = [_Search(code.bits, ranks) for code in codes]
    while any(search.bits_left for search in searches):
        for block in read_blocks():
            for dimension, (code, search) in enumerate(zip(codes, searches, strict=True)):
                if search.bits_left:
                    search.count(code.keys(block[:, dimension]))
        for search in searches:
            search.narrow()
    return [code.values(search.keys) for code, search in zip(codes, searches, strict=True)]


class _Code:
    """Values as unsigned integers of the same order, as few bits as their range needs."""

    def __init__(self, dtype: np.dtype[Any], minimum: float, maximum: float) -> None:
        self._is_float = dtype == np.float32
        if not self._is_float and dtype.kind not in "bi":
            raise TypeError(f"values must be float32, integers or bool, got {dtype}")
        self._minimum = 0 if self._is_float else int(minimum)
        self.bits = 32 if self._is_float else (int(maximum) - int(minimum)).bit_length()

    def keys(self, values: NDArray[Any]) -> Keys:
        if not self._is_float:
            return (values.astype(np.int64) - self._minimum).astype(np.uint64)
        bits = np.ascontiguousarray(values).view(np.uint32)
        # IEEE 754: magnitudes in order as integers; negative ones the other way round
        ordered = np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
        return ordered.astype(np.uint64)

    def values(self, keys: Keys) -> NDArray[np.float64]:
        if not self._is_float:
            return (keys.astype(np.int64) + self._minimum).astype(np.float64)
        ordered = keys.astype(np.uint32)
        bits = np.where(ordered >> np.uint32(31), ordered & np.uint32((1 << 31) - 1), ~ordered)
        return bits.astype(np.uint32).view(np.float32).astype(np.float64)


class _Search:
    """The keys of some ranks in one dimension, found from their highest bits down. `keys`: what is known of them."""

    def __init__(self, bits: int, ranks: NDArray[np.int64]) -> None:
        self.bits_left = bits
        self.keys: Keys = np.zeros(len(ranks), np.uint64)
        self._ranks = ranks.copy()  # among the values that begin like the key
        self._everything = True  # no bit is known yet: every value begins like it
        self._top_shift = np.uint64(max(bits - _DIGIT_BITS, 0))
        self._begins = np.zeros(1 << _DIGIT_BITS, bool)
        self._begin()

    def _begin(self) -> None:
        self._shift = np.uint64(max(self.bits_left - _DIGIT_BITS, 0))
        self._width = min(self.bits_left, _DIGIT_BITS)
        self._prefixes = np.unique(self.keys)
        self._counts = np.zeros((len(self._prefixes), 1 << self._width), np.int64)

    def count(self, keys: Keys) -> None:
        if not self._everything:
            keys = keys[self._begins[(keys >> self._top_shift).astype(np.int64)]]  # most of them end here
        digits = keys >> self._shift
        low = (digits & np.uint64((1 << self._width) - 1)).astype(np.int64)
        if self._everything:
            self._counts[0] += np.bincount(low, minlength=1 << self._width)
            return
        prefixes = digits >> np.uint64(self._width)
        at = np.minimum(np.searchsorted(self._prefixes, prefixes), len(self._prefixes) - 1)
        inside = self._prefixes[at] == prefixes
        flat = at[inside] * (1 << self._width) + low[inside]
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)

    def narrow(self) -> None:
        """All values were counted: one more digit of each key is known."""
        if not self.bits_left:
            return
        cumulated = np.cumsum(self._counts, axis=1)
        for i, (key, rank) in enumerate(zip(self.keys.tolist(), self._ranks.tolist(), strict=True)):
            row = int(np.searchsorted(self._prefixes, np.uint64(key)))
            digit = int(np.searchsorted(cumulated[row], rank, side="right"))
            self._ranks[i] = rank - (int(cumulated[row, digit - 1]) if digit else 0)
            self.keys[i] = key << self._width | digit
        self.bits_left -= self._width
        if self._everything:
            self._begins[self.keys.astype(np.int64)] = True
        self._everything = False
        self._begin()
