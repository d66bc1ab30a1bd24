"""Two speakers of one shot in one picture: each mouth changes in its own place and time alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from clip_fixtures import ask
from places import DEMO

from stylesync_engine import dubbing
from stylesync_engine.farm.bundles import read_bundle, read_outcome, write_bundle
from stylesync_engine.farm.tasks import run_task
from stylesync_engine.media import Clip, Reading, read_frames
from stylesync_engine.preparing.checks import check_request
from stylesync_engine.request import Cancelled, DubRequest, MouthKey, RequestError, SpeakerPoint

FRAMES, WIDTH = 30, 640
LEFT, RIGHT = range(4, 18), range(12, 26)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of the presenter beside each other, the right one mirrored, and two lines."""
    place = tmp_path_factory.mktemp("two")
    cut = "trim=start_frame={}:end_frame={},setpts=PTS-STARTPTS"
    sides = f"[0:v]{cut.format(0, FRAMES)}[a];[1:v]{cut.format(100, 100 + FRAMES)},hflip[b]"
    clips = ["-i", str(DEMO / "take_to_dub.mp4"), "-i", str(DEMO / "style.mp4")]
    made = ["-filter_complex", f"{sides};[a][b]hstack[v]", "-map", "[v]", "-map", "0:a"]
    made += ["-t", str(FRAMES / 25), "-c:v", "ffv1", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"]
    command = ["ffmpeg", "-v", "error", *clips, *made, str(place / "two.mkv")]
    subprocess.run(command, check=True, timeout=60)
    said, rate = soundfile.read(DEMO / "line.wav", dtype="float32")
    said = said if said.ndim == 1 else said[:, 0]
    for name, when in (("left", LEFT), ("right", RIGHT)):
        first, count = when.start * rate // 25, len(when) * rate // 25
        line = np.zeros(FRAMES * rate // 25, np.float32)
        line[first : first + count] = said[:count]
        soundfile.write(place / f"{name}.wav", line, rate, subtype="PCM_24")
    return place


def face(folder: Path, name: str, output: Path) -> DubRequest:
    """The dub of one of the faces in its own frames; the others are left original."""
    when, x = (LEFT, 320) if name == "left" else (RIGHT, WIDTH + 320)
    request = ask(folder / "two.mkv", folder / f"{name}.wav", output, f"0:{FRAMES}")
    keys = [f"original@0:{when.start}", f"original@{when.stop}:{FRAMES}"]
    return replace(
        request, speaker=SpeakerPoint(10, x, 240), mouth_keys=tuple(map(MouthKey.parse, keys)),
        work=str(folder / f"work_{name}"),
    )  # fmt: skip


def both(folder: Path, output: Path, **changed: Any) -> DubRequest:
    left, right = face(folder, "left", output), face(folder, "right", output)
    return replace(right, **{"beside": (left,), **changed})


def planes(path: Path) -> np.ndarray:
    """`[T, 480, 1280]` code values of luma and `[T, 480, 1280]` of chroma beneath."""
    frames = []
    for frame in read_frames(Clip(str(path), Reading())):
        luma, *chroma = (np.asarray(frame.image.component(number)) for number in range(3))
        wide = [c if c.shape == luma.shape else c.repeat(2, 0).repeat(2, 1) for c in chroma]
        frames.append(np.stack([luma, *wide]))
    return np.stack(frames)


def test_each_mouth_changes_in_its_own_place_and_time(folder: Path, tmp_path: Path) -> None:
    result = dubbing.dub(both(folder, tmp_path / "both.mkv"))
    alone = {}
    for name in ("left", "right"):
        dubbing.dub(face(folder, name, tmp_path / f"{name}.mkv"))
        alone[name] = planes(tmp_path / f"{name}.mkv")
    source, done = planes(folder / "two.mkv"), planes(tmp_path / "both.mkv")
    changed = (done != source).any(axis=(1, 2))
    assert [t for t in range(FRAMES) if changed[t, :WIDTH].any()] == list(LEFT)
    assert [t for t in range(FRAMES) if changed[t, WIDTH:].any()] == list(RIGHT)
    assert (done[..., :WIDTH] == alone["left"][..., :WIDTH]).all()
    assert (done[..., WIDTH:] == alone["right"][..., WIDTH:]).all()
    assert (result.changed, result.passed_through) == (22, ((0, 4), (26, 30)))
    sounds = [
        np.frombuffer(
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-f", "f32le", "-"],
                check=True, capture_output=True, timeout=60,
            ).stdout,
            np.float32,
        )
        for path in (tmp_path / "both.mkv", tmp_path / "left.mkv", tmp_path / "right.mkv")
    ]  # fmt: skip
    np.testing.assert_allclose(sounds[0], sounds[1] + sounds[2], atol=2e-7)


def test_a_farm_and_a_run_that_was_stopped_give_the_same(folder: Path, tmp_path: Path) -> None:
    dubbing.dub(both(folder, tmp_path / "whole.mkv"))
    left = replace(face(folder, "left", tmp_path / "o.mkv"), work=str(tmp_path / "l"))
    asked = both(folder, tmp_path / "o.mkv", beside=(left,), work=str(tmp_path / "w"))

    def stop(progress: Any) -> None:
        if progress.stage == "assemble" and progress.done == 20:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        dubbing.dub(asked, on_progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("windows/*")}
    assert {path.parts[-3] for path in kept} == {"l", "w"}
    dubbing.dub(asked)
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert (tmp_path / "o.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()

    sent = replace(asked, output=str(tmp_path / "farm.mkv"), work=None)
    [entry] = write_bundle([sent], tmp_path / "bundle")
    for step in ("prepare", "render", "assemble"):
        run_task(tmp_path / "bundle", step, f"1-{entry.parts if step == 'render' else 1}")  # type: ignore[arg-type]
    assert read_outcome(tmp_path / "bundle", read_bundle(tmp_path / "bundle")[0]).changed == 22
    assert (tmp_path / "farm.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_what_cannot_be_one_picture_is_refused(folder: Path, tmp_path: Path) -> None:
    request = both(folder, tmp_path / "o.mkv")
    [left] = request.beside or ()
    options = replace(request.options, delivery="overlay")
    wrong: list[tuple[DubRequest, str]] = [
        (replace(request, options=options), "delivery"),
        (replace(request, frames=dubbing.FrameRange(0, 20)), "beside"),
        (replace(request, beside=(request,)), "beside"),
        (replace(request, beside=(replace(left, options=replace(left.options, models="x")),)),
         "beside"),
    ]  # fmt: skip
    for asked, field in wrong:
        with pytest.raises(RequestError) as caught:
            check_request(asked)
        assert caught.value.field == field
    same = replace(left, speaker=request.speaker, mouth_keys=request.mouth_keys, work=None)
    with pytest.raises(RequestError, match="same face"):
        dubbing.dub(replace(request, beside=(same,)))
    assert not (tmp_path / "o.mkv").exists()


def test_every_face_needs_its_consent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")
    told = {"format": 1, "person": "Ada", "purpose": "test", "until": "2999-01-01"}
    (tmp_path / "ada.json").write_text(json.dumps(told))
    asked = both(folder, tmp_path / "o.mkv", consent=str(tmp_path / "ada.json"), person="Ada")
    with pytest.raises(RequestError, match="consent"):
        check_request(asked)
    (tmp_path / "ben.json").write_text(json.dumps({**told, "person": "Ben"}))
    [left] = asked.beside or ()
    named = replace(left, consent=str(tmp_path / "ben.json"), person="Ben")
    checked = check_request(replace(asked, beside=(named,)))
    assert [found.consent and found.consent.person for found in checked.faces] == ["Ada", "Ben"]


def test_a_request_with_several_faces_is_plain_data(folder: Path, tmp_path: Path) -> None:
    request = both(folder, tmp_path / "o.mkv")
    assert DubRequest.from_json(request.to_json()) == request
    assert "beside" not in json.loads(dataclasses.replace(request, beside=None).to_json())
