"""What people hand in by mistake: one sentence, the documented exit code, nothing half done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from clip_fixtures import MODELS, Ffmpeg, disk_of

from stylesync_engine import dubbing
from stylesync_engine.commands.app import main
from stylesync_engine.files import file_hash
from stylesync_engine.media import probe_video, read_audio, read_frames
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import (
    Codec,
    DubOptions,
    DubRequest,
    DubResult,
    FrameRange,
    SpeakerPoint,
)
from stylesync_engine.weights.loading import Models

REQUEST, MEDIA, NO_FACE, DISK = 2, 3, 4, 6
Output = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("warm")


def words(video: Path, speech: Path, output: Path, *more: str) -> list[str]:
    given = ["--video", str(video), "--speech", str(speech), "--output", str(output)]
    fixed = ["--models", MODELS, "--quality", "draft", "--codec", "ffv1", "--device", "cpu"]
    return ["dub", *given, *fixed, *more]


def refuse(capfd: Output, code: int, video: Path, speech: Path, folder: Path, *more: str) -> str:
    """Run the command, which must fail with `code`; its sentence."""
    sources = {path: file_hash(path) for path in (video, speech) if path.is_file()}
    output = folder / "out" / "dub.mkv"
    output.parent.mkdir(exist_ok=True)
    capfd.readouterr()
    assert main(words(video, speech, output, *more)) == code
    said = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(said) == 1, said
    assert said[0].endswith(".")
    assert "Traceback" not in said[0]
    assert not output.exists()
    assert list(output.parent.iterdir()) == []
    assert {path: file_hash(path) for path in sources} == sources
    return said[0]


def dub(video: Path, speech: Path, output: Path, frames: str | None, **more: Any) -> DubResult:
    known = {
        name: more.pop(name) for name in ("speaker", "style", "speech_samples") if name in more
    }
    options = {"models": MODELS, "quality": "draft", "codec": "ffv1", "device": "cpu", **more}
    request = DubRequest(
        str(video),
        str(speech),
        str(output),
        frames=FrameRange.parse(frames) if frames else None,
        work=str(output.with_suffix(".work")),
        options=DubOptions(**options),
        **known,
    )
    return dubbing.dub(request, dubbing.load_models(MODELS, "cpu"))


@pytest.fixture(scope="module")
def faceless(ffmpeg: Ffmpeg) -> Path:
    return ffmpeg("bars.mkv", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.8")


@pytest.mark.parametrize("more", [[], ["--speaker", "3:10,10"]])
def test_no_face(
    more: list[str], faceless: Path, other_speech: Path, tmp_path: Path, capfd: Output
) -> None:
    said = refuse(capfd, NO_FACE, faceless, other_speech, tmp_path, *more)
    assert "face" in said


def test_a_click_beside_the_face(
    talking: Path, other_speech: Path, tmp_path: Path, capfd: Output
) -> None:
    more = ["--frames", "0:8", "--speaker", "3:2,2"]
    assert "click" in refuse(capfd, NO_FACE, talking, other_speech, tmp_path, *more)
    more = ["--frames", "0:8", "--speaker", "30:100,100"]
    assert "0:8" in refuse(capfd, REQUEST, talking, other_speech, tmp_path, *more)


def test_a_face_below_48_px(
    talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path, capfd: Output
) -> None:
    scale = "scale=80:-2,pad=360:288:100:100"
    video = ffmpeg("tiny.mkv", "-i", talking, "-t", "0.5", "-vf", scale, "-c:v", "ffv1")
    said = refuse(capfd, NO_FACE, video, other_speech, tmp_path)
    assert "px wide" in said or "No face" in said


@pytest.mark.parametrize("frames", ["0:100000", "5000:5010"])
def test_a_range_outside_of_the_clip(
    frames: str, talking: Path, other_speech: Path, tmp_path: Path, capfd: Output
) -> None:
    more = ["--frames", frames]
    assert "range" in refuse(capfd, REQUEST, talking, other_speech, tmp_path, *more)
    style = ["--style", str(talking), "--style-frames", frames]
    assert "range" in refuse(capfd, REQUEST, talking, other_speech, tmp_path, *style)
    looks = ["--appearance", f"{talking}:{frames}"]
    assert "range" in refuse(capfd, REQUEST, talking, other_speech, tmp_path, *looks)


def break_file(kind: str, source: Path, folder: Path, ffmpeg: Ffmpeg) -> Path:
    """A file that is no clip, in one of several ways."""
    path = folder / f"{kind}{source.suffix}"
    data = source.read_bytes()
    if kind == "missing":
        return path
    if kind == "folder":
        path.mkdir()
    elif kind == "zero":
        path.write_bytes(b"")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(50_000))
    elif kind == "text":
        path.write_text("file 'other.mp4'\n")
    elif kind == "header":
        path.write_bytes(data[: 20 if source.suffix == ".wav" else 900])
    elif kind == "image":
        return ffmpeg("still.png", "-i", source, "-frames:v", "1", "-update", "1")
    elif kind == "sound":
        return ffmpeg("sound.wav", "-i", source, "-vn")
    return path


KINDS = ["missing", "folder", "zero", "noise", "text", "header", "image", "sound"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_no_clips(
    kind: str, talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path, capfd: Output
) -> None:
    broken = break_file(kind, talking, tmp_path, ffmpeg)
    if kind == "header" and talking.suffix == ".mpg":
        refuse(capfd, NO_FACE, broken, other_speech, tmp_path)  # one grey frame can be read
        return
    said = refuse(capfd, MEDIA, broken, other_speech, tmp_path)
    assert broken.name in said
    style = ["--style", str(broken)]
    assert broken.name in refuse(capfd, MEDIA, talking, other_speech, tmp_path, *style)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sound"])
def test_files_that_are_no_speech(
    kind: str, talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path, capfd: Output
) -> None:
    broken = (
        break_file(kind, other_speech, tmp_path, ffmpeg)
        if kind != "image"
        else break_file(kind, talking, tmp_path, ffmpeg)
    )
    said = refuse(capfd, MEDIA, talking, broken, tmp_path, "--frames", "0:8")
    assert broken.name in said


def test_a_truncated_clip_is_dubbed_as_far_as_it_goes_or_refused(
    talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path, capfd: Output
) -> None:
    video = ffmpeg(
        "whole.mp4", "-i", talking, "-t", "2", "-g", "5", "-movflags", "+faststart", "-an"
    )
    broken = tmp_path / "truncated.mp4"
    broken.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    said = refuse(capfd, MEDIA, broken, other_speech, tmp_path)
    assert "damaged" in said
    first = probe_video(broken).frames
    assert 4 < first < 50
    assert dub(broken, other_speech, tmp_path / "dub.mkv", "0:4").frames == 4


def test_corrupt_bytes_in_the_middle_never_shift_frames(
    talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    video = ffmpeg("clean.mkv", "-i", talking, "-t", "0.8", "-c:v", "ffv1", "-an")
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = os.urandom(3000)
    broken = tmp_path / "corrupt.mkv"
    broken.write_bytes(bytes(data))
    code = main(words(broken, other_speech, tmp_path / "dub.mkv"))
    assert code in (0, MEDIA, NO_FACE)
    if code == 0:
        assert probe_video(tmp_path / "dub.mkv").frames == probe_video(broken).frames
    else:
        assert not (tmp_path / "dub.mkv").exists()


def test_an_interlaced_clip(
    talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path, capfd: Output
) -> None:
    video = ffmpeg(
        "fields.mov", "-i", talking, "-t", "0.6", "-vf", "tinterlace=interleave_top,setfield=tff",
        "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "3", "-an",
    )  # fmt: skip
    said = refuse(capfd, MEDIA, video, other_speech, tmp_path)
    assert "deinterlace" in said


@pytest.mark.parametrize("size", ["361:287", "301:241", "640:359"])
def test_odd_sizes(
    size: str, talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    name = f"odd{size.replace(':', 'x')}.mkv"
    video = ffmpeg(name, "-i", talking, "-t", "0.32", "-vf", f"scale={size}", "-c:v", "ffv1", "-an")
    result = dub(video, other_speech, tmp_path / "dub.mkv", "0:4")
    made = probe_video(tmp_path / "dub.mkv")
    assert f"{made.width}:{made.height}" == size
    assert (result.frames, made.frames) == (4, 4)


@pytest.mark.parametrize(
    ("rate", "channels", "name", "codec"),
    [
        (8_000, 1, "dub.mkv", "ffv1"),
        (22_050, 3, "dub.mkv", "ffv1"),
        (48_000, 6, "dub.mov", "prores422hq"),
        (96_000, 8, "dub.mkv", "ffv1"),
        (192_000, 2, "dub.mov", "prores422hq"),
        (192_000, 8, "dub.mp4", "h264"),
        (8_000, 1, "dub.mp4", "h264"),
    ],
)
def test_every_rate_and_number_of_channels(
    rate: int, channels: int, name: str, codec: str, talking: Path, tmp_path: Path
) -> None:
    speech = tmp_path / "speech.wav"
    time = np.arange(rate) / rate
    tones = np.sin(2 * np.pi * 110 * time[:, None] * (1 + np.arange(channels))) * 0.3
    soundfile.write(speech, tones, rate, subtype="PCM_16")
    dub(talking, speech, tmp_path / name, "0:8", codec=codec)
    got, got_rate = read_audio(tmp_path / name)
    assert got.shape[0] == channels
    if codec != "h264":
        want, _ = soundfile.read(speech, dtype="float32", always_2d=True)
        assert got_rate == rate
        np.testing.assert_array_equal(got, want[: round(rate * 8 / 25)].T)


def test_more_channels_than_there_are_loudspeakers(
    talking: Path, tmp_path: Path, capfd: Output
) -> None:
    speech = tmp_path / "speech.wav"
    soundfile.write(speech, np.zeros((8000, 16)), 16_000, subtype="PCM_16")
    said = refuse(capfd, MEDIA, talking, speech, tmp_path, "--frames", "0:8")
    assert "channels" in said


def test_silent_speech_is_dubbed_with_a_note(talking: Path, tmp_path: Path) -> None:
    speech = tmp_path / "silence.wav"
    soundfile.write(speech, np.zeros(16_000), 16_000)
    result = dub(talking, speech, tmp_path / "dub.mkv", "0:16")
    assert result.changed == 16
    assert any("silent" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("policy", "changed", "word"),
    [("trim", 10, "stay as they are"), ("hold", 20, "holds"), ("silence", 20, "rests")],
)
def test_speech_shorter_than_the_range(
    policy: str, changed: int, word: str, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    samples, rate = read_audio(other_speech)
    speech = tmp_path / "short.wav"
    soundfile.write(speech, samples[:, rate // 2 : rate // 2 + round(rate * 0.4)].T, rate)
    result = dub(talking, speech, tmp_path / "dub.mkv", "0:20", length=policy)
    assert result.frames == probe_video(tmp_path / "dub.mkv").frames == 20
    assert result.changed == changed
    assert result.passed_through == (((10, 20),) if policy == "trim" else ())
    assert len(result.warnings) == 1
    assert word in result.warnings[0]
    sound, _ = read_audio(tmp_path / "dub.mkv")
    assert sound.shape[1] == round(rate * 0.8)
    assert not sound[:, round(rate * 0.4) :].any()
    if policy == "hold" and talking.suffix == ".mpg":  # whose head is nearly still
        after = Plan.load(tmp_path / "dub.work").motion
        # The lips hold; only the shot's own rest still moves, with the head.
        np.testing.assert_allclose(after[13, :, :13], after[16, :, :13], atol=0.05)


def test_speech_longer_than_the_range(talking: Path, other_speech: Path, tmp_path: Path) -> None:
    result = dub(talking, other_speech, tmp_path / "dub.mkv", "0:10")
    assert any("cut off" in warning for warning in result.warnings)
    _, rate = read_audio(other_speech)
    assert read_audio(tmp_path / "dub.mkv")[0].shape[1] == round(rate * 0.4)


def test_a_moment_of_speech(talking: Path, tmp_path: Path) -> None:
    speech = tmp_path / "click.wav"
    soundfile.write(speech, np.ones(40) * 0.5, 16_000)
    result = dub(talking, speech, tmp_path / "dub.mkv", "0:8", length="silence")
    assert result.changed == 8


def test_a_part_of_the_speech(talking: Path, other_speech: Path, tmp_path: Path) -> None:
    samples, rate = read_audio(other_speech)
    some = rate // 5
    dub(talking, other_speech, tmp_path / "d.mkv", "0:8", speech_samples=(rate, rate + some))
    got, _ = read_audio(tmp_path / "d.mkv")
    want = samples[:, rate : rate + some]
    assert got.shape[1] == round(rate * 8 / 25)
    np.testing.assert_allclose(got[:, :some], want, atol=2**-24)
    assert not got[:, some:].any()


@pytest.mark.parametrize(
    "name",
    ["with space", 'it\'s "quoted"', "#1", "100%d %05d", "Привет 你好 ü", "-dash", "semi;colon&"],
)
def test_names_of_files(name: str, talking: Path, other_speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    video, speech = folder / f"{name}{talking.suffix}", folder / f"s {name}{other_speech.suffix}"
    video.write_bytes(talking.read_bytes())
    speech.write_bytes(other_speech.read_bytes())
    output = folder / f"dub {name}.mkv"
    assert main(words(video, speech, output, "--frames", "0:3")) == 0
    assert probe_video(output).frames == 3
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [video.name, speech.name, output.name]
    )


def test_an_output_that_cannot_be_written(
    talking: Path, other_speech: Path, tmp_path: Path, capfd: Output
) -> None:
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "dub.mkv"
    assert main(words(talking, other_speech, output, "--frames", "0:3")) == DISK
    assert "another place" in capfd.readouterr().err
    assert main(words(talking, other_speech, tmp_path / "dub.avi", "--frames", "0:3")) == REQUEST
    (tmp_path / "dub.mkv").mkdir()
    assert main(words(talking, other_speech, tmp_path / "dub.mkv", "--frames", "0:3")) == REQUEST
    assert main(words(talking, other_speech, talking, "--frames", "0:3")) == REQUEST


@pytest.mark.parametrize("codec", ["ffv1", "prores4444", "h264", "png"])
def test_a_full_disk(
    codec: Codec, talking: Path, other_speech: Path, tmp_path: Path, capfd: Output
) -> None:
    suffix = {"ffv1": ".mkv", "prores4444": ".mov", "h264": ".mp4", "png": ""}[codec]
    output, work = tmp_path / "out" / f"dub{suffix}", tmp_path / "work"
    options = DubOptions(models=MODELS, quality="draft", codec=codec, device="cpu")
    request = DubRequest(
        str(talking), str(other_speech), str(output), FrameRange(0, 20), options=options
    )
    written = tmp_path / "request.json"
    written.write_text(request.to_json())
    with disk_of(20_000):
        assert main(["prepare", str(written), "--work", str(work)]) == DISK
    assert "full" in capfd.readouterr().err
    assert main(["prepare", str(written), "--work", str(work)]) == 0
    with disk_of(20_000):
        assert main(["render", "--work", str(work)]) == DISK
    assert "full" in capfd.readouterr().err
    assert main(["render", "--work", str(work)]) == 0
    with disk_of(20_000):
        assert main(["assemble", "--work", str(work)]) == DISK
    assert "full" in capfd.readouterr().err
    assert not output.exists()
    assert not output.parent.exists() or list(output.parent.iterdir()) == []
    assert main(["assemble", "--work", str(work)]) == 0


@pytest.fixture(scope="module")
def two_people(grid: Callable[[str], Path], ffmpeg: Ffmpeg) -> Path:
    """Two speakers side by side, each 360 px wide; the left one's film stands still."""
    left, right = grid("s1/bbaf2n"), grid("s30/bbac3n")
    return ffmpeg(
        "two.mkv", "-i", left, "-i", right, "-filter_complex",
        "[0:v]trim=end_frame=1,loop=loop=49:size=1,setpts=N/25/TB[a];"
        "[1:v]trim=end_frame=50[b];[a][b]hstack=shortest=1",
        "-map", "1:a", "-c:v", "ffv1", "-t", "2",
    )  # fmt: skip


