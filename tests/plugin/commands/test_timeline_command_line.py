"""`stylesync` from outside: words, exit codes, files."""

from __future__ import annotations

import json
import sys
import textwrap
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import stylesync_plugin
from stylesync_plugin.batch.engine_process import EngineProcess, EngineStopped
from stylesync_plugin.commands import batch
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.hosts.otio_file import TimelineFile
from stylesync_plugin.writing.write_back import list_dubs
from timeline_material import MarkingEngine, clip, gap, timeline, track, write_clip, write_speech

from stylesync_engine.request import Cancelled, DubRequest, NoFaceError, Progress

RATE = Fraction(25)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    file = write_clip(tmp_path / "a.mkv", RATE, 60, 1)
    write_speech(tmp_path / "line.wav", 0.4)
    items = (clip("A", file, 5, 10, 25, (0, 60)), gap(5, 25), clip("B", file, 30, 10, 25, (0, 60)))
    write_timeline(timeline(track(*items)), tmp_path / "cut.otio")
    return tmp_path / "cut.otio"


def _draw(before: str, after: str, output: Path, first_frame: int) -> None:
    """Drawing is the engine's; here it counts that it is asked for the right frames."""
    output.write_text(f"{Path(before).name} {first_frame}")


class _Marking(MarkingEngine):
    """The marking engine where the command starts a process."""

    def __enter__(self) -> _Marking:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MarkingEngine:
    made = _Marking()
    monkeypatch.setattr(batch, "EngineProcess", lambda: made)
    monkeypatch.setattr(batch, "draw_sheet", _draw)
    return made


def test_one_dub_by_flags(
    cut: Path, engine: MarkingEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dub", str(cut), "--clip", "A", "--speech", "line.wav", "--codec", "ffv1"]
    assert main([*words, "-o", str(cut.with_name("out.otio"))]) == 0
    assert "1 of 1 dubs" in capsys.readouterr().out
    made = read_timeline(cut.with_name("out.otio"))
    [record] = list_dubs(made)
    assert record["request"]["frames"] == {"start": 5, "end": 15}
    page = cut.with_name("out.report.html").read_text()
    assert '<img src="out.report_sheets/' in page
    [sheet] = cut.with_name("out.report_sheets").glob("*.png")
    assert sheet.read_text() == "a.mkv 5"
    assert (
        main(["remove", str(cut.with_name("out.otio")), "-o", str(cut.with_name("back.otio"))]) == 0
    )
    assert read_timeline(cut.with_name("back.otio")).to_json_string() == (
        read_timeline(cut).to_json_string()
    )


def test_a_jobs_file_and_one_failure(
    cut: Path, engine: MarkingEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(request: DubRequest) -> None:
        if request.frames and request.frames.start == 30:
            raise NoFaceError("There is no face; choose another range.")

    engine.fails = fail
    jobs = cut.with_name("jobs.json")
    jobs.write_text(json.dumps({
        "options": {"codec": "ffv1"},
        "jobs": [{"clip": "A", "speech": "line.wav"}, {"clip": "B", "speech": "line.wav"}],
    }))  # fmt: skip
    words = ["dub", str(cut), "--jobs", str(jobs), "--json", "--no-report"]
    assert main(words) == NoFaceError.exit_code
    said = capsys.readouterr()
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[-1]["event"] == "result"
    assert [dub["state"] for dub in events[-1]["dubs"]] == ["done", "failed"]
    assert any(event["event"] == "progress" and event["total"] == 10 for event in events)
    assert "There is no face" in said.err
    assert len(list_dubs(read_timeline(cut.with_name("cut.dubbed.otio")))) == 1


def test_plan_renders_nothing(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(cut), "--range", "0-10", "--speech", "line.wav", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [dub["request"]["frames"] for dub in found["dubs"]] == [{"start": 5, "end": 15}]
    assert not list(cut.parent.glob("*.stylesync"))


def test_clips_after_the_end_of_the_speech_are_named(
    cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(cut), "--range", "0-25", "--speech", "line.wav"]) == 2
    said = capsys.readouterr()
    assert "A " in said.out
    assert "ends before the clip 'B' (V1 at 00:00:00:15)" in said.err


def test_plan_without_a_selection_lists_the_clips(
    cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(cut)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["track", "index", "clip", "range", "note"]
    assert lines[2].split()[:4] == ["V1", "2", "B", "00:00:00:15-00:00:01:00"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dub", "{cut}"], "Nothing is selected"),
        (["dub", "{cut}", "--clip", "A"], "--speech"),
        (["dub", "{cut}", "--clip", "A", "--speech", "x", "-o", "{cut}"], "overwrite"),
        (["dub", "{cut}", "--clip", "A", "--markers"], "one of"),
        (["dub", "none.otio", "--clip", "A", "--speech", "x"], "check the path"),
        (["dub", "{cut}", "--clip", "A", "--speech", "x", "--quality", "fine"], "quality"),
        (["plan", "{cut}", "--rate", "fast"], "frame rate"),
        (["dub", "{cut}", "--fast"], "--help"),
        (["submit", "{cut}"], "--to"),
        (["submit", "{cut}", "--to", "job"], "Nothing is selected"),
        (["remove", "{cut}", "-o", "x.otio"], "no dubs"),
        (["collect", "x"], "submit first"),
    ],
)
def test_wrong_words_get_one_sentence(
    cut: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(cut=cut) for word in words]) == 2
    heard = capsys.readouterr().err
    assert said in heard
    assert heard.count("\n") == 1


def test_doctor_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) in (0, 5)
    findings = json.loads(capsys.readouterr().out.splitlines()[0])["findings"]
    expected = {"Python", "device", "starter weights", "codec ffv1", "EDL", "Blender"}
    assert expected <= {entry["what"] for entry in findings}


