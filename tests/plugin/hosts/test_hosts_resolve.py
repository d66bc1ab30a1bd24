"""DaVinci Resolve against a fake that misbehaves as the application is known to."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import resolve_fake as fake
from host_cases import dub_selection
from places import DATA
from resolve_case import START, open_cut, shown
from stylesync_plugin.formats.files import write_timeline
from stylesync_plugin.hosts.installing import loader_files
from stylesync_plugin.hosts.resolve import ResolveTimeline, connect, open_project
from timeline_material import clip, timeline, track, write_clip, write_speech

from stylesync_engine.request import MediaError, RequestError

WRITTEN_BY_IT = sorted(
    path for path in (DATA / "timelines/ayon").glob("*.otio")
    if "Resolve_OTIO" in path.read_text(encoding="utf-8")
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> fake.Project:
    return open_cut(tmp_path)


@pytest.mark.parametrize("ends_count", [False, True], ids=["end excluded", "end included"])
def test_the_dub_lies_between_the_shot_and_the_titles(tmp_path: Path, ends_count: bool) -> None:
    project = open_cut(tmp_path, ends_count)
    dub_selection(ResolveTimeline(project), tmp_path)
    assert shown(project) == {
        "Video 1": [(4, 34, 5)], "StyleSync": [(8, 16, 0)], "Titles": [(0, 50, 0)],
    }  # fmt: skip
    assert shown(project, "audio") == {"Audio 1": [], "StyleSync speech": [(8, 16, 0)]}
    assert project.GetMediaPool().GetCurrentFolder().GetName() == "Master"


def test_dubbing_again_replaces_and_reuses(project: fake.Project, tmp_path: Path) -> None:
    host = ResolveTimeline(project)
    dub_selection(host, tmp_path)
    before = shown(project)
    dub_selection(host, tmp_path)
    assert shown(project) == before
    first = project.GetCurrentTimeline()._tracks["video"][1].items[0]  # type: ignore[union-attr]
    dub_selection(host, tmp_path, line=0.3)
    second = project.GetCurrentTimeline()._tracks["video"][1].items[0]  # type: ignore[union-attr]
    assert shown(project) == before
    assert first.GetMediaPoolItem() != second.GetMediaPoolItem()


def test_what_the_application_drops_is_said(project: fake.Project, tmp_path: Path) -> None:
    host = ResolveTimeline(project)
    dub_selection(host, tmp_path)
    cut = project.GetCurrentTimeline()
    assert cut is not None
    theirs = fake.Item(fake.imported(str(tmp_path / "a.mkv")), START + 20, 10, 0, ("video", 2))
    cut._tracks["video"][1].items.append(theirs)
    content, _ = host.read()
    assert content.tracks[1].name == "Track V2"  # somebody's clip makes it theirs
    cut._tracks["video"][1].items.remove(theirs)
    cut._tracks["video"][1].locked = True
    with pytest.raises(MediaError, match=r"dropped a.mkv \(dubbed\)"):
        dub_selection(host, tmp_path, line=0.3)


def test_the_clip_beneath_a_dub_is_meant(project: fake.Project, tmp_path: Path) -> None:
    host = ResolveTimeline(project)
    dub_selection(host, tmp_path)
    cut = project.GetCurrentTimeline()
    assert cut is not None
    cut._playhead = cut._tracks["video"][1].items[0]
    _, chosen = host.read()
    assert (chosen.dub.track, chosen.dub.range) == ("Track V1", (8, 16))


def test_marked_clips_are_speech_and_style(project: fake.Project, tmp_path: Path) -> None:
    cut = project.GetCurrentTimeline()
    assert cut is not None
    line = fake.imported(str(write_speech(tmp_path / "line.wav", 0.8)))
    speech = fake.Item(line, START + 8, 20, 0, ("audio", 1))
    speech.AddMarker(0, "Blue", "Speech", "", 1, "")
    cut._tracks["audio"][0].items.append(speech)
    content, chosen = ResolveTimeline(project).read()
    assert (chosen.speech.track, chosen.speech.range) == ("Track A1", (8, 28))
    assert not chosen.style
    assert content.tracks[2][1].source_range.start_time.rate == 24


def test_unclear_selections_are_refused(project: fake.Project) -> None:
    cut = project.GetCurrentTimeline()
    assert cut is not None
    cut._marks = {"video": {"in": 40, "out": 50}}
    with pytest.raises(RequestError, match="miss the playhead's clip"):
        ResolveTimeline(project).read()
    cut._playhead = None
    assert not ResolveTimeline(project).read()[1].dub


def test_a_retimed_clip_is_read_as_such(project: fake.Project) -> None:
    item = project.GetCurrentTimeline()._tracks["video"][0].items[0]  # type: ignore[union-attr]
    item.GetSourceEndFrame = lambda: 5 + 60 - 1  # type: ignore[method-assign]
    content, _ = ResolveTimeline(project).read()
    [effect] = content.tracks[0][1].effects
    assert effect.time_scalar == 2.0


def test_the_running_application_is_asked_for_its_timeline(
    project: fake.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def scriptapp(name: str) -> fake.Resolve:
        asked.append(name)
        return fake.Resolve(project)

    loaded = SimpleNamespace(scriptapp=scriptapp)
    monkeypatch.setenv("RESOLVE_SCRIPT_LIB", __file__)
    monkeypatch.setattr("stylesync_plugin.hosts.resolve._load", lambda library: loaded)
    assert connect().project is project
    assert asked == ["Resolve"]


def test_nobody_at_home_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESOLVE_SCRIPT_LIB", str(tmp_path / "missing.so"))
    with pytest.raises(MediaError, match="External scripting"):
        connect()
    with pytest.raises(MediaError, match="No timeline is open"):
        open_project(fake.Project())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "words"), [("Dub", "host resolve"), ("Panel", "host resolve --panel")]
)
def test_the_menu_starts_the_program_and_shows_its_words(
    name: str, words: str, tmp_path: Path
) -> None:
    """The application runs a script without telling it where it lies."""
    program = tmp_path / "stylesync"
    program.write_text(
        "#!/bin/sh\necho asked for $@, home ${PYTHONHOME-clean}, plugins ${QT_PLUGIN_PATH-clean}\n"
    )
    program.chmod(0o755)
    text = loader_files("resolve", str(program))[f"StyleSync {name}.py"]
    code, environment = ["-c", text.decode()], dict(os.environ)
    environment.update(PYTHONHOME=sys.base_prefix, QT_PLUGIN_PATH="/opt/resolve/plugins")
    ran = subprocess.run([sys.executable, *code], env=environment, capture_output=True, text=True)
    assert ran.stdout == f"asked for {words}, home clean, plugins clean\n", ran.stderr
    hostile = {
        "PYTHONPATH": str(tmp_path), "PYTHONINSPECT": "1", "PYTHONSTARTUP": "/dev/zero",
        "PYTHONSAFEPATH": "", "PYTHONUSERBASE": str(tmp_path), "PYTHONPLATLIBDIR": "x",
        "PYTHONBREAKPOINT": "os.abort", "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "rot13",
    }  # fmt: skip
    program.write_text("#!/bin/sh\nenv | grep -c ^PYTHON; cat\n")
    script = f"import os; os.environ.update({hostile!r})\n{text.decode()}"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "0\n"  # and nobody waits for an input that never comes
    program.unlink()
    ran = subprocess.run([sys.executable, *code], capture_output=True, text=True, check=True)
    assert "stylesync install resolve" in ran.stdout


def test_the_free_version_imports_our_file(project: fake.Project, tmp_path: Path) -> None:
    """A cut as the application exports it, dubbed as a file with bare paths."""
    shot = write_clip(tmp_path / "b.mkv", Fraction(25), 40, 1)
    cut = timeline(track(clip("B", shot, 5, 30, 25, (0, 40))))
    cut.tracks[0][0].media_reference.target_url = str(shot)
    made = dub_file(cut, tmp_path, bare=True)
    pool = project.GetMediaPool()
    assert pool.ImportTimelineFromFile(str(made), {}) is not None
    assert pool.ImportTimelineFromFile(str(dub_file(cut, tmp_path, bare=False)), {}) is None


@pytest.mark.skipif(not WRITTEN_BY_IT, reason="needs ../shared/data/timelines")
@pytest.mark.parametrize("path", WRITTEN_BY_IT, ids=lambda path: str(path.stem))
def test_the_fakes_demands_are_met_by_what_the_application_writes(
    path: Path, project: fake.Project
) -> None:
    assert project.GetMediaPool().ImportTimelineFromFile(str(path), {}) is not None


def dub_file(cut: Any, folder: Path, bare: bool) -> Path:
    from stylesync_plugin.batch.dub_timeline import dub_timeline
    from stylesync_plugin.jobs import Job, Pick, Speech
    from stylesync_plugin.planning.planner import PlanSettings
    from stylesync_plugin.writing.write_back import TrackNames
    from timeline_material import MarkingEngine

    job = Job("dub", Pick(clip="B"), Speech(file=str(write_speech(folder / "b.wav", 0.4))))
    settings = PlanSettings(folder / "media", (folder,))
    names = dataclasses.replace(TrackNames(), bare_paths=bare)
    batch = dub_timeline(cut, (job,), settings, MarkingEngine(), names)
    assert batch.failures == []
    target = folder / f"{bare}.otio"
    write_timeline(batch.timeline, target)
    return target
