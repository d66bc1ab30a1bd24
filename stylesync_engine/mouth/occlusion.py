"""Hands, cups and microphones before the mouth: found, and left as they are.

Skin keeps its colour from frame to frame where the landmarks follow it; something that passes
before it does not. The median over a shot says what belongs there, so something that hides a face
for most of a shot is not found.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.faces.face_model import FACE_OVAL, INNER_LIPS
from stylesync_engine.mouth.crop import CROP, LOWER

CELL = 8  # px of the crop in a cell of a mask
_BLUR = 7  # px that a colour is the mean of
_INSIDE = 0.93  # of the face's outline, so that background never counts
_ABOVE = 10  # px above the lower half from which on something may hide the mouth
_LEAST_NOISE = 5.0  # 8-bit code values
_FOREIGN = (25.0, 5.0)  # code values, and times a place's usual change, that skin does not reach
_DOUBTFUL = (18.0, 4.0)  # the same beside what is foreign
_LEAST_SHARE = 0.09  # of the places; 215 clips without hands stay below .06
_REACH = 11.0  # px around a place that belong to it
_AT_ONCE = 128  # frames, so that a long shot takes little more memory than a short one
_FEWEST = 12  # frames that a median needs


def watched_places(points: Array) -> Indices:
    """Numbers of the landmarks whose skin is watched, of a shot's landmarks `[T, 468, 2]`."""
    middle = np.median(points, axis=0)
    outline = middle[list(FACE_OVAL)]
    centre = outline.mean(axis=0)
    inner = (centre + (outline - centre) * _INSIDE).astype(np.float32)
    mouth = set(INNER_LIPS)
    return np.array(
        [
            index
            for index, (x, y) in enumerate(middle.tolist())
            if index not in mouth and cv2.pointPolygonTest(inner, (x, y), measureDist=False) > 0
        ],
        np.int64,
    )


def sample_colours(crop: Image, places: Array) -> Image:
    """Mean colours `[K, 3]` around places `[K, 2]` of a crop `[256, 256, 3]`."""
    soft = cv2.blur(crop, (_BLUR, _BLUR))
    x, y = np.ascontiguousarray(places.T, np.float32)[:, None]
    colours = cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colours[0], np.uint8)


def find_hidden(colours: Image, places: Array) -> Image:
    """How much of each frame's lower half is hidden, `[T, 16, 32]` 0..255 in cells of 8 px.

    `colours` `[T, K, 3]` and `places` `[T, K, 2]` are those of all frames of one shot. Small
    integers, because a minute of them lies beside the reference bank.
    """
    hidden = np.zeros((len(colours), LOWER // CELL, CROP // CELL), np.uint8)
    low = np.median(places[..., 1], axis=0) > LOWER - _ABOVE
    if len(colours) < _FEWEST or low.all() or not low.any():
        return hidden
    change = colours.astype(np.int16) - np.median(colours, axis=0).astype(np.int16)
    light = np.median(change[:, ~low], axis=1, keepdims=True).astype(np.int16)
    change, places = change[:, low] - light, places[:, low]
    usual = np.maximum(1.48 * np.median(np.abs(change), axis=0), _LEAST_NOISE)
    foreign, doubtful = np.empty((2, *change.shape[:2]), bool)
    for first in range(0, len(change), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        size = np.linalg.norm(change[some], axis=2)
        times = np.linalg.norm(change[some] / usual.astype(np.float32), axis=2) / np.sqrt(3)
        foreign[some] = (size > _FOREIGN[0]) & (times > _FOREIGN[1])
        doubtful[some] = (size > _DOUBTFUL[0]) & (times > _DOUBTFUL[1])
    for frame in np.flatnonzero(foreign.mean(axis=1) > _LEAST_SHARE):
        hidden[frame] = _cover(places[frame], foreign[frame], doubtful[frame])
    return hidden


def _cover(places: Array, foreign: NDArray[np.bool_], doubtful: NDArray[np.bool_]) -> Image:
    """The cells around foreign places and around doubtful ones that touch them."""
    sure, likely = (_discs(places[chosen]) for chosen in (foreign, foreign | doubtful))
    count, labels = cv2.connectedComponents(likely)
    kept = [label for label in range(1, count) if sure[labels == label].any()]
    covered = np.isin(labels, kept).astype(np.uint8) * 255
    closed = cv2.morphologyEx(covered, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    return np.asarray(
        cv2.resize(closed[LOWER:], (CROP // CELL, LOWER // CELL), interpolation=cv2.INTER_AREA),
        np.uint8,
    )


def _discs(places: Array) -> Image:
    canvas = np.zeros((CROP, CROP), np.uint8)
    for x, y in np.round(places).astype(int).tolist():
        cv2.circle(canvas, (x, y), round(_REACH), 255, -1)
    return canvas
