"""Real clips dubbed end to end: what comes out, what stays, and that it is the same again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clip_fixtures import Ffmpeg, ask
from numpy.typing import NDArray

from stylesync_engine import dubbing
from stylesync_engine.faces.face_model import JAW
from stylesync_engine.files import file_hash
from stylesync_engine.media import Frame, probe_video, read_audio, read_frames
from stylesync_engine.plan import pipeline
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import (
    Cancelled,
    DubRequest,
    FrameRange,
    Progress,
    RequestError,
)
from stylesync_engine.weights.loading import Models

REACH = 16.0  # px of the 256 px crop by which a soft matte may reach beyond the jaw's outline


def may_change(plan: Plan, position: int, height: int, width: int) -> NDArray[np.bool_]:
    """Picture px near the lower face, from the plan's landmarks alone, by distance to the jaw's
    hull of the source and of the wanted face."""
    matrix = plan.matrices[position].astype(np.float64)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    back = cv2.invertAffineTransform(matrix)
    allowed = np.zeros((height, width), np.uint8)
    for points in (plan.before[position], plan.after[position]):
        jaw = points[list(JAW)] @ back[:, :2].T + back[:, 2]
        cv2.fillConvexPoly(allowed, cv2.convexHull(np.round(jaw).astype(np.int32)), 1)
    reach = int(np.ceil(REACH / scale)) + 2
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(allowed, disc).astype(bool)


def check_untouched(source: Frame, result: Frame, allowed: NDArray[np.bool_] | None) -> None:
    """Every native sample outside of `allowed` is the source's; None allows nothing."""
    for before, after in zip(source.image.planes, result.image.planes, strict=True):
        changed = before != after
        if allowed is None:
            assert not changed.any()
            continue
        rows, columns = before.shape[:2]
        whole = cv2.resize(allowed.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_AREA)
        near = cv2.dilate(whole, np.ones((3, 3), np.uint8)).astype(bool)
        assert changed.any(), "the dub changed nothing in this plane"
        assert not (changed & ~near).any()


def check_dub(request: DubRequest, result: dubbing.DubResult) -> None:
    """Frames, rate, size, times, sound and untouched pixels of an FFV1 dub against its source."""
    plan = Plan.load(Path(request.work or ""))
    source, made = probe_video(request.video), probe_video(request.output)
    count = len(plan.frames)
    assert (made.frames, made.rate) == (count, source.rate)
    assert (made.width, made.height, made.pixel_format) == (
        source.width,
        source.height,
        source.pixel_format,
    )
    assert (result.frames, result.rate) == (count, source.rate)
    assert result.changed == len(plan.shown) > 0
    position = {int(frame): i for i, frame in enumerate(plan.shown)}
    pairs = zip(read_frames(request.video, plan.frames), read_frames(request.output), strict=True)
    for index, (before, after) in enumerate(pairs):
        allowed = None
        if index in position:
            allowed = may_change(plan, position[index], source.height, source.width)
        check_untouched(before, after, allowed)
    check_sound(request, count / source.rate)


def check_sound(request: DubRequest, duration: Fraction) -> None:
    want, rate = read_audio(request.speech)
    got, got_rate = read_audio(request.output)
    length = round(duration * rate)
    assert got_rate == rate
    assert got.shape == (want.shape[0], length)
    padded = np.pad(want[:, :length], ((0, 0), (0, max(0, length - want.shape[1]))))
    # 24-bit samples: those of a 16-bit source are exact, decoded MP2 and AAC to half a step.
    np.testing.assert_allclose(got, np.clip(padded, -1, 1), atol=2**-24)


@pytest.mark.parametrize("quality", ["draft", "good"])
def test_a_short_dub(
    quality: str, models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "dub.mkv", "4:20", quality=quality)
    before = file_hash(talking), file_hash(other_speech)
    result = dubbing.dub(request, models)
    check_dub(request, result)
    assert (file_hash(talking), file_hash(other_speech)) == before
    assert result.changed == 16
    assert result.passed_through == ()


