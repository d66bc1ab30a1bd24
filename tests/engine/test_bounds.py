"""What never ends, or would fill the memory, gets a sentence: 10 s and 1 GB for every door."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stylesync_engine.files import read_bounded
from stylesync_engine.media import probe_video, read_audio_blocks
from stylesync_engine.media.containers import MOST_PIXELS
from stylesync_engine.media.exr import ExrPart, read_exr, require_openimageio, write_exr
from stylesync_engine.preparing.new_speech import first_samples
from stylesync_engine.request import MediaError, ModelError, RequestError
from stylesync_engine.weights import fetching

SECONDS, BYTES = 10, 2**30
SHORT = """
import resource, sys, time
from stylesync_{package}.commands.app import main
code = main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(code, time.process_time(), peak)
"""
DOORS = [
    ("engine", "dub {}"),
    ("engine", "prepare {} --work plan"),
    ("engine", "render --work {folder}"),
    ("engine", "assemble --work {folder}"),
    ("engine", "task --bundle {folder} --step dub --chunk 1"),
    ("engine", "bundle {} --to job"),
    ("engine", "probe {}"),
    ("engine", "verify {}"),
    ("engine", "verify real.mkv --trust {}"),
    ("engine", "compare {} {}"),
    ("engine", "dub --video {} --speech {} --output out.mov"),
    ("engine", "dub --video a.mov --speech b.wav --output out.mov --consent {}"),
    ("engine", "models import part {}"),
    ("engine", "models import models {folder}"),
    ("plugin", "plan {}"),
    ("plugin", "plan cut.otio --jobs {}"),
    ("plugin", "dub {} --jobs {} -o out.otio"),
    ("plugin", "collect {folder}"),
]
NAMES = ("x.otio", "x.json", "x.xml", "x.fcpxml", "x.edl", "x.mlt", "x.otioz", "x.mov")


@pytest.fixture(params=["device", "pipe"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """A file of this name that never ends, or never begins."""

    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return make


@pytest.mark.slow
@pytest.mark.parametrize(("package", "words"), DOORS)
def test_every_door_answers(
    package: str, words: str, endless: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    for name in ("plan.json", "plan.safetensors", "bundle.json", "models.json", "submission.json"):
        endless(f"folder/{name}")
    (tmp_path / "real.mkv").write_bytes(b"x")
    (tmp_path / "cut.otio").write_text('{"OTIO_SCHEMA": "Timeline.1"}')
    for name in NAMES if "{}" in words else NAMES[:1]:
        path = endless(name)
        command = words.format(path, path, folder=folder).split()
        answer = subprocess.run(
            [sys.executable, "-c", SHORT.format(package=package), *command],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=20 * SECONDS,
        )  # fmt: skip
        code, seconds, peak = answer.stdout.split()[-3:]
        assert 2 <= int(code) <= 6, (command, answer.stdout, answer.stderr)
        assert float(seconds) < SECONDS
        assert float(peak) < BYTES
        if "{}" in words and package == "engine" and name == "x.xml":
            break  # the engine knows no format by such a name


LONG = {
    "a.edl": (b"TITLE: x\n001  AX       V     C        ", b"1"),
    "b.edl": (b"* FROM CLIP NAME: ", b"A"),
    "a.fcpxml": (b'<fcpxml version="1.10">', b"<a/>"),
    "a.otio": (b'{"OTIO_SCHEMA": "Timeline.1", "name": "', b"x"),
    "b.otio": (b"", b"["),
    "a.mlt": (b'<mlt><property name="a">', b"1"),
    "a.csv": (b"In;Out;Text\n", b"x"),
    "b.csv": (b"", b","),
    "c.csv": (b"", b"1;2\n"),
    "a.srt": (b"1\n00:00:01,000 --> 00:00:02,000\n", b"<"),
    "a.json": (b'{"video": "', b"x"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("size", [10**8, 3 * 10**7])
def test_a_line_of_a_hundred_megabytes(name: str, size: int, tmp_path: Path) -> None:
    """Too long to be read, and as long as is read."""
    head, piece = LONG[name]
    path, cut = tmp_path / name, tmp_path / "cut.otio"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(size // 10**6):
            file.write(piece * (10**6 // len(piece)))
    track = {"OTIO_SCHEMA": "Track.1", "kind": "Video"}
    stack = {"OTIO_SCHEMA": "Stack.1", "children": [track]}
    cut.write_text(json.dumps({"OTIO_SCHEMA": "Timeline.1", "name": "a", "tracks": stack}))
    script = ["lines", "import", path, cut, "-o", tmp_path / "o"]
    words = {
        ".json": ["plan", cut, "--jobs", path], ".csv": script, ".srt": script,
    }.get(path.suffix, ["plan", path])  # fmt: skip
    answer = subprocess.run(
        [sys.executable, "-c", SHORT.format(package="plugin"), *map(str, words), "--rate", "25"],
        capture_output=True, text=True, check=False, timeout=20 * SECONDS,
    )  # fmt: skip
    code, seconds, peak = answer.stdout.split()[-3:]
    assert int(code) in (2, 3), answer.stderr
    assert float(seconds) < SECONDS
    assert float(peak) < BYTES


@pytest.mark.parametrize("name", ["STUDIO", "CERTIFICATE", "KEY"])
def test_settings_that_never_end(
    name: str, endless: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stylesync_engine.origin.signers import open_signer
    from stylesync_engine.origin.studio import read_studio

    monkeypatch.setenv("STYLESYNC_CERTIFICATE", str(tmp_path))
    monkeypatch.setenv("STYLESYNC_KEY", str(tmp_path))
    monkeypatch.setenv(f"STYLESYNC_{name}", str(endless("settings")))
    with pytest.raises(RequestError):
        open_signer(read_studio())


def test_small_files_have_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"x" * 100)
    assert read_bounded(path, 100) == b"x" * 100
    for other, limit in ((path, 99), (tmp_path, 99), (Path("/dev/zero"), 99)):
        with pytest.raises(OSError, match="more than|regular|directory"):
            read_bounded(other, limit)


def test_a_picture_is_measured_before_it_is_read(tmp_path: Path) -> None:
    oiio = require_openimageio()
    path = tmp_path / "huge.exr"
    part = ExrPart("rgba", ("R", "G", "B"), np.zeros((2, 2, 3), np.float32))
    write_exr(path, [part], (60_000, 60_000), half=True, facts={"colour": "linear"})
    assert oiio.ImageInput.open(str(path)).spec().full_width ** 2 > MOST_PIXELS
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MediaError, match="60000x60000"):
        read_exr(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**17  # KiB


@pytest.mark.parametrize("pattern", ["x.%02147483647d.png", "x.%0999d.png", f"x.{'#' * 3000}.png"])
def test_padding_has_a_limit(pattern: str, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"x.{number}.png").write_bytes(b"x")
    with pytest.raises(MediaError):
        probe_video(tmp_path / pattern)


def test_a_hole_in_the_sound_has_a_limit(
    ffmpeg: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = "asetpts=PTS+gte(N\\,20)*30*3600/TB"
    path = ffmpeg(
        "hole.mkv", "-f", "lavfi", "-i", "sine=d=2", "-af", filters, "-c:a", "pcm_s16le"
    )  # fmt: skip
    with pytest.raises(MediaError, match="a hole of 30"):
        list(read_audio_blocks(path))


def test_speech_far_beyond_the_range_is_not_heard() -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield np.zeros((1, 16_000), np.float32)

    kept, total = first_samples(endless(), 100)
    assert kept.shape == (1, 100)
    assert 600 < total / 16_000 < 700


def test_a_sound_of_a_whole_disk_for_four_frames(tmp_path: Path) -> None:
    path = tmp_path / "huge.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 3, 48_000, 0, "NONE", ""))
        file.writeframes(b"\0" * 4800)
    header = path.read_bytes()[:44]
    size = 40 * 2**30
    data = size.to_bytes(8, "little")
    ds64 = b"ds64" + (28).to_bytes(4, "little") + data + data + bytes(12)
    with path.open("wb") as file:
        file.write(b"RF64\xff\xff\xff\xffWAVE" + ds64 + header[12:36] + b"data\xff\xff\xff\xff")
        file.truncate(size)
    blocks = read_audio_blocks(path, 16_000, mono=True)
    kept, _ = first_samples(blocks, 2560)
    assert kept.shape == (1, 2560)


def test_a_server_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def read(self, size: int) -> bytes:
            return b"x" * size

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Server())
    with pytest.raises(ModelError, match="more than"):
        fetching._fetch_from_address("https://models.example/a", tmp_path / "a.json")
    monkeypatch.setattr(fetching, "_SECONDS", 0)
    with pytest.raises(ModelError, match="not there after"):
        fetching._fetch_from_address("https://models.example/a", tmp_path / "a.safetensors")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2**22
