"""Proxies: every frame in its place, made on where it was broken off."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stylesync_engine.request import FrameRange, RequestError
from stylesync_engine.review.proxies import write_proxy


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """40 frames of rising gray."""
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(50))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "bgr0"
        for n in range(40):
            picture = np.full((240, 320, 3), 4 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def levels(output: Path) -> list[int]:
    """The gray of each picture of a proxy."""
    ends = np.fromfile(output.with_suffix(".index"), "<u8").astype(int)
    data = output.read_bytes()
    assert len(data) == ends[-1]
    starts = [0, *ends[:-1]]
    pictures = [
        cv2.imdecode(np.frombuffer(data[a:b], np.uint8), cv2.IMREAD_COLOR)
        for a, b in zip(starts, ends, strict=True)
    ]
    assert {picture.shape for picture in pictures} == {(120, 160, 3)}
    return [round(float(picture.mean())) for picture in pictures]


def test_every_frame_is_in_its_place(clip: str, tmp_path: Path) -> None:
    output = tmp_path / "proxy/a.mjpeg"
    said: list[tuple[int, int]] = []
    assert write_proxy(clip, FrameRange(5, 35), 120, output, lambda *n: said.append(n)) == 30
    assert levels(output) == pytest.approx([4 * n for n in range(5, 35)], abs=1)
    assert said == [(12, 30), (24, 30), (30, 30)]


def test_what_was_broken_off_goes_on(clip: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.mjpeg", tmp_path / "broken.mjpeg"
    write_proxy(clip, FrameRange(0, 40), 120, whole)
    ends = np.fromfile(whole.with_suffix(".index"), "<u8")
    broken.write_bytes(whole.read_bytes()[: int(ends[16]) + 100])
    index = whole.with_suffix(".index").read_bytes()
    broken.with_suffix(".index").write_bytes(index[: 17 * 8 + 3])
    assert write_proxy(clip, FrameRange(0, 40), 120, broken) == 40
    assert broken.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(("end", "height", "name"), [(41, 120, "a.mjpeg"), (9, 20, "a.mjpeg"),
                                                     (9, 120, "clip.mkv")])  # fmt: skip
def test_nonsense_is_refused(clip: str, tmp_path: Path, end: int, height: int, name: str) -> None:
    before = Path(clip).read_bytes()
    with pytest.raises(RequestError):
        write_proxy(clip, FrameRange(0, end), height, tmp_path / name)
    assert Path(clip).read_bytes() == before
