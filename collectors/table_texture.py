"""Procedural pictures for the table's top: no files, no downloads, the same in every simulator."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.scene import Table

SIZE_PX: Final = 256  # of the square texture, which covers the whole table top once

_GRAIN_CONTRAST: Final = 0.25
_CHECKER_CONTRAST: Final = 0.15
_SPECKLE_CONTRAST: Final = 0.2


def table_texture(table: Table) -> NDArray[np.uint8]:
    """sRGB, shape (SIZE_PX, SIZE_PX, 3): shades of the table's colour. Raises ValueError for an unknown texture."""
    rng = np.random.default_rng([table.texture_seed])
    if table.texture == "plain":
        shade = np.zeros((SIZE_PX, SIZE_PX))
    elif table.texture == "grain":
        shade = _GRAIN_CONTRAST * _grain(rng)
    elif table.texture == "checker":
        shade = _CHECKER_CONTRAST * _checker(rng)
    elif table.texture == "speckle":
        shade = _SPECKLE_CONTRAST * _speckle(rng)
    else:
        raise ValueError(f"unknown table texture {table.texture!r}")
    rgb = np.asarray(table.rgb) * (1 + shade[:, :, None])
    pixels: NDArray[np.uint8] = (np.clip(rgb, 0, 1) * 255).round().astype(np.uint8)
    return pixels


def _grain(rng: np.random.Generator) -> NDArray[np.float64]:
    """Wood: wavy bands along the table, with fine fibres; -1 to 1."""
    down, along = np.mgrid[0 : 1 : SIZE_PX * 1j, 0 : 1 : SIZE_PX * 1j]
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = 0.03 * np.sin(2 * np.pi * along * rng.uniform(0.5, 1.5) + phases[0])
    waves += 0.01 * np.sin(2 * np.pi * along * rng.uniform(2, 4) + phases[1])
    bands = np.sin(2 * np.pi * (down + waves) * rng.uniform(6, 14) + phases[2])
    fibres = rng.normal(size=(SIZE_PX, 1)) * np.ones((1, SIZE_PX))
    return np.asarray(np.clip(0.6 * bands + 0.25 * fibres, -1, 1))


def _checker(rng: np.random.Generator) -> NDArray[np.float64]:
    """-1 and 1."""
    cells = int(rng.integers(4, 13))
    rows, columns = np.mgrid[0:SIZE_PX, 0:SIZE_PX] * cells // SIZE_PX
    return np.asarray(np.where((rows + columns) % 2, 1.0, -1.0))


def _speckle(rng: np.random.Generator) -> NDArray[np.float64]:
    """Stone: blotches of several sizes; -1 to 1."""
    total = np.zeros((SIZE_PX, SIZE_PX))
    for cells in (16, 64, SIZE_PX):
        total += np.kron(rng.normal(size=(cells, cells)), np.ones((SIZE_PX // cells, SIZE_PX // cells))) / 2
    return np.asarray(np.clip(total, -1, 1))
