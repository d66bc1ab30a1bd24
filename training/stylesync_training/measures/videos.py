"""Measures on finished videos: LipLMD, lower-half PSNR and SSIM, gap, flicker, perception.

Faces are found by the engine's own tracker; every report says so. All pictures are compared in a
256 px crop aligned by the truth's eyes and nose bridge, lower half only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import LIPS
from stylesync_engine.faces.tracking import (
    ShotFaces,
    choose_speaker,
    follow_faces,
    lip_gap,
    stretches,
)
from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.request import ModelError, NoFaceError
from stylesync_training.fitting.losses import PerceptualDistance
from stylesync_training.fitting.sync_expert import SyncJudge
from stylesync_training.measures.published import Published

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

TRACKER = "the engine's own tracker"
_ANCHORS = [33, 263, 168]  # outer eye corners, nose bridge
_ANCHOR_PLACES = np.array([[0.30, 0.36], [0.70, 0.36], [0.50, 0.36]], np.float32) * CROP
_WINDOW = 7  # px of SSIM's window
_MOUTH = 56, 80  # px of the crop: height and width of a box around the lips
# Closed and open lips, shares of the way from the smallest opening to the usual widest; how many
# frames before and after a closure the lips may take to open.
_CLOSED, _OPENED, _AROUND = 0.2, 0.4, 8

MEANINGS = {
    "LipLMD": "distance of the lip landmarks, as a share of the crop's side: lower is better",
    "LipLMD_mean_mouth": "what a mouth that does not move has",
    "LipLMD_ratio": "LipLMD over that of a mouth that does not move: below 1",
    "PSNR": "lower half of the face, dB: higher is better",
    "SSIM": "lower half of the face: higher is better",
    "LPIPS": "lower half of the face: lower is better",
    "FID": "lower half of the face: lower is better",
    "mouth_PSNR": "a box around the lips alone, dB: higher is better",
    "mouth_SSIM": "a box around the lips alone: higher is better",
    "mouth_sharpness": "texture around the lips against the truth's: near 1",
    "MobileNetV2": "distance in perception, not LPIPS: lower is better",
    "gap_correlation": "of the lips' opening with the truth's: near 1",
    "gap_slope": "how wide they open against the truth: near 1",
    "closures_kept": "share of the truth's closed lips that are closed in the dub: near 1",
    "flicker": "change from frame to frame beyond the truth's: near 0",
    "with_new": "correlation of the lips' opening with the new speech's speaker: high",
    "with_old": "the same with the original take: low",
    "LSE-C": "SyncNet's confidence: higher is better",
    "LSE-D": "SyncNet's distance: lower is better",
    "OwnSync_confidence": "of the own sync expert, not SyncNet's: higher is better",
    "OwnSync_offset": "of the sound against the lips, frames: near 0",
}


@dataclass(frozen=True, slots=True)
class MeasuredVideo:
    """Landmarks `[T, 468, 3]` px of a video's speaker, NaN where not seen; lip `gap` `[T]`."""

    path: Path
    landmarks: Array
    gap: Array

    def since(self, first: int) -> MeasuredVideo:
        """The same from frame `first` on."""
        return MeasuredVideo(self.path, self.landmarks[first:], self.gap[first:])


