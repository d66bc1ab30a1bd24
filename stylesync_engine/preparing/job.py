"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_alignment import FaceAlignmentLandmarker
from stylesync_engine.media import VideoInfo, probe_video
from stylesync_engine.plan.sources import check_range, clip_of
from stylesync_engine.preparing.kept import Kept, mark_of
from stylesync_engine.preparing.shots import FollowedShot, fit_speaker
from stylesync_engine.preparing.watching import Seen, watch, watch_begun
from stylesync_engine.request import (
    DubRequest,
    FrameRange,
    OnProgress,
    Progress,
    Stage,
)
from stylesync_engine.speech.features import SAMPLE_RATE
from stylesync_engine.speech.sync import LipReader
from stylesync_engine.weights.loading import Models

_MOST_FRAMES: Final = 2000  # 11 MB for each person seen in them
_MOST_SAMPLES: Final = 60 * SAMPLE_RATE  # 6 MB of features
_SEEN: Final[Kept[Seen]] = Kept(4)
_HEARD: Final[Kept[Array]] = Kept(8)


@dataclass(frozen=True, slots=True)
class Job:
    """One preparation: what was asked, with what, and what there is to say about it.
    `sound_offsets` are how late the sound was, s, by the role of what it belongs to."""

    request: DubRequest
    models: Models
    on_progress: OnProgress
    warnings: list[str] = field(default_factory=list)
    sound_offsets: dict[str, float] = field(default_factory=dict)

    @property
    def lip_reader(self) -> LipReader:
        models = self.models
        return LipReader(models.face_model, models.front_end, models.lip_motion)

    def follow(
        self,
        path: str,
        frames: FrameRange | None,
        stage: Stage,
        within: FrameRange | None = None,
    ) -> FollowedShot:
        """Follow a clip's speaker, `within` given the one who was clicked."""
        info = probe_video(clip_of(self.request, path))
        frames = check_range(path, frames, info)
        point = self.request.speaker if within else None
        model = self.models.face_model
        faces, spans = self._watch(path, info, frames, stage)
        inner = within or frames
        inside = slice(inner.start - frames.start, inner.end - frames.start)
        local = replace(point, frame=point.frame - frames.start) if point else None
        return fit_speaker(info, frames, faces, spans, model, local, inside)

    def _watch(self, path: str, info: VideoInfo, frames: FrameRange, stage: Stage) -> Seen:
        """`watch`, once for all who refine the same frames."""
        landmarks = self.request.options.landmarks

        def look() -> Seen:
            if landmarks == "mediapipe":
                return watch_begun(path, info, frames, stage, self.on_progress)
            landmarker = FaceAlignmentLandmarker(self.models.face_model, str(self.models.device))
            return watch(info, frames, stage, self.on_progress, landmarker)

        if len(frames) > _MOST_FRAMES:
            return look()
        key = (info.clip, mark_of(info.path), frames, landmarks, self.models.fingerprint)
        found = _SEEN.find(key, look)
        self.on_progress(Progress(stage, len(frames), len(frames)))
        return found

    def features(self, samples: Array, stage: Stage) -> Array:
        """Speech rows `[T25, D]` of mono sound `[S]` at 16 kHz."""

        def listen() -> Array:
            return self.models.front_end.features(
                samples, on_block=lambda done, total: self.on_progress(Progress(stage, done, total))
            )

        if len(samples) > _MOST_SAMPLES:
            return listen()
        digest = hashlib.sha256(np.ascontiguousarray(samples).data).digest()
        found = _HEARD.find((digest, self.models.fingerprint), listen)
        self.on_progress(Progress(stage, len(found), len(found)))
        return found
