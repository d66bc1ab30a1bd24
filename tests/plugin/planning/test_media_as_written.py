"""Media under the names that editing programs write, against files that lie where they mean."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from clip_fixtures import Ffmpeg
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.sources import Library, PictureFacts
from timeline_material import MadeUpProbe, ranged, timeline, track
from timeline_material import clip as clip_at

from stylesync_engine.media.sequences import find_sequence, numbered_name
from stylesync_engine.request import FrameRange, MediaError


def library(*folders: Path) -> Library:
    return Library(folders, MadeUpProbe())


def clip(url: str, available: Any = None, start: int = 0, rate: float = 25) -> Any:
    reference = otio.schema.ExternalReference(url, available)
    return otio.schema.Clip("shot", reference, ranged(start, 4, rate))


@pytest.mark.parametrize(
    "url",
    [
        "\\\\nas01\\reel3\\day 2\\25_90.mov",
        "//nas01/reel3/day 2/25_90.mov",
        "file://nas01/reel3/day%202/25_90.mov",
        "file:////nas01/reel3/day 2/25_90.mov",
        "smb://nas01/reel3/day%202/25_90.mov",
        "..\\reel3\\day 2\\25_90.mov",
        ".\\25_90.mov",
        "25_90.mov",
        "C:\\reel3\\day 2\\25_90.mov",
        "c:/reel3/day 2/25_90.mov",
        "file:///C:/reel3/day%202/25_90.mov",
        "file://localhost/C%3A/reel3/day%202/25_90.mov",
        "file:///C|/reel3/day%202/25_90.mov",
        "C:25_90.mov",
        "\\\\?\\C:\\reel3\\25_90.mov",
        "\\\\?\\UNC\\nas01\\reel3\\25_90.mov",
        "/Volumes/reel3/day%202/25_90.mov",
        "Macintosh HD:Users:me:25_90.mov",
    ],
)
@pytest.mark.parametrize("folder", [".", "day 2", "reel3/day 2"])
def test_media_are_found_by_every_kind_of_path(tmp_path: Path, url: str, folder: str) -> None:
    file = tmp_path / folder / "25_90.mov"
    if folder != "." and Path(url.replace("\\", "/")).parent.name not in ("day 2", "day%202"):
        pytest.skip("the name does not tell its folder")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert Path(library(tmp_path).find(clip(url), "x")).resolve() == file


def test_the_file_in_the_folder_that_its_name_tells_comes_first(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "day 1", tmp_path / "day 2"):
        place.mkdir(exist_ok=True)
        (place / "25_90.mov").touch()
    found = library(tmp_path).find(clip("X:\\reel\\day 2\\25_90.mov"), "x")
    assert Path(found) == tmp_path / "day 2" / "25_90.mov"


@pytest.mark.parametrize("name", ["C:\\A\\CAFÉ.MOV", "/Volumes/a/cafe\u0301.mov", "Café.Mov"])
def test_case_and_accents_are_those_of_another_system(tmp_path: Path, name: str) -> None:
    (tmp_path / "café.mov").touch()
    assert library(tmp_path).find(clip(name), "x") == str(tmp_path / "café.mov")


@pytest.mark.parametrize("sound", [True, False])
def test_a_name_without_its_kind_means_the_film(tmp_path: Path, sound: bool) -> None:
    """Cameras and editors lay lists, sounds and thumbnails of the same name beside their films."""
    for suffix in ("ale", "jpg", "LRV", "xml", "THM", *(["wav"] if sound else [])):
        (tmp_path / f"A001C002.{suffix}").touch()
    named = otio.schema.Clip("a001c002", otio.schema.MissingReference(), ranged(0, 4, 25))
    if sound:
        assert library(tmp_path).find(named, "x") == str(tmp_path / "A001C002.wav")
    (tmp_path / "A001C002.MXF").touch()
    assert library(tmp_path).find(named, "x") == str(tmp_path / "A001C002.MXF")


def test_what_a_name_tells_exactly_comes_first(tmp_path: Path) -> None:
    for name in ("a.mov", "a.mkv"):
        (tmp_path / name).touch()
    named = otio.schema.Clip("a.mkv", otio.schema.MissingReference(), ranged(0, 4, 25))
    assert library(tmp_path).find(named, "x") == str(tmp_path / "a.mkv")


SPELLINGS = [
    "plate.%04d.png", "plate.####.png", "plate.[####].png", "plate.@@@@.png", "plate.$F4.png",
    "plate.${F4}.png", "plate.<f4>.png", "plate.[1001-1030].png", "plate.1001-1030#.png",
    "plate.1001-1030@@@@.png", "plate.1001-1030%04d.png", "plate.####[1001-1030].png",
    "plate.%04d.png 1001-1030", "plate.####.png[1001-1030]", "plate.%d.png", "plate.#.png",
    "plate.$F.png", "plate.%.4F.png", "plate.%.4d.png", "plate.{frame:04}.png",
    "plate.{frame:04d}.png", "plate.{frame}.png", "plate.$frame.png", "plate.????.png",
    "plate.*.png", "plate.(1001-1030).png", "plate.{1001..1030}.png", "plate.1001-1030.png",
    "plate.%(frame)04d.png",
]  # fmt: skip


@pytest.fixture(scope="module")
def plates(ffmpeg: Ffmpeg) -> Path:
    """Images 1001 to 1030."""
    first = ffmpeg(
        "plate.%04d.png", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1.2",
        "-start_number", "1001",
    )  # fmt: skip
    return first.parent


@pytest.mark.parametrize("name", SPELLINGS)
def test_numbered_images_are_read_in_every_hosts_spelling(plates: Path, name: str) -> None:
    found = find_sequence(plates / name)
    assert found is not None
    assert (found.first, found.count) == (1001, 30)
    assert found.file(4) == plates / "plate.1005.png"
    path = library(plates).find(clip(f"/footage/{name}"), "x")
    assert Path(path).parent == plates
    assert "%" in path


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("take #2_[1-9].%04d.png", "take #2_[1-9].%04d.png"),
        ("my%20dog.####.exr", "my%20dog.%04d.exr"),
        ("v%d_shot.%010d.dpx", "v%d_shot.%010d.dpx"),
    ],
)
def test_the_last_place_of_a_number_counts(name: str, meant: str) -> None:
    assert numbered_name(name) == meant


@pytest.mark.parametrize(
    "url",
    [
        "file:///footage/my%20dog/plate.%04d.png",
        "file:///footage/my%20dog/plate.%2504d.png",
        "smb://nas/my%20dog/plate.%04d.png",
        "file://localhost/D:/my%20dog/plate.%04d.png",
        "D:\\my dog\\plate.%04d.png",
    ],
)
def test_the_number_of_an_image_is_no_escape(tmp_path: Path, url: str) -> None:
    (tmp_path / "my dog").mkdir()
    (tmp_path / "my dog" / "plate.0007.png").touch()
    assert library(tmp_path).find(clip(url), "x") == str(tmp_path / "my dog" / "plate.%04d.png")


@pytest.mark.parametrize(
    ("name", "available", "start", "first"),
    [
        ("plate.1001.png", ranged(0, 30, 25), 5, 5),
        ("plate.1004.png", ranged(0, 27, 25), 5, 8),
        ("plate.1001.png", ranged(1001, 30, 25), 1006, 5),
        ("plate.1001.png", ranged(90000, 30, 25), 90005, 5),
    ],
)
def test_one_image_stands_for_those_that_follow_it(
    plates: Path, name: str, available: Any, start: int, first: int
) -> None:
    source = library(plates).source_of(clip(f"/x/{name}", available, start), "x")
    assert source.frame_at(Fraction(start, 25)) == first
    assert source.is_sequence


@pytest.mark.parametrize("name", ["shot.mov", "a%20b.mov", "take #2.mov", "shot.png", "10%.png"])
def test_other_names_are_no_pattern(name: str) -> None:
    assert numbered_name(name) is None


@pytest.mark.parametrize(
    ("available", "start", "first"),
    [
        (ranged(1001, 30, 25), 1006, 5),
        (ranged(1005, 20, 25), 1006, 5),
        (ranged(0, 30, 25), 5, 5),
        (None, 1006, 5),
        (None, 5, 5),
        (ranged(90000, 30, 25), 90005, 5),
    ],
)
def test_times_of_images_count_their_numbers_or_from_the_first(
    plates: Path, available: Any, start: int, first: int
) -> None:
    source = library(plates).source_of(clip("/x/plate.%04d.png", available, start), "x")
    assert source.frame_at(Fraction(start, 25)) == first
    assert (source.facts.rate, source.facts.frames, source.is_sequence) == (25, 30, True)


@pytest.mark.parametrize("kind", [".jpg", ".JPEG", ".tga"])
def test_other_images_are_refused_with_what_is_read(tmp_path: Path, kind: str) -> None:
    for number in range(1, 4):
        (tmp_path / f"a.{number:04d}{kind}").touch()
    with pytest.raises(MediaError, match="EXR, DPX, TIFF or PNG"):
        library(tmp_path).source_of(clip(f"a.%04d{kind}"), "x")
    reference = otio.schema.ImageSequenceReference(
        "file:///gone/", "a.", kind, 1, 1, 25, 4, available_range=ranged(1, 3, 25)
    )
    with pytest.raises(MediaError, match="EXR, DPX, TIFF or PNG"):
        library(tmp_path).source_of(otio.schema.Clip("a", reference, ranged(1, 3, 25)), "x")


def test_an_active_key_without_media_is_said() -> None:
    text = otio.adapters.write_to_string(clip("a.mov"), "otio_json")
    broken = otio.adapters.read_from_string(
        text.replace(
            '"active_media_reference_key": "DEFAULT_MEDIA"', '"active_media_reference_key": "gone"'
        ),
        "otio_json",
    )
    with pytest.raises(MediaError, match="'gone' of clip 'x' is not among its media"):
        library().source_of(broken, "clip 'x'")


@pytest.mark.parametrize("available", [None, ranged(0, 46, 25), ranged(10, 20, 25)])
def test_a_timeline_counts_what_cannot_be_decoded(available: Any) -> None:
    """Six frames before the first that decodes: frame 20 of the timeline is 14 of the clip."""

    class Cut(MadeUpProbe):
        def picture(self, path: str) -> PictureFacts:
            return PictureFacts(Fraction(25), 40, undecoded=(6, 0))

    source = Library((), Cut()).source_of(clip(__file__, available, 20), "x")
    assert source.frame_at(Fraction(20, 25)) == 14


@pytest.mark.parametrize(
    ("start", "length", "frames", "shown"),
    [(0, 46, (0, 38), (6, 44)), (4, 10, (0, 8), (2, 10)), (20, 26, (14, 38), (0, 24)),
     (10, 20, (4, 24), (0, 20))],
)  # fmt: skip
def test_what_cannot_be_decoded_is_left_out_and_the_rest_is_dubbed(
    tmp_path: Path, start: int, length: int, frames: tuple[int, int], shown: tuple[int, int]
) -> None:
    """46 frames on the timeline, of which the first six and the last two do not decode."""

    class Cut(MadeUpProbe):
        def picture(self, path: str) -> PictureFacts:
            return PictureFacts(Fraction(25), 38, undecoded=(6, 2))

    (tmp_path / "cut.mkv").touch()
    shot = clip_at("a", tmp_path / "cut.mkv", start, length, 25, (0, 46))
    wish = job_from({"name": "a", "clip": "a", "speech": str(tmp_path / "line.wav")}, "a", {})
    (tmp_path / "line.wav").touch()
    settings = PlanSettings(tmp_path / "media", (tmp_path,), probe=Cut())
    planned = plan(timeline(track(shot)), [wish], settings)
    [dub] = planned.dubs
    assert dub.request.frames == FrameRange(*frames)
    assert (dub.place.seen.start * 25, dub.place.seen.end * 25) == shown
    assert any("cannot be decoded" in said for said in dub.warnings) == (length != 20)
