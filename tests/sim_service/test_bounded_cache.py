"""What was used last stays, within the bound."""

from __future__ import annotations

import numpy as np

from sim_service.bounded_cache import BoundedCache


def test_the_one_not_used_for_longest_goes() -> None:
    cache: BoundedCache[str, int] = BoundedCache(3)
    for number, key in enumerate("abc"):
        cache.put(key, number)
    assert cache.get("a") == 0
    cache.put("d", 3)
    assert [cache.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_a_value_that_never_fits_is_not_kept() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 11)
    assert (cache.get("a"), cache.get("b")) == (1, None)
    cache.put("a", 3, 11)  # and the old one is out of date
    assert (cache.get("a"), cache.total) == (None, 0)


def test_the_bound_holds_whatever_comes() -> None:
    cache: BoundedCache[int, int] = BoundedCache(100)
    latest: dict[int, tuple[int, int]] = {}
    rng = np.random.default_rng(1)
    for value in range(2000):
        key, cost = int(rng.integers(30)), int(rng.integers(1, 40))
        cache.put(key, value, cost)
        latest[key] = (value, cost)
        kept = {key: found for key in latest if (found := cache.get(key)) is not None}
        assert all(found == latest[key][0] for key, found in kept.items())
        assert sum(latest[key][1] for key in kept) == cache.total <= 100
        assert key in kept
