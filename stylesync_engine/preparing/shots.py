"""A speaker followed through a range of a clip, with the face model fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel, ShotFit
from stylesync_engine.faces.landmarker import Landmarker
from stylesync_engine.faces.tracking import ShotFaces, Speaker, choose_speaker
from stylesync_engine.media import VideoInfo
from stylesync_engine.mouth.crop import Alignment
from stylesync_engine.preparing.watching import Spans, watch
from stylesync_engine.request import (
    FrameRange,
    OnProgress,
    SpeakerPoint,
    Stage,
)


@dataclass(frozen=True, slots=True)
class FollowedShot:
    """A speaker in the T `frames` of a clip. `cuts` are first frames after a cut, from 0; `spans`
    are when each frame appears, s from the clip's first frame, and how long it stays, s."""

    info: VideoInfo
    frames: FrameRange
    speaker: Speaker
    cuts: tuple[int, ...]
    fit: ShotFit
    alignment: Alignment
    spans: Spans

    @property
    def start(self) -> Fraction:
        """When the range's first frame appears, s from the clip's first frame."""
        return self.spans[0][0]

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame's appearance to the last one's end."""
        return sum(self.spans[-1], Fraction(0)) - self.start

    @property
    def times(self) -> NDArray[np.float64]:
        """The frames' middles, s from `start`, `[T]`."""
        return np.array([float(time - self.start + length / 2) for time, length in self.spans])

    @property
    def points(self) -> Array:
        """Landmarks `[T, 468, 2]` in crop px."""
        return self.alignment.points(self.speaker.landmarks)

    def part(self, frames: FrameRange) -> FollowedShot:
        """The same fit over fewer source frames."""
        if frames == self.frames:
            return self
        inner = slice(frames.start - self.frames.start, frames.end - self.frames.start)
        return FollowedShot(
            info=self.info,
            frames=frames,
            speaker=self.speaker.part(inner),
            cuts=tuple(cut - inner.start for cut in self.cuts if inner.start < cut < inner.stop),
            fit=replace(self.fit, pose=self.fit.pose[inner], beta=self.fit.beta[inner]),
            alignment=self.alignment[inner],
            spans=self.spans[inner],
        )


def follow_shot(
    info: VideoInfo,
    frames: FrameRange,
    face_model: FaceModel,
    stage: Stage,
    on_progress: OnProgress,
    point: SpeakerPoint | None = None,
    within: FrameRange | None = None,
    landmarker: Landmarker | None = None,
) -> FollowedShot:
    """Follow one speaker through `frames` of a clip and fit the face model.

    The speaker is the one at `point`, else the most important one of the frames `within`.
    Raises NoFaceError where nobody is seen there.
    """
    faces, spans = watch(info, frames, stage, on_progress, landmarker)
    within = within or frames
    inner = slice(within.start - frames.start, within.end - frames.start)
    local = replace(point, frame=point.frame - frames.start) if point else None
    return fit_speaker(info, frames, faces, spans, face_model, local, inner)


def fit_speaker(
    info: VideoInfo,
    frames: FrameRange,
    faces: ShotFaces,
    spans: Spans,
    face_model: FaceModel,
    point: SpeakerPoint | None = None,
    within: slice = slice(None),
) -> FollowedShot:
    """Choose a speaker of `watch`, frames counted from the range's first, and fit the face
    model."""
    speaker = choose_speaker(faces, point, within)
    fit = face_model.fit(speaker.landmarks, faces.cuts)
    alignment = Alignment.of(fit.pose)
    return FollowedShot(info, frames, speaker, faces.cuts, fit, alignment, spans)
