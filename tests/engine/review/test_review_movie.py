"""Dubs in one movie: as long as they are, each with its sound, and named in its picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from timeline_material import write_clip

from stylesync_engine.media import VideoWriter, probe_video, read_audio, read_frames
from stylesync_engine.request import FrameRange, RequestError
from stylesync_engine.review.review_movie import Scene, write_review

RATE = Fraction(25)


def dub(folder: Path, name: str, loud: float) -> str:
    """A second of pictures with sound of one level."""
    plain = write_clip(folder / f"{name}.pictures.mkv", RATE, 25, 1)
    sound = np.full((1, 48_000), loud, np.float32)
    with VideoWriter(folder / f"{name}.mkv", probe_video(plain), "ffv1", (sound, 48_000)) as made:
        for frame in read_frames(plain):
            made.write(frame)
    return str(folder / f"{name}.mkv")


def test_scenes_follow_each_other_with_their_sound(tmp_path: Path) -> None:
    scenes = [
        Scene(dub(tmp_path, "a", 0.1), FrameRange(5, 15), "1  ANNA  Hello", "01:00:00:00"),
        Scene(dub(tmp_path, "b", 0.4), FrameRange(0, 20), "2  BEN  Bye", "01:00:10:00"),
    ]
    assert write_review(scenes, tmp_path / "review.mp4") == 30
    made = probe_video(tmp_path / "review.mp4")
    assert (made.frames, made.rate, made.codec) == (30, RATE, "h264")
    heard = read_audio(tmp_path / "review.mp4", 48_000)[0]
    levels = [float(np.abs(heard[:, a:b]).mean()) for a, b in ((4_000, 15_000), (25_000, 50_000))]
    assert levels == pytest.approx([0.1, 0.4], abs=0.05)
    before = {path.read_bytes() for path in tmp_path.glob("?.mkv")}
    with pytest.raises(RequestError, match="would overwrite the dub"):
        write_review(scenes, Path(scenes[0].video))
    assert {path.read_bytes() for path in tmp_path.glob("?.mkv")} == before
    with pytest.raises(RequestError, match="no dub to review"):
        write_review([], tmp_path / "none.mp4")
