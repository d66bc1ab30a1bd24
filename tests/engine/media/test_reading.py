"""Clips that need to be told how to be read: fields, and colours that the file leaves open."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clip_fixtures import Ffmpeg

from stylesync_engine.media import Clip, Reading, containers, probe_video, read_frames
from stylesync_engine.media.containers import pass_over
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.preparing.checks import check_request
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, MediaError, RequestError

FIELDS = Reading(deinterlace=True)


@pytest.fixture(scope="module")
def fields(ffmpeg: Ffmpeg) -> Path:
    """Ten frames of two fields each, of a picture that moves sideways at 50 Hz."""
    graph = "testsrc2=s=96x64:r=50,tinterlace=interleave_top,setfield=tff"
    return ffmpeg(
        "fields.mov", "-f", "lavfi", "-i", graph, "-frames:v", "10", "-c:v", "mpeg2video",
        "-flags", "+ilme+ildct", "-q:v", "2",
    )  # fmt: skip


def combing(picture: np.ndarray) -> float:
    """How much more neighbouring rows differ than rows of one field."""
    luma = picture.astype(float).mean(axis=2)
    return float(np.abs(np.diff(luma, axis=0)).mean() - np.abs(luma[2:] - luma[:-2]).mean() / 2)


def test_fields_become_as_many_frames_at_their_times(fields: Path) -> None:
    assert probe_video(fields).interlaced
    info = probe_video(Clip(str(fields), FIELDS))
    assert (info.interlaced, info.frames) == (False, 10)
    woven, whole = list(read_frames(fields)), list(read_frames(Clip(str(fields), FIELDS)))
    assert [f.time for f in woven] == [f.time for f in whole]
    before, after = (np.mean([combing(f.to_rgb()) for f in c]) for c in (woven, whole))
    assert after < 0.75 * before
    for start in (1, 5, 9):
        part = next(iter(read_frames(Clip(str(fields), FIELDS), FrameRange(start, 10))))
        assert np.array_equal(part.to_rgb(), whole[start].to_rgb())


def test_whole_frames_stay_as_they_are(ffmpeg: Ffmpeg) -> None:
    path = ffmpeg("whole.mkv", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.2", "-c:v", "ffv1")
    for one, other in zip(read_frames(path), read_frames(Clip(str(path), FIELDS)), strict=True):
        assert all(map(np.array_equal, one.image.planes, other.image.planes))


def request_for(video: Path, **options: object) -> DubRequest:
    return DubRequest(
        str(video), str(video), str(video.with_name("out.mkv")),
        options=DubOptions(codec="ffv1", **options),  # type: ignore[arg-type]
    )  # fmt: skip


def hdr(ffmpeg: Ffmpeg, name: str, transfer: str) -> Path:
    params = f"log-level=error:colorprim=bt2020:colormatrix=bt2020nc{transfer}"
    return ffmpeg(
        name, "-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.2", "-f", "lavfi", "-i",
        "sine=d=0.2", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", params,
    )  # fmt: skip


def test_colours_that_could_be_anything_are_refused(ffmpeg: Ffmpeg) -> None:
    unclear = hdr(ffmpeg, "unclear.mkv", "")
    with pytest.raises(MediaError) as caught:
        check_request(request_for(unclear))
    assert caught.value.field == "colour_space"
    named = request_for(unclear, colour_space="hlg")
    check_request(named)
    assert probe_video(shot_of(named)).layout.colour == "hlg"
    tagged = request_for(hdr(ffmpeg, "pq.mkv", ":transfer=smpte2084"))
    check_request(tagged)
    assert probe_video(shot_of(tagged)).layout.colour == "pq"


def test_wrong_settings_are_refused(ffmpeg: Ffmpeg, fields: Path) -> None:
    for rate in ("0", "25fps", "24/0", "-1", "1e3"):
        with pytest.raises(RequestError, match="24000/1001"):
            DubOptions(images_rate=rate)
    with pytest.raises(RequestError, match="true or false"):
        DubRequest.from_dict({"video": "a", "speech": "b", "output": "c",
                              "options": {"deinterlace": "yes"}})  # fmt: skip
    with pytest.raises(RequestError, match="no alpha"):
        DubOptions(delivery="overlay", codec="h265")
    asked = DubOptions(images_rate="23.976", colour_space="pq", deinterlace=True, keep_sound=True)
    request = DubRequest("a", "b", "c", options=asked)
    assert DubRequest.from_json(request.to_json()) == request


def test_a_lack_of_memory_is_not_the_clips_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that gets no memory, or no threads, gives no frames: nothing is wrong with them."""

    def refuse(size: int) -> None:
        raise MemoryError

    no_threads = av.error.BlockingIOError(11, "Resource temporarily unavailable: 'avcodec_open2()'")
    with pytest.raises(av.error.BlockingIOError):
        pass_over(no_threads)
    asked_for_too_much = av.error.MemoryError(12, "Cannot allocate memory")
    pass_over(asked_for_too_much)
    monkeypatch.setattr(containers, "want_memory", refuse)
    with pytest.raises(MemoryError):
        pass_over(asked_for_too_much)
    pass_over(av.error.InvalidDataError(1094995529, "Invalid data found when processing input"))