def changed_columns(source: Path, made: Path, start: int) -> tuple[bool, bool]:
    """Whether anything left, right of column 360 differs between a range and its dub."""
    left = right = False
    count = probe_video(made).frames
    pairs = zip(
        read_frames(source, FrameRange(start, start + count)), read_frames(made), strict=True
    )
    for before, after in pairs:
        different = before.image.planes[0] != after.image.planes[0]
        left |= bool(different[:, :360].any())
        right |= bool(different[:, 360:].any())
    return left, right


def test_of_several_faces_one_speaks(two_people: Path, other_speech: Path, tmp_path: Path) -> None:
    dub(two_people, other_speech, tmp_path / "a.mkv", "10:20")
    assert changed_columns(two_people, tmp_path / "a.mkv", 10) == (False, True)
    dub(two_people, other_speech, tmp_path / "b.mkv", "10:20", speaker=SpeakerPoint(12, 180, 150))
    assert changed_columns(two_people, tmp_path / "b.mkv", 10) == (True, False)


def test_a_cut_inside_the_range(
    grid: Callable[[str], Path], other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    first, second = grid("s30/bbac3n"), grid("s4/bbaf2a")
    video = ffmpeg(
        "cut.mkv", "-i", first, "-i", second, "-filter_complex",
        "[0:v]trim=end_frame=30[a];[1:v]trim=end_frame=30,setpts=PTS-STARTPTS[b];"
        "[a][b]concat=n=2", "-c:v", "ffv1", "-r", "25",
    )  # fmt: skip
    result = dub(
        video, other_speech, tmp_path / "dub.mkv", "20:40", speaker=SpeakerPoint(22, 180, 150)
    )
    assert any("frame 30" in warning for warning in result.warnings)
    assert (result.frames, result.changed) == (20, 10)
    assert result.passed_through == ((10, 20),)
    pairs = zip(
        read_frames(video, FrameRange(30, 40)),
        list(read_frames(tmp_path / "dub.mkv"))[10:],
        strict=True,
    )
    for before, after in pairs:
        for want, got in zip(before.image.planes, after.image.planes, strict=True):
            np.testing.assert_array_equal(got, want)


def test_the_speaker_of_the_range_not_of_its_surroundings(
    grid: Callable[[str], Path], other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    """One person fills most of the clip, another one the range."""
    first, second = grid("s30/bbac3n"), grid("s4/bbaf2a")
    video = ffmpeg(
        "most.mkv", "-i", first, "-i", second, "-filter_complex",
        "[0:v]trim=end_frame=50[a];[1:v]trim=end_frame=12,setpts=PTS-STARTPTS[b];"
        "[a][b]concat=n=2", "-c:v", "ffv1", "-r", "25",
    )  # fmt: skip
    assert dub(video, other_speech, tmp_path / "dub.mkv", "51:61").changed == 10


def test_friday_keeps_the_others(
    clip: Callable[[str], Path], other_speech: Path, tmp_path: Path
) -> None:
    """A real picture of several people: only frames' own speaker changes."""
    video = clip("friday.mp4")
    result = dub(video, other_speech, tmp_path / "dub.mkv", "90:96")
    assert result.changed == 6
    plan = Plan.load(tmp_path / "dub.work")
    made = list(read_frames(tmp_path / "dub.mkv"))
    for i, before in enumerate(read_frames(video, FrameRange(90, 96))):
        rows, columns = np.nonzero(before.image.planes[0] != made[i].image.planes[0])
        back = np.linalg.inv(np.vstack([plan.matrices[i], [0, 0, 1]]))
        centre = (back @ [128, 192, 1])[:2]
        reach = 128 * np.hypot(back[0, 0], back[1, 0])
        assert np.abs(np.stack([columns, rows]) - centre[:, None]).max() < reach


def test_models_are_not_needed_to_refuse(
    talking: Path,
    other_speech: Path,
    tmp_path: Path,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong with the request is said before seconds go into loading models."""

    def unwanted(name: str, device: str) -> Models:
        raise AssertionError("models were loaded")

    monkeypatch.setattr(dubbing, "load_models", unwanted)
    assert main(words(tmp_path / "none.mov", other_speech, tmp_path / "dub.mkv")) == MEDIA
    assert main(words(talking, tmp_path / "none.wav", tmp_path / "dub.mkv")) == MEDIA
    assert main(words(talking, other_speech, tmp_path / "dub.mp3")) == REQUEST
