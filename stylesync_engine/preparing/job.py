"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

from dataclasses import dataclass, field

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_alignment import FaceAlignmentLandmarker
from stylesync_engine.media import probe_video
from stylesync_engine.plan.sources import check_range, clip_of
from stylesync_engine.preparing.shots import FollowedShot, follow_shot
from stylesync_engine.request import (
    DubRequest,
    FrameRange,
    OnProgress,
    Progress,
    Stage,
)
from stylesync_engine.speech.sync import LipReader
from stylesync_engine.weights.loading import Models


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
        landmarker = None
        if self.request.options.landmarks == "face-alignment":
            landmarker = FaceAlignmentLandmarker(model, str(self.models.device))
        return follow_shot(info, frames, model, stage, self.on_progress, point, within, landmarker)

    def features(self, samples: Array, stage: Stage) -> Array:
        """Speech rows `[T25, D]` of mono sound `[S]` at 16 kHz."""
        return self.models.front_end.features(
            samples, on_block=lambda done, total: self.on_progress(Progress(stage, done, total))
        )