@dataclass(slots=True)
class Judge:
    """Measures videos; tracks of videos that are asked for again are kept."""

    published: Published = field(default_factory=Published)
    own_sync: SyncJudge | None = None
    _seen: dict[Path, MeasuredVideo] = field(default_factory=dict)
    _perceptual: PerceptualDistance | None = None

    def look(self, path: Path) -> MeasuredVideo:
        """Raises NoFaceError where no face is found."""
        if path not in self._seen:
            state: ShotFaces | int = 0
            for state in follow_faces(frame.image for frame in read_frames(str(path))):
                if isinstance(state, ShotFaces):
                    break
            if not isinstance(state, ShotFaces):
                raise NoFaceError(f"'{path}' has no frames to measure.")
            landmarks = choose_speaker(state).landmarks
            self._seen[path] = MeasuredVideo(path, landmarks, lip_gap(landmarks))
        return self._seen[path]

    def rebuild(self, dub: Path, truth: Path, first: int = 0) -> dict[str, float]:
        """How near a clip that was dubbed with its own speech came to the truth, from the truth's
        frame `first` on."""
        made, real = self.look(dub), self.look(truth).since(first)
        count = min(len(made.gap), len(real.gap))
        seen = np.isfinite(made.gap[:count]) & np.isfinite(real.gap[:count])
        frames = np.flatnonzero(seen)
        if len(frames) < 2:
            raise NoFaceError(f"No face was found in both '{dub}' and '{truth}'.")
        matrices = {int(t): crop_matrix(real.landmarks[t]) for t in frames}
        a = lower_halves(dub, matrices)
        b = lower_halves(truth, {first + t: matrix for t, matrix in matrices.items()})
        points = [
            np.stack([lips_in_crop(v.landmarks[t], matrices[int(t)]) for t in frames])
            for v in (made, real)
        ]
        figures = {
            "LipLMD": lip_lmd(points[0], points[1]),
            "LipLMD_mean_mouth": lip_lmd(
                np.broadcast_to(points[1].mean(axis=0), points[1].shape), points[1]
            ),
            "PSNR": psnr(a, b),
            "SSIM": ssim(a, b),
            "gap_correlation": correlation(made.gap[frames], real.gap[frames], 1),
            "gap_slope": slope(made.gap[frames], real.gap[frames]),
            **closures_kept(made.gap[frames], real.gap[frames]),
            "flicker": flicker(a, b),
            **mouth_figures(a, b, points[1].mean(axis=1)),
        }
        perceptual = self.perceptual(a, b)
        if perceptual is not None:
            figures["MobileNetV2"] = perceptual
        return {
            **figures,
            **self.published.pictures(a, b),
            **self.sync(dub, made.landmarks),
        }

    def follow(self, dub: Path, spoken: Path, original: Path) -> dict[str, float]:
        """Whether the mouth follows the new speech: correlation of the lip gap with the lips of
        the clip that it came from, against that with the original's."""
        made = self.look(dub).gap
        figures = {
            "with_new": correlation(made, self.look(spoken).gap, 3),
            "with_old": correlation(made, self.look(original).gap, 3),
        }
        return {**figures, **self.sync(dub, self.look(dub).landmarks)}

    def sync(self, dub: Path, landmarks: Array) -> dict[str, float]:
        """SyncNet's figures and the own sync expert's, each where there is one."""
        figures = self.published.sync(dub, landmarks)
        if self.own_sync is not None:
            own = self.own_sync.judge(dub, landmarks, probe_video(dub).rate)
            figures |= own.figures() if own else {}
        return figures

    @torch.no_grad()
    def perceptual(self, a: Image, b: Image) -> float | None:
        """MobileNetV2 distance, which is not LPIPS; None where its weights are not installed."""
        if self._perceptual is None:
            try:
                self._perceptual = PerceptualDistance()
            except ModelError:
                return None
        distances = [
            float(self._perceptual(to_batch(a[i : i + 8]), to_batch(b[i : i + 8])))
            for i in range(0, len(a), 8)
        ]
        return float(np.mean(distances))


