"""What a clip is and who is seen where, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stylesync_engine.faces.landmarker import landmark_box
from stylesync_engine.faces.tracking import Speaker, stretches
from stylesync_engine.media import (
    AudioTrack,
    Clip,
    Reading,
    VideoInfo,
    probe_video,
    sounds_alone,
    spoken_track,
)
from stylesync_engine.preparing.late_sound import offset_of_faces
from stylesync_engine.preparing.watching import watch
from stylesync_engine.request import FrameRange, OnProgress, parse_rate
from stylesync_engine.weights.loading import load_lip_reader


def probe(
    path: str, on_progress: OnProgress | None = None, images_rate: str | None = None
) -> dict[str, Any]:
    """What a clip is and who is seen where, as plain data; of sound alone, its streams.
    `images_rate` is that of numbered images that do not say theirs."""
    if sounds := sounds_alone(path):
        return {"path": path, "streams": _sound_facts(path, sounds)}
    info = probe_video(Clip(path, Reading(parse_rate(images_rate) if images_rate else None)))
    whole = FrameRange(0, info.frames)
    faces, spans = watch(info, whole, "track", on_progress or (lambda _: None))
    return {
        **media_facts(info),
        "cuts": list(faces.cuts),
        "speakers": [speaker_facts(s) for s in faces.speakers],
        "sound_offset": offset_of_faces(info, faces, spans, load_lip_reader()),
    }


def stream_facts(info: VideoInfo) -> list[dict[str, Any]]:
    """The picture that is dubbed and the sounds; `stream` is the number that chooses a sound."""
    picture = {
        "kind": "picture",
        "codec": info.codec,
        "width": info.width,
        "height": info.height,
        "rate": f"{info.rate.numerator}/{info.rate.denominator}",
    }
    return [picture, *_sound_facts(info.path, info.audio)]


def _sound_facts(path: str, sounds: Sequence[AudioTrack]) -> list[dict[str, Any]]:
    chosen = spoken_track(path) if len(sounds) > 1 else 0
    return [
        {
            "kind": "sound",
            "stream": number + 1,
            "codec": sound.codec,
            "channels": sound.channels,
            "sample_rate": sound.sample_rate,
            "names": list(sound.names),
            "speaks": number == chosen,
        }
        for number, sound in enumerate(sounds)
    ]


def media_facts(info: VideoInfo) -> dict[str, Any]:
    return {
        "path": info.path,
        "rate": f"{info.rate.numerator}/{info.rate.denominator}",
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "seconds": round(float(info.duration), 6),
        "pixel_format": info.pixel_format,
        "bit_depth": info.bit_depth,
        "codec": info.codec,
        "timecode": info.timecode,
        "variable_rate": info.variable_rate,
        "interlaced": info.interlaced,
        "streams": stream_facts(info),
        "audio": [
            {"channels": a.channels, "sample_rate": a.sample_rate, "codec": a.codec}
            for a in info.audio
        ],
    }


def speaker_facts(speaker: Speaker) -> dict[str, Any]:
    first = int(np.flatnonzero(speaker.seen)[0])
    box = landmark_box(speaker.landmarks[first])
    return {
        "seen": [list(part) for part in stretches(speaker.seen)],
        "face_width": round(speaker.size, 1),
        "mouth_motion": round(speaker.mouth_motion, 5),
        "frame": first,
        "box": [round(float(value), 1) for value in box],
    }
