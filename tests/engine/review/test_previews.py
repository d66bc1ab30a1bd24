"""Thumbnails, and the sheet that shows before and after."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from stylesync_engine.request import DiskError, MediaError
from stylesync_engine.review import contact_sheet
from stylesync_engine.review.previews import thumbnails, write_playback_sound

Picture = npt.NDArray[np.uint8]
HEIGHT, WIDTH = 120, 160


def write_video(path: Path, pictures: list[Picture]) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        stream.codec_context.gop_size = 12
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def plain_pictures(count: int) -> list[Picture]:
    return [np.full((HEIGHT, WIDTH, 3), (n, 100, 200), np.uint8) for n in range(count)]


def read_png(path: Path) -> Picture:
    return np.asarray(cv2.imread(str(path)))[:, :, ::-1].astype(np.uint8)


def test_thumbnails_are_the_frames_that_were_asked_for(tmp_path: Path) -> None:
    video = write_video(tmp_path / "shot #1.mkv", plain_pictures(150))
    asked = [149, 3, 3, 60, 61, 999]
    written = dict(thumbnails(video, asked, 30, tmp_path / "new" / "folder"))
    assert list(written) == [3, 60, 61, 149]
    for frame, path in written.items():
        picture = read_png(path)
        assert picture.shape == (30, 40, 3)
        assert (picture == (frame, 100, 200)).all()
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        f"frame_{frame:06d}.png" for frame in (3, 60, 61, 149)
    ]


def test_the_sheet_shows_the_changed_region_of_both(tmp_path: Path) -> None:
    before = plain_pictures(30)
    after = [picture.copy() for picture in before[10:]]
    for number, picture in enumerate(after[:-4]):  # the last four pass through
        picture[40:80, 50 + number : 90 + number] = (250, 20, 20)
    paths = write_video(tmp_path / "a.mkv", before), write_video(tmp_path / "b.mkv", after)
    sheet_path = tmp_path / "sheet.png"
    assert contact_sheet.main([*paths, str(sheet_path), "--first-frame", "10"]) == 0
    sheet = read_png(sheet_path)
    step = contact_sheet.CELL + contact_sheet.GAP
    assert sheet.shape[1] == 8 * step + contact_sheet.GAP
    centres = [contact_sheet.GAP + column * step + contact_sheet.CELL // 2 for column in range(8)]
    top = contact_sheet.MARGIN + contact_sheet.GAP + contact_sheet.CELL // 2
    shown = [int(sheet[top, centre, 0]) for centre in centres]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (10, 25)
    for column, centre in enumerate(centres):
        assert sheet[top, centre].tolist() == [shown[column], 100, 200]
        assert sheet[top + step, centre].tolist() == [250, 20, 20]
        # Two thirds of the cell's width is what changed; the rest is what lies around it.
        edge = centre - round(contact_sheet.CELL * 0.45)
        assert sheet[top + step, edge].tolist() == [shown[column], 100, 200]


def test_an_unchanged_dub_has_no_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "a.mkv", plain_pictures(5))
    assert contact_sheet.main([video, video, str(tmp_path / "sheet.png")]) == MediaError.exit_code
    assert "no change" in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()


def test_no_folder_is_made_for_the_sound_of_what_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "text.mov").write_text("no clip")
    for path in (tmp_path / "none.wav", tmp_path / "text.mov"):
        with pytest.raises(MediaError):
            write_playback_sound(str(path), tmp_path / "new" / "play.wav")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_takes_no_sound_is_told_of(tmp_path: Path) -> None:
    sound = tmp_path / "s.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bytes(2000))
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot be written to"):
        write_playback_sound(str(sound), tmp_path / "file" / "play.wav")
    if Path("/proc/self").exists():
        with pytest.raises(DiskError, match="cannot be written to"):
            write_playback_sound(str(sound), Path("/proc/play.wav"))
