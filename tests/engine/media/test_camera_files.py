"""Files as cameras and recorders write them: whose time code counts otherwise than their pictures.

The oracles are bytes that the tests set themselves and plain arithmetic.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from places import DATA

from stylesync_engine.media import probe_video
from stylesync_engine.media.timecode import recount_timecode

NTSC: Final = Fraction(30000, 1001)


def write_card(path: Path, rate: Fraction, timecode: str, codec: str = "mpeg4") -> Path:
    """A gray clip with a time code."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.metadata["timecode"] = timecode
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 99, np.uint8), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def count_half(path: Path) -> None:
    """Let the time code's sample description say half as many frames a second."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"tmcd", 0, data.rindex(b"stts")) + 20  # time scale, duration, frames
    data[at : at + 4] = (int.from_bytes(data[at : at + 4]) // 2).to_bytes(4)
    data[at + 8] //= 2
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
@pytest.mark.parametrize(
    ("rate", "label"),
    [(Fraction(50), "10:00:00:06"), (2 * NTSC, "00:01:00:05"), (Fraction(48), "01:00:00:23")],
)
def test_a_time_code_that_counts_half_the_frames(
    tmp_path: Path, suffix: str, rate: Fraction, label: str
) -> None:
    path = write_card(tmp_path / f"cam{suffix}", rate, label)
    assert probe_video(path).timecode == label
    count_half(path)
    # The number in the file is the same, and each now stands for two frames.
    found = probe_video(path).timecode
    assert found is not None
    assert number_of(found, round(rate)) == 2 * number_of(label, round(rate))


def number_of(label: str, counted: int) -> int:
    hours, minutes, seconds, frames = map(int, label.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * counted + frames


def test_the_same_in_mxf(tmp_path: Path) -> None:
    path = write_card(tmp_path / "cam.mxf", Fraction(50), "10:00:00:06", codec="mpeg2video")
    assert probe_video(path).timecode == "10:00:00:06"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x15\x02\x00\x02\x00\x32", b"\x15\x02\x00\x02\x00\x19"))
    assert probe_video(path).timecode == "20:00:00:12"


@pytest.mark.parametrize(
    ("label", "counted", "nominal", "same_moment"),
    [
        ("10:00:00:06", 25, 50, "10:00:00:12"),
        ("00:59:59;29", 30, 60, "00:59:59;58"),
        ("01:00:00;00", 30, 60, "01:00:00;00"),  # 107892 of 29.97 are 215784 of 59.94
        ("00:01:00;02", 30, 60, "00:01:00;04"),  # the first label after the dropped ones
        ("10:00:00:25", 50, 25, "10:00:00:12"),
        ("01:00:00:12", 24, 25, "01:00:00:12"),
        ("00:59:59:24", 25, 25, "00:59:59:24"),
    ],
)
def test_labels_recounted(label: str, counted: int, nominal: int, same_moment: str) -> None:
    assert recount_timecode(label, counted, nominal) == same_moment


def test_the_cameras_own_file() -> None:
    path = DATA / "cases" / "24-half-rate-tc-in-edl" / "cam50.mov"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    assert probe_video(path).timecode == "10:00:00:12"  # 10:00:00:06 of 25
