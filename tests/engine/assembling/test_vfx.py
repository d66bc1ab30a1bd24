"""Layers for compositing: put together by hand they give the composite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from clip_fixtures import MODELS

from stylesync_engine.assembling.layers import CHANNELS
from stylesync_engine.media import Frame, VideoWriter, probe_video, read_frames
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, RequestError

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models


def light_of(talking: Path, folder: Path) -> Path:
    """Six frames of the clip as linear EXR."""
    info, path = probe_video(talking), folder / "plate.%04d.exr"
    with VideoWriter(path, info, "exr") as writer:
        for frame in read_frames(talking, FrameRange(4, 10)):
            moved = Frame(frame.index - 4, frame.time, frame.duration, frame.image)
            writer.write(moved)
    return path


def test_the_layers_make_the_composite(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    oiio = pytest.importorskip("OpenImageIO")
    from stylesync_engine import dubbing

    plate = light_of(talking, tmp_path)
    request = DubRequest(
        str(plate), str(other_speech), str(tmp_path / "vfx" / "shot.%04d.exr"),
        work=str(tmp_path / "work"),
        options=DubOptions(
            models=MODELS, quality="draft", codec="exr", delivery="vfx", device="cpu"
        ),
    )  # fmt: skip
    result = dubbing.dub(request, models)
    assert (result.frames, result.changed) == (6, 6)
    for frame, source in zip(read_frames(request.output), read_frames(plate), strict=True):
        file = oiio.ImageInput.open(str(tmp_path / "vfx" / f"shot.{frame.index:04d}.exr"))
        assert file.seek_subimage(1, 0)
        spec = file.spec()
        order = [spec.channelnames.index(name) for name in CHANNELS]
        layers = file.read_image(1, 0, 0, 6, oiio.FLOAT)[:, :, order]
        matte = layers[:, :, 3:4]
        assert matte.max() > 0.99
        rows = slice(spec.y, spec.y + spec.height)
        columns = slice(spec.x, spec.x + spec.width)
        numbers = range(3)
        before, after = (
            np.stack([i.component(n)[rows, columns] for n in numbers], axis=2)
            for i in (source.image, frame.image)
        )
        made = before + matte * (layers[:, :, :3] - before)
        assert np.abs(made - after).max() < 4e-3, "half keeps eleven bits"
        check_positions(layers)


def check_positions(layers: np.ndarray) -> None:
    """Where the ST map says that px lie in the crop, the crop shows what they show: warped there
    and back, the rendering is itself."""
    size = (256, 128)
    u, v = layers[:, :, 4], layers[:, :, 5]
    x, y = u * size[0] - 0.5, (1 - v) * size[1] - 0.5
    assert (np.diff(u, axis=1) > 0).all()
    assert (np.diff(v, axis=0) < 0).all()
    ramp = np.tile(np.arange(size[0], dtype=np.float32), (size[1], 1))
    inside = (x > 1) & (x < 254) & (y > 1) & (y < 126)
    shown = cv2.remap(ramp, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    assert np.abs(shown - x)[inside].max() < 0.2


def test_layers_need_exr() -> None:
    with pytest.raises(RequestError, match="codec exr"):
        DubOptions(delivery="vfx", codec="ffv1")
