"""What a dub reads, and what is not StyleSync's, is never written over: hashes before and after."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clip_fixtures import MODELS, Ffmpeg

from stylesync_engine import dubbing
from stylesync_engine.commands.app import main
from stylesync_engine.farm.bundles import write_bundle
from stylesync_engine.files import file_hash
from stylesync_engine.media.sound import is_own_sound
from stylesync_engine.plan.places import check_batch, check_places
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, RequestError
from stylesync_engine.review.proxies import write_proxy


@pytest.fixture
def shot(tmp_path: Path, ffmpeg: Ffmpeg) -> Path:
    """A folder of numbered images and a speech beside them."""
    folder = tmp_path / "shot"
    folder.mkdir()
    first = ffmpeg("first.png", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1")
    for number in range(998, 1003):
        shutil.copyfile(first, folder / f"shot.{number:04d}.png")
    speech = ffmpeg("speech.wav", "-f", "lavfi", "-i", "sine=d=0.2")
    shutil.copyfile(speech, folder / "line.wav")
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {str(p): file_hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def ask(shot: Path, output: str, **more: Any) -> DubRequest:
    options = {"codec": "png", "models": MODELS, "images_rate": "25", **more.pop("options", {})}
    fields = {"video": "shot.####.png", "speech": "line.wav", "output": output, **more}
    places = {n: str(shot / v) if isinstance(v, str) else v for n, v in fields.items()}
    return DubRequest(**places, options=DubOptions(**options))


@pytest.mark.parametrize(
    ("video", "output"),
    [
        ("shot.####.png", "shot.%04d.png"),
        ("shot.%04d.png", "shot.%d.png"),
        ("shot.%d.png", "shot.%04d.png"),
        ("shot.####.png", "../shot/shot.%06d.png"),
        ("shot.####.png", "SHOT.%04d.png"),
        ("shot.1000.png", "shot.%04d.png"),
    ],
)
def test_no_spelling_of_a_sequence_overwrites_it(shot: Path, video: str, output: str) -> None:
    before = hashes(shot)
    words = ["--video", str(shot / video), "--output", str(shot / output), "--images-rate", "25"]
    words += ["--speech", str(shot / "line.wav"), "--codec", "png", "--models", MODELS]
    assert main(["dub", *words]) == RequestError.exit_code
    with pytest.raises(RequestError, match="overwrite the video"):
        check_places(ask(shot, output, video=video))
    assert hashes(shot) == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_the_files_that_they_lead_to(
    shot: Path, link: Callable[[Path, Path], None]
) -> None:
    out = shot / "out"
    out.mkdir()
    link(shot / "shot.1000.png", out / "dub.0000.png")
    with pytest.raises(RequestError, match="overwrite the video"):
        check_places(ask(shot, "out/dub.%04d.png"))
    (shot / "linked").symlink_to(shot)
    with pytest.raises(RequestError, match="overwrite the video"):
        check_places(ask(shot, "linked/shot.%04d.png"))


@pytest.mark.parametrize("role", ["speech", "style_speech", "consent"])
def test_the_sound_beside_images_overwrites_no_source(shot: Path, role: str) -> None:
    (shot / "line.wav").rename(shot / "dub.wav")
    more = {"speech": "dub.wav", role: "dub.wav", "style": "shot.####.png"}
    with pytest.raises(RequestError, match=f"overwrite the ({role}|speech)"):
        check_places(ask(shot, "dub.%04d.png", **more))
    (shot / "dub.wav").rename(shot / "sound.wav")
    with pytest.raises(RequestError, match="overwrite"):
        check_places(ask(shot, "../shot", **{**more, "speech": "sound.wav", role: "sound.wav"}))


def test_a_foreign_sound_beside_images_stays(shot: Path) -> None:
    shutil.copyfile(shot / "line.wav", shot / "dub.wav")
    before = hashes(shot)
    with pytest.raises(RequestError, match=r"dub\.wav'.* not StyleSync's"):
        check_places(ask(shot, "dub.%04d.png"))
    (shot / "dub.wav").rename(shot / "dub.2.wav")
    check_places(ask(shot, "dub.%04d.png"))
    with pytest.raises(RequestError, match="not StyleSync's"):
        check_places(ask(shot, "dub.%04d.png", options={"keep_sound": True}))
    (shot / "dub.2.wav").rename(shot / "dub.wav")
    assert hashes(shot) == before


def test_styles_and_appearances_count(shot: Path) -> None:
    with pytest.raises(RequestError, match="overwrite the style"):
        check_places(ask(shot, "shot.%04d.png", video="line.wav", style="shot.####.png"))
    look = {"appearance": str(shot / "shot.####.png")}
    with pytest.raises(RequestError, match="overwrite the appearance"):
        check_places(ask(shot, "shot.%04d.png", video="line.wav", options=look))


def test_a_sidecar_overwrites_no_source(shot: Path) -> None:
    (shot / "line.wav").rename(shot / "dub.mkv.stylesync.json")
    request = ask(shot, "dub.mkv", speech="dub.mkv.stylesync.json", options={"codec": "ffv1"})
    with pytest.raises(RequestError, match="overwrite the speech"):
        check_places(request)


def test_work_folders_take_nothing_away(shot: Path) -> None:
    work = shot / ".dub.mkv.stylesync"
    work.mkdir()
    (shot / "line.wav").rename(work / "seconds.json")
    request = ask(shot, "dub.mkv", speech=f"{work.name}/seconds.json", options={"codec": "ffv1"})
    with pytest.raises(RequestError, match="overwrite the speech"):
        check_places(request)
    other = dataclasses.replace(request, speech=str(shot / "shot.1000.png"))
    with pytest.raises(RequestError, match="no plan of StyleSync"):
        check_places(other)
    before = hashes(shot)
    whole = (work / "seconds.json").read_bytes()
    (work / "seconds.json").write_text('{"render": 1.5}')  # its plan was taken away
    check_places(other)
    (work / "seconds.json").write_bytes(whole)
    (work / "seconds.json").rename(work / "speech.wav")
    (work / "windows").mkdir()
    (work / "windows" / "own.safetensors").write_bytes(b"a model")
    (work / "windows" / "00000000-00000016.safetensors").write_bytes(b"a window")
    (work / "plan.safetensors").write_bytes(b"a plan")
    check_places(other)
    dubbing.remove_work(work)
    kept = {p.name for p in work.rglob("*") if p.is_file()}
    assert kept == {"speech.wav", "own.safetensors"}
    assert sorted(before.values()) == sorted(
        h for p, h in hashes(shot).items() if not p.endswith("own.safetensors")
    )


def test_no_dub_of_a_batch_overwrites_anothers_source(shot: Path) -> None:
    take = shot / "take.mkv"
    shutil.copyfile(shot / "line.wav", take)  # what it holds is never looked at
    ffv1 = {"codec": "ffv1"}
    first = ask(shot, "take.mkv", options=ffv1)
    second = ask(shot, "dub.mkv", style="take.mkv", options=ffv1)
    before = hashes(shot)
    for requests in ((first, second), (second, first)):
        with pytest.raises(RequestError, match=r"overwrite the style, .*take\.mkv"):
            write_bundle(requests, shot / "job")
    linked = ask(shot, "other.mkv", options=ffv1)
    (shot / "other.mkv").hardlink_to(take)
    with pytest.raises(RequestError, match="overwrite the style"):
        check_batch([second, linked])
    with pytest.raises(RequestError, match="overwrite the speech"):
        check_batch([second], [shot / "line.wav"])
    (shot / "other.mkv").unlink()
    assert hashes(shot) == before
    assert not (shot / "job").exists()


def test_two_dubs_of_a_batch_have_two_outputs(shot: Path) -> None:
    first, same, other = (
        ask(shot, f"{folder}dub.mkv", options={"codec": "ffv1", "seed": seed})
        for folder, seed in (("", 1), ("", 1), ("../shot/", 2))
    )
    check_batch([first, same])
    with pytest.raises(RequestError, match="Two dubs would write"):
        check_batch([first, other])


@pytest.mark.parametrize(
    ("one", "two", "codecs"),
    [
        ("new.%04d.png", "new.%05d.png", ("png", "png")),
        ("new.%04d.png", "new_%04d.exr", ("png", "exr")),  # whose sounds are one file
        ("out", "out/%06d.png", ("png", "png")),
        ("Straße.mkv", "strasse.mkv", ("ffv1", "ffv1")),  # on a disk that does not tell case apart
        ("caf\u00e9.mkv", "cafe\u0301.mkv", ("ffv1", "ffv1")),
    ],
)
def test_two_spellings_are_one_output(
    shot: Path, one: str, two: str, codecs: tuple[str, str]
) -> None:
    first, second = (
        ask(shot, name, options={"codec": codec, "seed": seed})
        for seed, (name, codec) in enumerate(zip((one, two), codecs, strict=True))
    )
    with pytest.raises(RequestError, match="Two dubs would write"):
        check_batch([first, second])


def test_a_proxy_grows_no_film_of_somebody_else(shot: Path, ffmpeg: Ffmpeg) -> None:
    clip = ffmpeg("clip.mkv", "-f", "lavfi", "-i", "testsrc2=s=128x96:d=0.2")
    foreign = shot / "take.mjpeg"
    foreign.write_bytes(b"a film")
    with pytest.raises(RequestError, match="no proxy of StyleSync"):
        write_proxy(str(clip), FrameRange(0, 2), 90, foreign)
    assert foreign.read_bytes() == b"a film"
    assert not foreign.with_suffix(".index").exists()


@pytest.mark.parametrize("film", [None, b"", b"a film", b"\xff\xd8 of a camera"])
def test_an_index_of_somebody_else_is_not_cut(
    shot: Path, ffmpeg: Ffmpeg, film: bytes | None
) -> None:
    clip = ffmpeg("clip.mkv", "-f", "lavfi", "-i", "testsrc2=s=128x96:d=0.2")
    foreign = shot / "take.index"
    foreign.write_bytes(b"chapters of a book")
    if film is not None:
        (shot / "take.mjpeg").write_bytes(film)
    before = hashes(shot)
    with pytest.raises(RequestError, match="no proxy of StyleSync"):
        write_proxy(str(clip), FrameRange(0, 2), 90, shot / "take.mjpeg")
    assert hashes(shot) == before
    assert write_proxy(str(clip), FrameRange(0, 2), 90, shot / "own.mjpeg") == 2


@pytest.mark.slow
def test_a_dub_of_images_to_images_replaces_its_own_sound_alone(
    talking: Path, other_speech: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    ffmpeg("dub.png", "-i", talking, "-frames:v", "1")
    shot, out = tmp_path / "shot", tmp_path / "out"
    shot.mkdir()
    out.mkdir()
    source = str(shot / "take.%04d.png")
    ffmpeg("x.txt", "-i", talking, "-frames:v", "20", source, "-f", "null")
    before = hashes(shot)
    options = DubOptions(
        models=MODELS, quality="draft", device="cpu", codec="png", images_rate="25"
    )
    request = DubRequest(
        source, str(other_speech), str(out / "take.%04d.png"), FrameRange(0, 20), options=options
    )
    dubbing.dub(request)
    assert is_own_sound(out / "take.wav")
    first = hashes(out)
    dubbing.dub(request)
    assert hashes(out) == first
    assert hashes(shot) == before
