"""Lines of several speakers of one shot, and handles: from a table to the plan, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import write_timeline
from stylesync_plugin.jobs import job_from, read_jobs
from stylesync_plugin.lines.document import Character, Lines, read_lines, write_lines
from stylesync_plugin.lines.exporting import export_lines, job_with_others, jobs_of, with_dubs
from stylesync_plugin.lines.importing import import_lines
from stylesync_plugin.lines.merging import carry_over
from stylesync_plugin.lines.together import said_together
from stylesync_plugin.planning.planner import Plan, PlanSettings, plan
from stylesync_plugin.timeline.sources import SoundFacts
from timeline_material import (
    MadeUpProbe,
    MarkingEngine,
    clip,
    made_up,
    timeline,
    track,
    write_clip,
    write_speech,
)

from stylesync_engine.request import RequestError

HEAD = "Number,Character,In,Out,Text,Sound,Face,Handles\n"
TABLE = HEAD + (
    '1,ANNA,00:00:01:00,00:00:03:00,Hi,1.wav,"30:100,50",\n'
    '2,BEN,00:00:02:00,00:00:04:00,Yo,2.wav,"60:300,50",8\n'
    "3,ANNA,00:00:05:00,00:00:06:00,Hm,3.wav,,12\n"
    "4,BEN,00:00:21:00,00:00:23:00,No,4.wav,,\n"
)


class Probe(MadeUpProbe):
    """Sounds of two seconds."""

    def sound(self, path: str) -> SoundFacts:
        return SoundFacts(48_000, 96_000)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    film = made_up(tmp_path, Fraction(25), 5000)
    parts = [clip("A", film, 0, 500, 25, (0, 5000)), clip("B", film, 900, 500, 25, (0, 5000))]
    return timeline(track(*parts))


def imported(folder: Path, cut: Any, table: str = TABLE) -> Lines:
    (folder / "wavs").mkdir(exist_ok=True)
    for number in range(1, 5):
        (folder / "wavs" / f"{number}.wav").touch()
    (folder / "script.csv").write_text(table)
    return import_lines(folder / "script.csv", folder / "wavs", cut, "cut.otio", Probe())


def planned(folder: Path, cut: Any, data: Any) -> Plan:
    (folder / "jobs.json").write_text(json.dumps(data))
    return plan(cut, read_jobs(folder / "jobs.json").jobs, PlanSettings(folder, probe=Probe()))


def test_lines_said_at_once_share_a_picture(tmp_path: Path, cut: Any) -> None:
    lines = imported(tmp_path, cut)
    assert [[line.number for line in group] for group in said_together(lines)] == [
        ["1", "2"], ["3"], ["4"],
    ]  # fmt: skip
    data, left = jobs_of(lines, None, tmp_path)
    assert (len(data["jobs"]), left) == (4, [])
    found = planned(tmp_path, cut, data)
    assert [dub.jobs for dub in found.dubs] == [("1", "2"), ("3",), ("4",)]
    both = found.dubs[0]
    assert [str(face.speaker) for face in both.request.faces] == ["60:300,50", "30:100,50"]


def test_what_is_approved_comes_along_with_what_is_dubbed(tmp_path: Path, cut: Any) -> None:
    lines = imported(tmp_path, cut)
    first, second, *rest = lines.lines
    done = replace(first, status="approved", takes=("/dubs/a.mov",), pick="/dubs/a.mov")
    lines = lines.with_lines([done, second, *(replace(line, status="good") for line in rest)])
    data, _ = jobs_of(lines, None, tmp_path)
    assert [job["name"] for job in data["jobs"]] == ["1", "2"]


def test_one_line_alone_brings_those_beside_it(tmp_path: Path, cut: Any) -> None:
    """As the panel asks: the same picture, whichever of its lines is dubbed."""
    lines = imported(tmp_path, cut)
    asked = [job_with_others(lines, line, tmp_path) for line in lines.lines[:2]]
    assert [[other["name"] for other in job["beside"]] for job in asked] == [["2"], ["1"]]
    one, other = (planned(tmp_path, cut, [job]).dubs for job in asked)
    assert one == other
    assert "beside" not in job_with_others(lines, lines.lines[2], tmp_path)


def test_without_faces_nobody_is_dubbed_wrongly(tmp_path: Path, cut: Any) -> None:
    lines = imported(tmp_path, cut, TABLE.replace('"60:300,50"', ""))
    data, left = jobs_of(lines, None, tmp_path)
    assert [job["name"] for job in data["jobs"]] == ["3", "4"]
    assert [row["line"] for row in left] == ["1", "2"]
    assert "the face of BEN" in left[0]["why"]
    with pytest.raises(RequestError, match="face of BEN") as caught:
        job_with_others(lines, lines.lines[1], tmp_path)
    assert caught.value.field == "speaker"
    known = replace(lines, cast=(Character("BEN", speaker="60:300,50"), *lines.cast[:1]))
    assert len(jobs_of(known, None, tmp_path)[0]["jobs"]) == 4


def test_a_characters_face_counts_in_its_own_shot(tmp_path: Path, cut: Any) -> None:
    """A click is of one shot: elsewhere whoever speaks is dubbed, and of two the face is asked."""
    plain = TABLE.replace('"60:300,50"', "").replace('"30:100,50"', "")
    lines = imported(tmp_path, cut, plain)
    cast = (Character("ANNA", speaker="130:100,50"), Character("BEN", speaker="60:300,50"))
    lines = replace(lines, cast=cast)
    found = planned(tmp_path, cut, jobs_of(lines, None, tmp_path)[0])
    assert [(dub.job, dub.request.speaker and str(dub.request.speaker)) for dub in found.dubs] == [
        ("3", "130:100,50"), ("4", None),
    ]  # fmt: skip
    assert [refusal.job for refusal in found.refused] == ["1", "2"]
    assert "nobody has clicked" in str(found.refused[0].error)


def test_a_face_or_handles_that_are_none_are_said(tmp_path: Path, cut: Any) -> None:
    wrong = TABLE.replace("60:300,50", "left").replace(",12\n", ",a few\n")
    one, two, three, _ = imported(tmp_path, cut, wrong).lines
    assert (one.status, two.status, three.status) == ("ready", "unclear", "unclear")
    assert "left" in two.why
    assert "a few" in three.why


@pytest.mark.parametrize("name", ["again.csv", "again.xlsx"])
def test_faces_and_handles_survive_a_table(tmp_path: Path, cut: Any, name: str) -> None:
    lines = imported(tmp_path, cut)
    assert export_lines(lines, tmp_path / name) == (4, [])
    again = import_lines(tmp_path / name, tmp_path / "wavs", cut, "cut.otio", Probe())
    assert again.lines == lines.lines
    assert [line.handles for line in again.lines] == [None, 8, 12, None]
    write_lines(again, tmp_path / "session.json")
    assert read_lines(tmp_path / "session.json") == again


def test_handles_are_rendered_and_named(tmp_path: Path, cut: Any) -> None:
    lines = imported(tmp_path, cut)
    data, _ = jobs_of(lines, None, tmp_path, "{number}_h{handles}")
    found = {dub.job: dub for dub in planned(tmp_path, cut, data).dubs}
    assert str(found["3"].request.frames) == "113:162"
    assert str(found["2"].request.frames) == "17:108"  # the larger of both lines'
    assert Path(found["3"].request.output).name.startswith("3_h12_")
    one = job_from({"range": "00:00:05:00-00:00:06:00", "speech": "1.wav", "handles": 3}, "a")
    settings = PlanSettings(tmp_path, (tmp_path / "wavs",), handles=5, probe=Probe())
    [dub] = plan(cut, [one], settings).dubs
    assert str(dub.request.frames) == "122:153"
    for value in (-1, 1.5, "3", 10**6):
        with pytest.raises(RequestError, match="handles"):
            job_from({"range": "0-9", "speech": "1.wav", "handles": value}, "a")


def test_a_script_that_comes_again_keeps_faces_and_handles(tmp_path: Path, cut: Any) -> None:
    old = imported(tmp_path, cut)
    plain = "\n".join(row.rsplit(",", 1)[0] for row in TABLE.splitlines()) + "\n"
    new = imported(tmp_path, cut, plain.replace('"60:300,50"', ""))
    carried = carry_over(old, new)
    assert [line.handles for line in carried.lines] == [None, 8, 12, None]
    assert carried.lines[1].speaker == "60:300,50"


def test_a_dub_of_two_lines_is_a_take_of_both_and_approved_by_nobody_yet(tmp_path: Path) -> None:
    shot = write_clip(tmp_path / "a.mkv", Fraction(25), 150, 1)
    cut = timeline(track(clip("A", shot, 0, 150, 25, (0, 150))))
    (tmp_path / "wavs").mkdir()
    for number in (1, 2):
        write_speech(tmp_path / "wavs" / f"{number}.wav", 2)
    (tmp_path / "script.csv").write_text("".join(TABLE.splitlines(True)[:3]))
    write_timeline(cut, tmp_path / "cut.otio")
    words = ["lines", "import", str(tmp_path / "script.csv"), str(tmp_path / "cut.otio")]
    session = tmp_path / "session.json"
    assert main([*words, "--sounds", str(tmp_path / "wavs"), "-o", str(session)]) == 0
    lines = read_lines(session)
    first = replace(lines.lines[0], status="approved", takes=("/old.mov",), pick="/old.mov")
    write_lines(lines.with_lines([first, lines.lines[1]]), session)
    jobs = tmp_path / "jobs.json"
    assert main(["lines", "export", str(session), "-o", str(jobs)]) == 0
    settings = PlanSettings(tmp_path / "out", (tmp_path,))
    batch = dub_timeline(cut, read_jobs(jobs).jobs, settings, MarkingEngine())
    done = with_dubs(read_lines(session), batch.timeline)
    one, other = done.lines
    assert (one.status, one.pick, other.status) == ("good", other.pick, "good")
    assert one.takes == ("/old.mov", other.pick)
    assert with_dubs(done, batch.timeline) == done
    fresh = done.with_lines(
        [replace(line, status="approved", takes=(), pick=None) for line in done.lines]
    )
    told = with_dubs(fresh, batch.timeline).lines
    assert [line.status for line in told] == ["good", "good"]
    assert {line.pick for line in told} == {other.pick}