def to_batch(pictures: Image) -> torch.Tensor:
    """uint8 `[T, H, W, 3]` -> float `[T, 3, H, W]` in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def crop_matrix(landmarks: Array) -> NDArray[np.float64]:
    """The similarity `[2, 3]` that takes eyes and nose bridge of landmarks `[468, 3]` px to their
    places in the crop, by least squares."""
    points = landmarks[_ANCHORS, :2].astype(np.float64)
    aim = _ANCHOR_PLACES.astype(np.float64)
    source, target = points - points.mean(axis=0), aim - aim.mean(axis=0)
    z, w = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    turn = (w * z.conj()).sum() / (abs(z) ** 2).sum()
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, aim.mean(axis=0) - linear @ points.mean(axis=0)])


def lower_halves(video: Path, matrices: dict[int, NDArray[np.float64]]) -> Image:
    """The lower halves `[n, 128, 256, 3]` of the crops of the frames that `matrices` names."""
    return np.stack(
        [
            cv2.warpAffine(frame.to_rgb(), matrices[frame.index], (CROP, CROP))[LOWER:]
            for frame in read_frames(str(video))
            if frame.index in matrices
        ]
    ).astype(np.uint8)


def lips_in_crop(landmarks: Array, matrix: NDArray[np.float64]) -> Array:
    """Lip landmarks `[40, 2]` of `[468, 3]` px in crop px."""
    lips = landmarks[list(LIPS), :2]
    return np.asarray(lips @ matrix[:, :2].T + matrix[:, 2], np.float32)


def lip_lmd(points: Array, truth: Array) -> float:
    """LipLMD: mean distance of lip landmarks `[T, 40, 2]` in crop px, as a share of its side."""
    return float(np.linalg.norm(points - truth, axis=-1).mean() / CROP)


def psnr(pictures: Image, truth: Image) -> float:
    """Mean over frames `[T, H, W, 3]` of the PSNR in dB; equal frames count as 100 dB."""
    error = (pictures.astype(np.float64) - truth) ** 2
    error = np.maximum(error.mean(axis=(1, 2, 3)), 255.0**2 * 1e-10)
    return float((10 * np.log10(255.0**2 / error)).mean())


def ssim(pictures: Image, truth: Image) -> float:
    """Mean over frames and channels of SSIM (Wang et al. 2004, 7 x 7 windows, sample variance)."""
    return float(np.mean([_ssim(a, b) for a, b in zip(pictures, truth, strict=True)]))


def _ssim(picture: Image, truth: Image) -> float:
    x, y = picture.astype(np.float64), truth.astype(np.float64)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(values, (_WINDOW, _WINDOW)), np.float64)

    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    mx, my = mean(x), mean(y)
    vx, vy = unbiased * (mean(x * x) - mx * mx), unbiased * (mean(y * y) - my * my)
    vxy = unbiased * (mean(x * y) - mx * my)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    edge = _WINDOW // 2
    return float(index[edge:-edge, edge:-edge].mean())


def mouth_figures(pictures: Image, truth: Image, centres: Array) -> dict[str, float]:
    """PSNR, SSIM and sharpness in a box around the lips: the rest of the face, which was hardly
    touched, would hide them. Lower halves `[T, 128, 256, 3]`, the lips' `centres` `[T, 2]` in crop
    px."""
    a, b = (_around(values, centres) for values in (pictures, truth))
    return {
        "mouth_PSNR": psnr(a, b),
        "mouth_SSIM": ssim(a, b),
        "mouth_sharpness": float(np.median(_texture(a) / np.maximum(_texture(b), 1e-6))),
    }


def _around(halves: Image, centres: Array) -> Image:
    """Boxes of `_MOUTH` px, `[T, h, w, 3]`, shifted where they would leave the half."""
    height, width = _MOUTH
    rows = np.clip(centres[:, 1] - LOWER - height / 2, 0, halves.shape[1] - height).astype(int)
    columns = np.clip(centres[:, 0] - width / 2, 0, halves.shape[2] - width).astype(int)
    return np.stack(
        [
            half[row : row + height, column : column + width]
            for half, row, column in zip(halves, rows, columns, strict=True)
        ]
    )


def _texture(pictures: Image) -> NDArray[np.float64]:
    """Variance of the Laplacian of each picture, `[T]`."""
    gray = pictures.mean(axis=3)
    return np.array([cv2.Laplacian(picture, cv2.CV_64F).var() for picture in gray])


def flicker(pictures: Image, truth: Image) -> float:
    """Mean change from frame to frame over the truth's own, less 1: 0 is as steady as the truth."""

    def change(frames: Image) -> float:
        return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())

    return change(pictures) / max(change(truth), 1e-6) - 1.0


def correlation(one: Array, other: Array, lag: int) -> float:
    """The best correlation of two curves within `lag` frames, NaN frames left out; -1 where there
    are too few frames or one of them stands still."""
    count = min(len(one), len(other))
    best = -1.0
    for shift in range(-lag, lag + 1):
        x = one[max(0, shift) : count + min(0, shift)]
        y = other[max(0, -shift) : count + min(0, -shift)]
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() > 10 and x[known].std() > 1e-6 and y[known].std() > 1e-6:
            best = max(best, float(np.corrcoef(x[known], y[known])[0, 1]))
    return best


def slope(made: Array, truth: Array) -> float:
    """How far the mouth opens against the truth: regression of `made` on `truth`, both `[T]`."""
    centred = truth - truth.mean()
    return float((centred * made).sum() / max(float((centred**2).sum()), 1e-12))


def closures(gap: Array) -> NDArray[np.intp]:
    """Frames in which lips with the opening `gap` `[T]` are closed between two openings, one for
    each time: least of their surroundings, near the smallest opening, and with the lips opening
    before and after."""
    rest, wide = np.quantile(gap, (0.05, 0.9))
    closed, opened = rest + _CLOSED * (wide - rest), rest + _OPENED * (wide - rest)
    found = []
    for start, end in stretches(gap <= closed):
        before, after = gap[max(0, start - _AROUND) : start], gap[end : end + _AROUND]
        if (before > opened).any() and (after > opened).any():
            found.append(start + int(gap[start:end].argmin()))
    return np.asarray(found, np.intp)


def closures_kept(made: Array, truth: Array) -> dict[str, float]:
    """The share of the truth's closures at which, within a frame, the other lips' opening is as
    small as the truth's may be; nothing where the truth never closes."""
    rest, wide = np.quantile(truth, (0.05, 0.9))
    closed = rest + _CLOSED * (wide - rest)
    near = [made[max(0, t - 1) : t + 2].min() <= closed for t in closures(truth)]
    return {"closures_kept": float(np.mean(near))} if near else {}


def mean_rows(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean of each figure over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: float(np.mean([row[name] for row in rows if name in row]))
        for name in names
        if all(isinstance(row.get(name, 0.0), (int, float)) for row in rows)
    }
