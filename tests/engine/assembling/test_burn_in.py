"""What is drawn into review encodes, and that nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clip_fixtures import MODELS

from stylesync_engine.assembling.burn_in import burn_in
from stylesync_engine.media import Frame, VideoInfo, probe_video, read_frames
from stylesync_engine.pictures.converting import black_picture
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, RequestError

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models

TENTH = Fraction(1, 10)


def dark_clip(width: int, height: int, name: str = "a.mov") -> tuple[VideoInfo, list[Frame]]:
    """Three black frames of 10 bit with a time code."""
    layout = layout_of("yuv420p10le", height)
    black = black_picture(layout, width, height)
    info = VideoInfo(
        f"shots/{name}", Fraction(10), 3, width, height, layout, "none", 3 * TENTH, TENTH,
        timecode="01:00:00:08",
    )  # fmt: skip
    return info, [Frame(index, index * TENTH, TENTH, black) for index in range(3)]


def corners(picture: np.ndarray) -> list[np.ndarray]:
    """The four quarters of the picture: both above, both below."""
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
    above, below = picture[:rows], picture[rows:]
    return [above[:, :columns], above[:, columns:], below[:, :columns], below[:, columns:]]


def test_each_corner_says_its_own_and_the_picture_between_stays() -> None:
    info, frames = dark_clip(640, 360)
    drawn = [frame.image for frame in burn_in(frames, info, 120, {1})]
    lit = [[bool(part.max() > 800) for part in corners(image.component(0))] for image in drawn]
    assert lit == [[True, False, True, True], [True, True, True, True], [True, False, True, True]]
    for image in drawn:
        for number, rows in ((0, slice(60, 300)), (1, slice(30, 150)), (2, slice(30, 150))):
            before = frames[0].image.component(number)[rows]
            assert np.array_equal(image.component(number)[rows], before)
    first, second, third = (corners(image.component(0)) for image in drawn)
    for corner in (2, 3):
        assert not np.array_equal(first[corner], second[corner])
        assert not np.array_equal(second[corner], third[corner])
    assert np.array_equal(first[0], third[0])
    untimed = next(burn_in(frames, replace(info, timecode=None), 120, ()))
    assert corners(untimed.image.component(0))[2].max() == 64


def test_a_long_name_fits_into_a_narrow_picture() -> None:
    info, frames = dark_clip(180, 320, "A012_C003_0417_日本_the_long_take.mov")
    picture = next(burn_in(frames, info, 0, {0})).image.component(0)
    columns = np.flatnonzero((picture[:40] > 200).any(axis=0))
    assert columns.min() > 0
    assert columns.max() < 179
    assert np.diff(columns).max() > 4, "name and mark lie apart"


@pytest.mark.parametrize("codec", ["prores4444", "prores422hq", "dnxhr", "ffv1", "png", "exr"])
def test_finishing_codecs_refuse_a_burn_in(codec: str) -> None:
    with pytest.raises(RequestError, match="choose h264 or h265"):
        DubRequest.from_dict(
            {"video": "a", "speech": "b", "output": "c",
             "options": {"codec": codec, "burn_in": True}}
        )  # fmt: skip


def test_a_review_encode_shows_it_and_is_otherwise_the_dub(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    from stylesync_engine import dubbing

    options = DubOptions(models=MODELS, quality="draft", codec="h264", device="cpu")
    plain = DubRequest(
        str(talking), str(other_speech), str(tmp_path / "plain.mkv"), frames=FrameRange(4, 8),
        work=str(tmp_path / "work"), options=options,
    )  # fmt: skip
    shown = replace(
        plain, output=str(tmp_path / "shown.mkv"), options=replace(options, burn_in=True)
    )
    rendered = dubbing.dub(plain, models).changed
    assert dubbing.dub(shown, models).changed == rendered
    height = probe_video(talking).height
    middle = slice(height // 5, height * 4 // 5)
    for one, other in zip(read_frames(plain.output), read_frames(shown.output), strict=True):
        gap = np.abs(one.to_rgb().astype(int) - other.to_rgb())
        assert gap[: height // 10].max() > 60
        assert gap[-height // 10 :].max() > 60
        assert gap[middle].mean() < 2
