"""Scripts of many kinds and their sounds -> lines -> jobs; a timeline that changes under them."""

from __future__ import annotations

import json
import struct
import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import write_timeline
from stylesync_plugin.jobs import read_jobs
from stylesync_plugin.lines.document import Lines, read_lines, write_lines
from stylesync_plugin.lines.exporting import jobs_of, table_of
from stylesync_plugin.lines.importing import check_timeline, import_lines
from stylesync_plugin.lines.rows import read_rows
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.sources import SoundFacts
from stylesync_plugin.timeline.stamps import stamp_of
from timeline_material import MadeUpProbe, RationalTime, clip, gap, made_up, timeline, track

from stylesync_engine.files import locked
from stylesync_engine.request import MouthKey, RequestError

RATE = Fraction(25)


class Probe(MadeUpProbe):
    """Sounds of two seconds."""

    def sound(self, path: str) -> SoundFacts:
        return SoundFacts(48_000, 96_000)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    """Two shots of 20 s each from 10:00:00:00 on."""
    made = timeline(
        track(
            clip("A", made_up(tmp_path, RATE, 5000), 100, 500, 25, (0, 5000)),
            clip("B", made_up(tmp_path, RATE, 4000), 0, 500, 25, (0, 4000)),
        )
    )
    made.global_start_time = RationalTime(10 * 3600 * 25, 25)
    return made


def sounds(folder: Path, *names: str) -> Path:
    (folder / "wavs").mkdir(exist_ok=True)
    for name in names:
        (folder / "wavs" / name).touch()
    return folder / "wavs"


def imported(script: Path, folder: Path | None, cut: Any) -> Lines:
    return import_lines(script, folder, cut, "cut.otio", Probe())


ROWS = [
    ["Number", "Character", "In", "Out", "Text"],
    ["1", "Anna", "10:00:01:00", "10:00:03:00", "Hi"],
    ["2", "Ben", "10:00:21:00", "10:00:23:00", "Yo"],
]


def table(mark: str, titles: str = "", order: str = "01234", above: str = "") -> str:
    rows = [titles.split() or ROWS[0], *ROWS[1:]]
    return above + "".join(mark.join(row[int(i)] for i in order) + "\n" for row in rows)


