"""Chroma on a coarser grid, and back, by pairs of filters of which the second undoes the first.

Repeat / mean of two where the chroma sample lies between two pixels, and linear / (-1 2 6 2 -1)/8
(the low-pass filters of the LeGall 5/3 wavelet) where it lies on a pixel. So a full matte leaves
nothing of the old chroma, and an unchanged picture stays unchanged.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from stylesync_engine.pictures.formats import AnyPlane, FloatImage


def enlarge_rows(plane: AnyPlane, start: int, end: int, shift: int, siting: float) -> AnyPlane:
    """Rows `start..end` of the picture out of a plane with one row for every `2**shift`."""
    if shift == 0:
        return plane[start:end]
    first = start >> shift
    last = min(((end - 1) >> shift) + 2, plane.shape[0])
    near = plane[first:last]
    if shift > 1 or siting == 0.5:
        return near.repeat(1 << shift, axis=0)[start - (first << shift) :][: end - start]
    # One row lies on a pixel of each pair, the other halfway to its neighbour.
    whole = np.empty((2 * len(near), *near.shape[1:]), near.dtype)
    on, between = (0, 1) if siting == 0.0 else (1, 0)
    whole[on::2] = near
    neighbour = np.concatenate([near[1:], near[-1:]])
    if siting == 1.0:
        before = plane[max(first - 1, 0) : max(first - 1, 0) + 1]
        neighbour = np.concatenate([before, near[:-1]])
    whole[between::2] = _mean(near, neighbour)
    return whole[start - (first << shift) :][: end - start]


def enlarge_columns(plane: AnyPlane, start: int, end: int, shift: int, siting: float) -> AnyPlane:
    """`enlarge_rows`, of columns."""
    if shift == 0:
        return plane[:, start:end]
    first = start >> shift
    last = min(((end - 1) >> shift) + 2, plane.shape[1])
    near = plane[:, first:last]
    inner = slice(start - (first << shift), end - (first << shift))
    if shift > 1 or siting == 0.5:
        return near.repeat(1 << shift, axis=1)[:, inner]
    neighbour = np.concatenate([near[:, 1:], near[:, -1:]], axis=1)
    if siting == 1.0:
        before = plane[:, max(first - 1, 0) : max(first - 1, 0) + 1]
        neighbour = np.concatenate([before, near[:, :-1]], axis=1)
    between = _mean(near, neighbour)
    # Columns that take turns lie in memory as the channels of a picture do.
    pair = [near, between] if siting == 0.0 else [between, near]
    return np.asarray(cv2.merge(pair)).reshape(len(near), -1)[:, inner]


def _mean(one: AnyPlane, other: AnyPlane) -> AnyPlane:
    if one.dtype == np.uint8:
        return np.asarray(cv2.addWeighted(one, 0.5, other, 0.5, 0.0))
    total = one.astype(np.uint32) + other
    return ((total + 1) >> 1).astype(one.dtype)


def reduce_rows(plane: AnyPlane, shift: int, siting: float) -> FloatImage:
    """One row for every `2**shift`: the exact inverse of `enlarge_rows`."""
    plane = np.ascontiguousarray(plane, np.float32)
    if shift == 0:
        return plane
    if shift > 1 or siting == 0.5:
        cells = _fill_cells(plane, shift).reshape(-1, 1 << shift, plane.shape[1])
        return np.asarray(cells.mean(axis=1, dtype=np.float32))
    if siting == 1.0:
        plane = _fill_cells(plane, shift)
    kernel = np.array([[-1], [2], [6], [2], [-1]], np.float32) / 8
    filtered = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(filtered, np.float32)[0 if siting == 0.0 else 1 :: 2]


def whole_cells(flags: npt.NDArray[np.bool_], shift: int) -> npt.NDArray[np.bool_]:
    """Whether all rows of each cell are set."""
    cells = _fill_cells(flags, shift).reshape(-1, 1 << shift, flags.shape[1])
    return np.asarray(cells.all(axis=1))


def _fill_cells(plane: AnyPlane, shift: int) -> AnyPlane:
    """Repeat the last row until the last cell of `2**shift` rows is full."""
    missing = -plane.shape[0] % (1 << shift)
    return np.pad(plane, ((0, missing), (0, 0)), mode="edge") if missing else plane