def test_a_timeline_file_is_a_host(cut: Path) -> None:
    host = TimelineFile(cut, cut.with_name("new.otio"))
    content, selection = host.read()
    assert not selection.dub
    host.write(content)
    assert read_timeline(cut.with_name("new.otio")).to_json_string() == content.to_json_string()


def test_otio_tools_see_the_plugin() -> None:
    manifest = Path(stylesync_plugin.__file__).with_name("plugin_manifest.json")
    loaded = otio.plugins.manifest.manifest_from_file(str(manifest))
    assert {adapter.name for adapter in loaded.adapters} == {"stylesync_fcpxml", "stylesync_mlt"}
    for entry in (*loaded.adapters, *loaded.hook_scripts):
        assert Path(entry.module_abs_path()).is_file()
        assert entry.module() is not None


# A process in the engine's place: it dies, it fails, it talks nonsense.

_SERVE = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    print(json.dumps({"event": "ready"}), flush=True)
    marks = Path(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["method"] == "shutdown":
            break
        def say(**event):
            print(json.dumps({"id": asked["id"], **event}), flush=True)
        if asked["method"] == "cancel":
            say(event="cancelled", message="Stopped.")
            continue
        video = asked["params"]["video"]
        say(event="started")
        print("a library prints", flush=True)
        if "wait" in video:
            say(event="progress", stage="render", done=1, total=2)
            continue
        crashes = len(list(marks.glob("crash*")))
        if "die" in video and (crashes == 0 or "always" in video):
            (marks / f"crash{crashes}").touch()
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(9)
        if "fail" in video:
            say(event="error", kind="NoFaceError", message="No face.")
            continue
        say(event="progress", stage="render", done=1, total=2)
        say(event="result", output=asked["params"]["output"], rate="25/1", frames=2, changed=2,
            passed_through=[], seconds={}, models="starter", device=str(os.getpid()), seed=0,
            warnings=[])
""")


@pytest.fixture
def process(tmp_path: Path) -> Any:
    script = tmp_path / "serve.py"
    script.write_text(_SERVE)
    with EngineProcess([sys.executable, str(script), str(tmp_path)]) as engine:
        yield engine


def asked(video: str) -> DubRequest:
    return DubRequest(video=video, speech="s.wav", output="o.mov")


def test_one_process_serves_many_dubs(process: EngineProcess) -> None:
    steps: list[Progress] = []
    first, second = process(asked("a.mov"), steps.append), process(asked("b.mov"))
    assert first.device == second.device
    assert steps == [Progress("render", 1, 2)]


def test_the_engines_errors_come_through(process: EngineProcess) -> None:
    with pytest.raises(NoFaceError, match=r"No face\."):
        process(asked("fail.mov"))
    assert process(asked("a.mov")).frames == 2


def test_a_process_that_dies_is_started_again(process: EngineProcess, tmp_path: Path) -> None:
    before = process(asked("a.mov")).device
    assert process(asked("die.mov")).device != before
    assert len(list(tmp_path.glob("crash*"))) == 1


def test_a_process_that_keeps_dying_is_given_up(process: EngineProcess) -> None:
    with pytest.raises(EngineStopped, match="out of memory"):
        process(asked("die always.mov"))
    assert process(asked("a.mov")).frames == 2


def test_a_job_is_cancelled(process: EngineProcess) -> None:
    with pytest.raises(Cancelled):
        process(asked("wait.mov"), lambda step: process.cancel())


def test_an_engine_that_is_not_there_gets_a_sentence() -> None:
    engine = EngineProcess(["/nowhere/python"])
    with pytest.raises(Exception, match="STYLESYNC_PYTHON"):
        engine(asked("a.mov"))


def test_no_file_of_a_batch_replaces_what_its_dubs_read(
    cut: Path, engine: MarkingEngine, tmp_path: Path
) -> None:
    """The page's name nobody chose; the timeline's may be that of a speech."""
    speech = tmp_path / "out.report.html"
    (tmp_path / "line.wav").rename(speech)
    before = speech.read_bytes()
    words = ["dub", str(cut), "--clip", "A", "--speech", str(speech)]
    assert main([*words, "-o", str(tmp_path / "out.otio")]) == 2
    for name in ("out.otio", "page.otio"):
        assert speech.read_bytes() == before
        (tmp_path / name).hardlink_to(speech)
        assert main([*words, "-o", str(tmp_path / name)]) == 2
        (tmp_path / name).unlink()
    (tmp_path / "page.report.html").write_text("<html>somebody's own</html>")
    assert main([*words, "-o", str(tmp_path / "page.otio")]) == 2
    assert (tmp_path / "page.report.html").read_text() == "<html>somebody's own</html>"
    for _ in range(2):  # its own it replaces
        assert main([*words, "-o", str(tmp_path / "third.otio")]) == 0
    assert speech.read_bytes() == before


def test_a_submission_replaces_no_file_of_its_folder(cut: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    for name in ("timeline.otio", "submission.json"):
        (folder / name).write_text("somebody's own")
        words = ["submit", str(cut), "--clip", "A", "--speech", str(tmp_path / "line.wav")]
        assert main([*words, "--to", str(folder)]) == 2
        assert [(p.name, p.read_text()) for p in folder.iterdir()] == [(name, "somebody's own")]
        (folder / name).unlink()


def test_a_batch_writes_over_nothing_that_it_reads(tmp_path: Path) -> None:
    cut, jobs = tmp_path / "cut.otio", tmp_path / "jobs.json"
    cut.write_text('{"OTIO_SCHEMA": "Timeline.1"}')
    jobs.write_text("[]")
    linked = tmp_path / "linked.otio"
    linked.hardlink_to(cut)
    (tmp_path / "out.report.html").hardlink_to(jobs)
    for output in (cut, linked, tmp_path / "x" / ".." / "cut.otio", tmp_path / "out.otio"):
        assert main(["dub", str(cut), "--jobs", str(jobs), "-o", str(output)]) == 2
    assert cut.read_text() == '{"OTIO_SCHEMA": "Timeline.1"}'
    assert jobs.read_text() == "[]"
