"""Dubs come and go three times in every format: each time the file is as it was."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from mlt_case import KDENLIVE, SHOTCUT, project
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.remembering import take_back, with_notes
from stylesync_plugin.writing.write_back import TrackNames, list_dubs, remove
from timeline_material import Audio, MarkingEngine, clip, timeline, track, write_clip, write_speech

RATE = Fraction(25)


def first_of(folder: Path, suffix: str) -> Path:
    """A timeline with a shot and its sound, as its application would write it."""
    shot = write_clip(folder / "a.mkv", RATE, 60, 1)
    if suffix in (".mlt", ".kdenlive"):
        write_clip(folder / "b.mkv", RATE, 60, 2)
        kind = KDENLIVE if suffix == ".kdenlive" else SHOTCUT
        return project(folder, folder, kind, lambda root: None)
    parts = [clip("A", shot, 0, 60, 25, (0, 60))]
    cut = timeline(track(*parts), track(clip("A", shot, 0, 60, 25, (0, 60)), kind=Audio))
    write_timeline(cut, folder / f"cut{suffix}")
    return folder / f"cut{suffix}"


def described(content: Any) -> list[tuple[Any, ...]]:
    """Every clip of a timeline: where it lies, what it plays from where, and whether."""
    return [
        (p.kind, p.root_span.start, p.root_span.end, p.media(p.span.start), p.enabled,
         Path(str(getattr(p.clip.media_reference, "target_url", ""))).name)
        for p in lay_out(content).clips
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".otio", ".xml", ".fcpxml", ".mlt", ".kdenlive"])
@pytest.mark.parametrize("level", ["off", "-20dB"])
def test_dubs_come_and_go(tmp_path: Path, suffix: str, level: Any) -> None:
    now = first = first_of(tmp_path, suffix)
    before = described(read_timeline(first))
    jobs = []
    for number, range_ in ((1, "8-16"), (2, "20-30")):
        write_speech(tmp_path / f"line{number}.wav", 0.6)
        data = {"range": range_, "speech": f"line{number}.wav"}
        jobs.append(job_from(data, str(number), {"codec": "ffv1"}))
    with_dubs, without = tmp_path / f"dubbed{suffix}", tmp_path / f"clean{suffix}"
    told: list[tuple[str, str]] = []
    for _ in range(3):
        batch = dub_timeline(
            read_timeline(now), jobs, PlanSettings(tmp_path / "out", (tmp_path,)), MarkingEngine(),
            TrackNames(original_sound=level),
        )  # fmt: skip
        assert not batch.failures
        write_timeline(batch.timeline, with_dubs)
        again = read_timeline(with_dubs)
        assert len(list_dubs(again)) == 2
        write_timeline(remove(again), without)
        told.append((with_dubs.read_text(), without.read_text()))
        now = without
    assert told[0] == told[1] == told[2]
    assert described(read_timeline(without)) == before


@pytest.mark.parametrize("suffix", [".xml", ".fcpxml"])
def test_an_application_that_drops_what_it_does_not_know_keeps_the_dubs(
    tmp_path: Path, suffix: str
) -> None:
    """What was saved there is a timeline like any other: the dubs are clips of its own."""
    first = first_of(tmp_path, suffix)
    write_speech(tmp_path / "line.wav", 0.6)
    job = job_from({"range": "8-16", "speech": "line.wav"}, "1", {"codec": "ffv1"})
    settings = PlanSettings(tmp_path / "out", (tmp_path,))
    batch = dub_timeline(read_timeline(first), [job], settings, MarkingEngine())
    write_timeline(batch.timeline, first)
    text = first.read_text()
    assert "<?stylesync " in text
    whole = described(read_timeline(first))
    first.write_text(text[: text.rindex("<?stylesync ")])
    assert list_dubs(read_timeline(first)) == []
    assert described(read_timeline(first)) == whole
    for damaged in ("[]", "[1]", "{", '[{"kind": "Video"}]', "null"):
        first.write_text(text[: text.rindex("<?stylesync ")] + f"<?stylesync {damaged}?>\n")
        assert described(read_timeline(first)) == whole


def test_a_note_never_ends_before_its_end(tmp_path: Path) -> None:
    shot = write_clip(tmp_path / "a.mkv", RATE, 20, 1)
    cut = timeline(track(clip("A", shot, 0, 20, 25, (0, 20))))
    cut.tracks[0][0].metadata[METADATA] = {"job": "a ?> b <?stylesync c?>"}
    text = with_notes("<xmeml/>", cut)
    assert text.count("?>") == 1
    del cut.tracks[0][0].metadata[METADATA]
    take_back(cut, text.encode())
    assert cut.tracks[0][0].metadata[METADATA]["job"] == "a ?> b <?stylesync c?>"
    assert with_notes("<xmeml/>", timeline(track())) == "<xmeml/>"