def test_a_clip_at_30_frames_a_second(
    models: Models, clip: Callable[[str], Path], other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    video = ffmpeg(
        "short.mp4", "-i", clip("englishvideo.mp4"), "-frames:v", "20", "-preset", "ultrafast"
    )
    request = ask(video, other_speech, tmp_path / "dub.mkv", "3:9")
    result = dubbing.dub(request, models)
    assert (result.rate, result.frames) == (Fraction(30), 6)
    check_dub(request, result)


def test_any_number_of_cores_and_threads_gives_the_same_bytes(
    models: Models,
    talking: Path,
    other_speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, threads = [], torch.get_num_threads()
    for count in (1, 2, 5):
        (tmp_path / str(count)).mkdir()
        output = tmp_path / str(count) / "dub.mkv"
        request = ask(talking, other_speech, output, "0:18", quality="good")
        monkeypatch.setattr(pipeline, "cores", lambda count=count: count)
        torch.set_num_threads(count)
        try:
            dubbing.dub(request, models)
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)
        plan = Plan.load(Path(request.work or ""))
        written.append((plan.identity, output.read_bytes()))
    assert written[0] == written[1] == written[2]


def test_another_seed_gives_another_picture(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "dub.mkv", "0:2", quality="good")
    dubbing.dub(request, models)
    first = file_hash(tmp_path / "dub.mkv")
    dubbing.dub(replace(request, options=replace(request.options, seed=1)), models)
    assert file_hash(tmp_path / "dub.mkv") != first


def test_three_chunks_in_any_order_equal_one_run(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "dub.mkv", "5:45")
    dubbing.dub(request, models)
    chunked = replace(request, output=str(tmp_path / "joined.mkv"), work=str(tmp_path / "chunks"))
    work = dubbing.prepare(chunked, tmp_path / "chunks", models)
    with pytest.raises(RequestError, match="40 of 40 frames are not rendered"):
        dubbing.assemble(work)
    for frames in ("30:45", "5:20", "20:30"):
        seen: list[Progress] = []
        dubbing.render(work, FrameRange.parse(frames), models, seen.append)
        assert seen[-1].done == seen[-1].total
    result = dubbing.assemble(work)
    assert (tmp_path / "joined.mkv").read_bytes() == (tmp_path / "dub.mkv").read_bytes()
    assert result.frames == 40


def test_a_new_output_name_needs_no_new_work(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "dub.mkv", "0:8")
    dubbing.dub(request, models)
    renamed = replace(request, output=str(tmp_path / "again.mkv"))
    stages: list[str] = []
    dubbing.dub(renamed, models, lambda progress: stages.append(progress.stage))
    assert set(stages) == {"render", "assemble"}
    assert file_hash(tmp_path / "again.mkv") == file_hash(tmp_path / "dub.mkv")


@pytest.mark.parametrize("stage", ["track", "render", "assemble"])
def test_a_cancelled_dub_leaves_no_output(
    stage: str, models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "out" / "dub.mkv", "0:40")
    done: list[int] = []

    def cancel(progress: Progress) -> None:
        done.append(progress.done)
        if progress.stage == stage and progress.done >= 16:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        dubbing.dub(request, models, cancel)
    left = [path.name for path in (tmp_path / "out").iterdir()] if done and stage != "track" else []
    assert left in ([], ["dub.work"])
    windows = len(list((tmp_path / "out" / "dub.work" / "windows").glob("*.safetensors")))
    assert windows == {"track": 0, "render": 1, "assemble": 1}[stage]
    assert dubbing.dub(request, models).changed == 40


def test_the_hidden_work_folder_goes_away(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = replace(ask(talking, other_speech, tmp_path / "dub.mkv", "0:4"), work=None)
    dubbing.dub(request, models)
    assert [path.name for path in tmp_path.iterdir()] == ["dub.mkv"]


def test_each_frame_of_a_variable_rate_keeps_its_time(
    models: Models, talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    """Telephones drop frames: every third one is missing here, and one pause is long."""
    thinned = "select='not(eq(mod(n,3),1))*not(between(n,20,24))'"
    video = ffmpeg(
        "phone.mov", "-i", talking, "-vf", thinned, "-fps_mode", "vfr", "-t", "1.6",
        "-c:v", "libx264", "-crf", "12", "-enc_time_base", "1:600", "-video_track_timescale", "600",
    )  # fmt: skip
    source = probe_video(video)
    assert source.variable_rate
    for name, codec, tolerance in (
        ("dub.mkv", "ffv1", Fraction(1, 1000)),
        ("dub.mov", "prores422hq", Fraction(0)),
    ):
        request = ask(video, other_speech, tmp_path / name, "3:18", codec=codec)
        dubbing.dub(request, models)
        want = list(read_frames(video, FrameRange(3, 18)))
        got = list(read_frames(tmp_path / name))
        assert len(got) == len(want) == 15
        for before, after in zip(want, got, strict=True):
            assert abs(after.time - (before.time - want[0].time)) <= tolerance


def test_probe_tells_who_is_seen_where(talking: Path) -> None:
    found = dubbing.probe(str(talking))
    info = probe_video(talking)
    assert found["frames"] == info.frames
    assert found["rate"] == f"{info.rate.numerator}/{info.rate.denominator}"
    assert len(found["speakers"]) == 1
    assert found["speakers"][0]["seen"] == [[0, info.frames]]
    assert found["cuts"] == []


@pytest.mark.slow
@pytest.mark.parametrize("quality", ["draft", "good"])
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("englishvideo.mp4", None),
        ("Apologizing.mp4", None),
        ("Status0_Speaking.mp4", "0:20"),
        ("single_face.mp4", None),
    ],
)
def test_whole_clips(
    name: str,
    frames: str | None,
    quality: str,
    models: Models,
    clip: Callable[[str], Path],
    other_speech: Path,
    tmp_path: Path,
) -> None:
    request = ask(
        clip(name), other_speech, tmp_path / "dub.mkv", frames, quality=quality, length="hold"
    )
    check_dub(request, dubbing.dub(request, models))