TABLES = {
    "comma": table(","),
    "semicolon": table(";", "Nr. Rolle Von Bis Texte"),
    "tabs": table("\t", "Cue Speaker Start End Dialogue", "32014"),
    "title above": table(",", above="My Film,,,,\n\n"),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_many_spellings_say_the_same(
    tmp_path: Path, cut: Any, kind: str, encoding: str
) -> None:
    script = tmp_path / "script.csv"
    script.write_text(TABLES[kind], encoding=encoding)
    lines = imported(script, sounds(tmp_path, "line_001.wav", "line_002_take3.wav"), cut).lines
    assert [(e.number, e.character, e.start, e.end, e.text, e.status) for e in lines] == [
        ("1", "Anna", "10:00:01:00", "10:00:03:00", "Hi", "ready"),
        ("2", "Ben", "10:00:21:00", "10:00:23:00", "Yo", "ready"),
    ]
    assert [Path(str(e.sound)).name for e in lines] == ["line_001.wav", "line_002_take3.wav"]
    assert [e.fit for e in lines] == [0, 0]


def test_texts_hold_other_marks_and_bytes_of_old_encodings(tmp_path: Path) -> None:
    script = tmp_path / "script.csv"
    rows = "Nr;Rolle;Von;Bis;Text\n1;Jörg;10:00:01:00;10:00:03:00;Grüße, ja, gut, so; bis bald\n"
    script.write_bytes(rows.encode("cp1252"))
    [row] = read_rows(script)
    assert (row.character, row.start, row.text) == ("Jörg", "10:00:01:00", "Grüße, ja, gut, so")
    script.write_text("Cue #|TC In|TC Out|Character Name|Line\n1|10:00:01:00|10:00:03:00|ANNA|Hi\n")
    [row] = read_rows(script)
    assert (row.number, row.character, row.text) == ("1", "ANNA", "Hi")


SUBTITLES = {
    "srt": "1\n00:00:01,000 --> 00:00:03,000\nANNA: Hi\n\n2\n10:00:21,000 --> 10:00:23,000\nYo\n",
    "vtt": "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n[ANNA] Hi\n\n"
    "00:00:21.000 --> 00:00:23.000\nYo\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", SUBTITLES)
def test_subtitles_count_from_the_first_frame_or_its_time_code(
    tmp_path: Path, cut: Any, kind: str
) -> None:
    script = tmp_path / f"script.{kind}"
    script.write_text(SUBTITLES[kind])
    first, second = imported(script, None, cut).lines
    assert (first.start, first.end, first.text) == ("10:00:01:00", "10:00:03:00", "Hi")
    assert first.character == "ANNA"
    assert (second.start, second.end, second.text) == ("10:00:21:00", "10:00:23:00", "Yo")


def test_a_spreadsheet_is_read(tmp_path: Path, cut: Any) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Number", "In", "Text"])
    book.active.append([7, "10:00:05:00", "Hello"])
    book.save(tmp_path / "script.xlsx")
    [line] = imported(tmp_path / "script.xlsx", sounds(tmp_path, "7.wav"), cut).lines
    assert (line.number, line.start, line.end) == ("7", "10:00:05:00", "10:00:07:00")


def bext(path: Path, seconds: int) -> Path:
    """A Broadcast Wave that begins so many seconds after midnight."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(b"\0\0" * 480)
    data = path.read_bytes()
    body = bytes(338) + struct.pack("<Q", seconds * 48_000) + bytes(602 - 346)
    chunk = b"bext" + struct.pack("<I", len(body)) + body
    path.write_bytes(data[:12] + chunk + data[12:])
    return path


def test_a_broadcast_wave_lies_where_its_stamp_says(tmp_path: Path, cut: Any) -> None:
    script = tmp_path / "script.csv"
    script.write_text("In,Text\n10:00:01:00,Hi\n10:00:21:00,Yo\n")
    folder = sounds(tmp_path)
    bext(folder / "anything.wav", 36_021)
    assert stamp_of(folder / "anything.wav") == 36_021
    first, second = imported(script, folder, cut).lines
    assert (first.sound, first.status) == (None, "unclear")
    assert Path(str(second.sound)).name == "anything.wav"


def test_what_does_not_match_is_kept_with_its_reason(tmp_path: Path, cut: Any) -> None:
    script = tmp_path / "script.csv"
    script.write_text(
        "Number,Character,In,Out,Sound\n1,A,10:00:01:00,10:00:03:00,\n2,A,10:00:02:00,10:00:04:00,b.wav\n"
        "3,A,10:00:09:00,10:00:08:00,\n4,A,later,10:00:12:00,\n5,A,10:05:00:00,10:05:01:00,c.wav\n"
    )
    folder = sounds(tmp_path, "1_a.wav", "1_b.wav", "b.wav", "3.wav", "4.wav", "c.wav", "99.wav")
    lines = imported(script, folder, cut)
    why = {line.number: line.why for line in lines.lines}
    assert "2 sounds fit" in why["1"]
    assert "begins before line 1" in why["2"]
    assert "does not come after" in why["3"]
    assert "'later' is not a time" in why["4"]
    assert "No clip lies there" in why["5"]
    assert "99.wav" in {Path(path).name for path in lines.unused}
    assert {line.status for line in lines.lines} == {"unclear"}
    with pytest.raises(RequestError, match="No line is ready"):
        jobs_of(lines, None, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "x,y\n1,2\n", "names no columns"),
        ("a.csv", "In,Text\n", "holds no lines"),
        ("a.srt", "no subtitles", "holds no lines"),
        ("a.xlsx", "no zip", "cannot be read as XLSX"),
        ("a.pdf", "", "is no script"),
    ],
)
def test_what_is_no_script_is_refused_in_a_sentence(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=says):
        read_rows(tmp_path / name)


def test_twenty_thousand_rows_are_read(tmp_path: Path, cut: Any) -> None:
    rows = [f"{n},10:00:{n % 40:02}:00,10:00:{n % 40:02}:10,Text" for n in range(20_000)]
    (tmp_path / "a.csv").write_text("Number,In,Out,Text\n" + "\n".join(rows))
    assert len(imported(tmp_path / "a.csv", None, cut).lines) == 20_000


def test_a_table_that_ends_within_a_quotation_is_refused(tmp_path: Path) -> None:
    whole = 'Number,In,Out,Text\n1,00:00:01:00,00:00:02:00,"He said ""no"""\n2,2s,3s,b "c" d\n'
    (tmp_path / "a.csv").write_text(whole)
    assert [row.text for row in read_rows(tmp_path / "a.csv")] == ['He said "no"', 'b "c" d']
    (tmp_path / "a.csv").write_text('Number,In,Out,Text\n1,1s,2s,"never\n2,2s,3s,b\n')
    with pytest.raises(RequestError, match="does not close"):
        read_rows(tmp_path / "a.csv")


@pytest.fixture
def lines(tmp_path: Path, cut: Any) -> Lines:
    (tmp_path / "script.csv").write_text(TABLES["comma"])
    return imported(tmp_path / "script.csv", sounds(tmp_path, "1.wav", "2.wav"), cut)


def test_a_document_and_its_table_are_read_again(tmp_path: Path, cut: Any, lines: Lines) -> None:
    write_lines(lines, tmp_path / "session.json")
    assert read_lines(tmp_path / "session.json") == lines
    (tmp_path / "again.csv").write_text(table_of(lines))
    assert imported(tmp_path / "again.csv", tmp_path / "wavs", cut).lines == lines.lines


def test_the_jobs_are_planned_over_the_lines(tmp_path: Path, cut: Any, lines: Lines) -> None:
    (tmp_path / "jobs.json").write_text(json.dumps(jobs_of(lines, "draft", tmp_path)[0]))
    jobs = read_jobs(tmp_path / "jobs.json").jobs
    planned = plan(cut, jobs, PlanSettings(tmp_path / "out", probe=Probe()))
    assert not planned.refused
    assert [(d.job, d.place.clip, d.place.frames) for d in planned.dubs] == [
        ("1", "A", 50),
        ("2", "B", 50),
    ]
    assert {dub.request.options.quality for dub in planned.dubs} == {"draft"}


def test_articulation_style_and_keys_reach_the_request(
    tmp_path: Path, cut: Any, lines: Lines
) -> None:
    first, second = lines.lines
    keys = (MouthKey("closed", 0, 3), MouthKey("original", 40, 60), MouthKey("closed", 70, 80))
    first = replace(first, articulation=1.2, style_strength=0.5, keys=keys)
    refined = replace(lines, lines=(first, second))
    write_lines(refined, tmp_path / "session.json")
    assert read_lines(tmp_path / "session.json") == refined
    (tmp_path / "jobs.json").write_text(json.dumps(jobs_of(refined, None, tmp_path)[0]))
    jobs = read_jobs(tmp_path / "jobs.json").jobs
    one, other = plan(cut, jobs, PlanSettings(tmp_path / "out", probe=Probe())).dubs
    assert (one.request.options.articulation, one.request.options.style_strength) == (1.2, 0.5)
    begin = one.request.frames.start if one.request.frames else 0
    assert begin == 125  # a second into a clip that begins at its file's frame 100
    assert list(map(str, one.request.mouth_keys)) == ["closed@125:128", "original@165:175"]
    assert other.request.mouth_keys == ()


def test_dubs_are_named_by_a_pattern(tmp_path: Path, cut: Any, lines: Lines) -> None:
    data = jobs_of(lines, None, tmp_path, "{number}_{character}_v{take}")[0]
    (tmp_path / "jobs.json").write_text(json.dumps(data))
    jobs = read_jobs(tmp_path / "jobs.json").jobs
    planned = plan(cut, jobs, PlanSettings(tmp_path / "out", probe=Probe()))
    names = [Path(dub.request.output).name for dub in planned.dubs]
    assert [name[:-17] for name in names] == ["1_Anna_v1", "2_Ben_v1"]
    endless = ("{number!r:>999999999}", "{take:999999999}", "x" * 10**6)
    for pattern in ("{scene}", "{", "{0}", "{number.x}", *endless):
        with pytest.raises(RequestError, match="is no pattern"):
            jobs_of(lines, None, tmp_path, pattern)


def test_lines_move_with_their_clips_and_never_onto_others(cut: Any, lines: Lines) -> None:
    later = cut.deepcopy()
    later.tracks[0].insert(0, gap(50, 25))
    assert [e.start for e in check_timeline(lines, later).lines] == ["10:00:03:00", "10:00:23:00"]
    gone = cut.deepcopy()
    del gone.tracks[0][0]
    first, second = check_timeline(lines, gone).lines
    assert first.status == "unclear"
    assert "no longer where" in first.why
    assert (second.start, second.status) == ("10:00:01:00", "ready")


def test_the_commands(tmp_path: Path, cut: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write_timeline(cut, tmp_path / "cut.otio")
    (tmp_path / "script.csv").write_text(TABLES["semicolon"])
    arguments = ["lines", "import", str(tmp_path / "script.csv"), str(tmp_path / "cut.otio")]
    assert main([*arguments, "-o", str(tmp_path / "session.json"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["lines"], said["status"]) == (2, {"no sound": 2})
    assert main(["lines", "status", str(tmp_path / "session.json"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["lines"]) == 2
    document = str(tmp_path / "session.json")
    assert main(["lines", "export", document, "-o", str(tmp_path / "jobs.json")]) == 2
    assert "No line is ready" in capsys.readouterr().err
    assert not (tmp_path / "jobs.json").exists()


def test_nothing_that_is_read_is_written_over(
    tmp_path: Path, cut: Any, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "session.json"
    write_lines(lines, document)
    before = document.read_bytes()
    assert main(["lines", "export", str(document), "-o", str(document)]) == 2
    assert "would overwrite the document of lines" in capsys.readouterr().err
    assert document.read_bytes() == before
    write_timeline(cut, tmp_path / "cut.otio")
    script = str(tmp_path / "script.csv")
    assert main(["lines", "import", script, str(tmp_path / "cut.otio"), "-o", script]) == 2
    assert (tmp_path / "script.csv").read_text() == TABLES["comma"]
    (tmp_path / "plate.mov").write_bytes(plate := b"\0\0\0 ftypqt a plate")
    words = [str(tmp_path / "cut.otio"), "-o", str(tmp_path / "plate.mov")]
    assert main(["lines", "import", script, *words]) == 2
    assert (tmp_path / "plate.mov").read_bytes() == plate


def test_a_script_that_comes_again_keeps_what_was_done(
    tmp_path: Path, cut: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_timeline(cut, tmp_path / "cut.otio")
    (tmp_path / "script.csv").write_text(TABLES["semicolon"])
    document = tmp_path / "session.json"
    words = ["lines", "import", str(tmp_path / "script.csv"), str(tmp_path / "cut.otio")]
    assert main([*words, "-o", str(document)]) == 0
    made = read_lines(document)
    noted = [replace(line, note="louder", takes=("a.mov",)) for line in made.lines]
    write_lines(made.with_lines(noted), document)
    assert main([*words, "-o", str(document)]) == 0
    assert [(line.note, line.takes) for line in read_lines(document).lines] == [
        (line.note, line.takes) for line in noted
    ]
    with locked(document):  # as the panel does while it is open
        assert main([*words, "-o", str(document)]) == 2
    assert "in use" in capsys.readouterr().err
    assert read_lines(document).lines[0].note == "louder"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        {"sound": "a\0b.wav"},
        {"sound": "\ud800.wav"},
        {"takes": ["\ud800"]},
        {"anchor": {"clip": "A", "media": "a.mov", "at": "1e999999999"}},
        {"anchor": {"clip": "A", "media": "a.mov", "at": "1/0"}},
    ],
)
def test_a_document_of_nonsense_is_one_sentence(
    tmp_path: Path, lines: Lines, line: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "session.json"
    write_lines(lines, document)
    data = json.loads(document.read_text())
    data["lines"][0] |= line
    document.write_text(json.dumps(data))
    assert main(["lines", "export", str(document), "-o", str(tmp_path / "jobs.json")]) == 2
    assert "should not have happened" not in capsys.readouterr().err
