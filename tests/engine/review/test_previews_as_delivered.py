"""A preview of a dub shows what its delivery will: read as the request wants its shot read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clip_fixtures import Ffmpeg
from model_fixtures import make_plan

from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.mouth.texture import cut_patch
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import clip_of, shot_of
from stylesync_engine.plan.windows import save_window
from stylesync_engine.request import DubOptions, DubRequest, FrameRange
from stylesync_engine.review.previews import rendered

COUNT, WIDTH, HEIGHT = 6, 320, 288


@pytest.fixture(scope="module")
def fields(ffmpeg: Ffmpeg) -> str:
    """A clip of interlaced fields of a picture that moves sideways."""
    graph = f"testsrc2=s={WIDTH}x{HEIGHT}:r=50,tinterlace=interleave_top,setfield=tff"
    return str(ffmpeg(
        "fields.mov", "-f", "lavfi", "-i", graph, "-frames:v", str(COUNT), "-c:v", "mpeg2video",
        "-flags", "+ilme+ildct", "-q:v", "2",
    ))  # fmt: skip


def write_images(folder: Path) -> str:
    folder.mkdir()
    for index in range(COUNT):
        picture = np.full((HEIGHT, WIDTH, 3), 60 + 20 * index, np.uint8)
        picture[:, : WIDTH // 2] //= 2
        cv2.imwrite(str(folder / f"shot_{index:04d}.png"), picture)
    return str(folder / "shot_%04d.png")


def keep_dub(work: Path, face_model: FaceModel, request: DubRequest) -> Plan:
    """A plan in `work` whose every crop is rendered, as noise that no source shows."""
    face = face_model.mean.reshape(-1, 3)[:468, :2].astype(np.float32)
    low, high = face.min(axis=0), face.max(axis=0)
    face = 40 + 176 * (face - low) / (high - low)
    random = np.random.default_rng(0)
    plan = make_plan(face, COUNT, request=request)
    crops = random.integers(0, 256, (1, 256, 256, 3)).astype(np.uint8)
    first = next(iter(read_frames(shot_of(request), FrameRange(0, 1))))
    patch = cut_patch(first.image, np.eye(2, 3, dtype=np.float32))
    bank = ReferenceBank(crops, face[None], np.zeros((1, 3), np.float32), np.arange(1), (patch,))
    plan.save(work, bank)
    plan = Plan.load(work)
    for name, window in plan.named_windows.items():
        shape = (len(window), 128, 256, 3)
        save_window(work, name, random.random(shape).astype(np.float16), "cpu")
    return plan


@pytest.mark.parametrize(
    ("images", "options"),
    [
        (False, {"colour_space": "pq"}),
        (False, {"colour_space": "hlg", "deinterlace": True}),
        (False, {"deinterlace": True}),
        (True, {"images_rate": "24000/1001"}),
        (True, {"images_rate": "25", "colour_space": "pq"}),
    ],
)
def test_a_preview_is_the_delivery(
    images: bool, options: dict[str, Any], fields: str, face_model: FaceModel, tmp_path: Path
) -> None:
    from stylesync_engine.assembling.frames import Face, delivered_frames, excerpt_info

    video = write_images(tmp_path / "images") if images else fields
    asked = DubRequest(video, "s.wav", str(tmp_path / "o.mkv"), options=DubOptions(codec="ffv1"))
    request = replace(asked, options=replace(asked.options, **options))
    work = tmp_path / "work"
    plan = keep_dub(work, face_model, request)
    info = probe_video(clip_of(request, video))
    like = excerpt_info(info, FrameRange(0, COUNT))
    delivered = [
        parts[0].to_rgb() for parts in delivered_frames([Face(plan, work)], like, info.layout)
    ]
    plain = keep_dub(tmp_path / "plain", face_model, asked) if not images else None

    shown = dict(rendered(work, list(range(COUNT)), HEIGHT, tmp_path / "shown"))
    assert sorted(shown) == list(range(COUNT))
    for index, path in shown.items():
        picture = cv2.imread(str(path))[:, :, ::-1]
        np.testing.assert_array_equal(picture, delivered[index])
    if plain is not None:  # the reading does change what is seen
        other = dict(rendered(tmp_path / "plain", [2], HEIGHT, tmp_path / "other"))
        assert (cv2.imread(str(other[2]))[:, :, ::-1] != delivered[2]).any()
