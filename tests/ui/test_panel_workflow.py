"""An editor's whole way through the panel, by clicks and keys, with the real engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from panel_material import (
    SPEAKERS,
    Heartbeat,
    add_marker,
    answer_file_dialog,
    click,
    drag,
    drop,
    key,
    needs_speakers,
    place_on_strip,
    wait,
    write_clip,
    write_timeline,
)
from places import ROOT
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from stylesync_ui.panel.preferences import Home
from stylesync_ui.window import Window, make_application

pytestmark = [pytest.mark.slow, needs_speakers]

CLIPS = [SPEAKERS / f"{name}.mpg" for name in ("bbac3n", "bbac4s", "bbac5p")]


@pytest.fixture(scope="session")
def models(request: pytest.FixtureRequest) -> str:
    """The starter's weights, or small random ones of its kind where they are not trained yet."""
    if (ROOT / "stylesync_engine/weights/starter/renderer.safetensors").exists():
        return "starter"
    return str(request.getfixturevalue("tiny_models"))


@pytest.fixture
def window(qapp: QApplication, tmp_path: Path) -> Iterator[Window]:
    make_application([])
    opened = open_window(tmp_path)
    yield opened
    opened.close()


def open_window(folder: Path, command: list[str] | None = None) -> Window:
    window = Window(Home(folder / "config", folder / "previews"), command)
    window.resize(1440, 900)
    window.show()
    QTest.qWaitForWindowExposed(window)
    activate(window)
    wait(lambda: window.panel.link.state in ("ready", "gone"), "the engine starts")
    return window


def open_timeline(panel: Any, path: Path) -> None:
    answer_file_dialog(path)
    before = panel.document
    key(panel, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: panel.document is not before, f"{path.name} is open")
    wait(lambda: panel.viewer.canvas.before is not None, "the first picture is shown")
    activate(panel.window())
    panel.viewer.canvas.setFocus()


def activate(window: QWidget) -> None:
    """There may be no window manager to do it, after a dialog neither."""
    window.activateWindow()
    wait(window.isActiveWindow, "the window is active", 10)


def choose_models(panel: Any, models: str) -> None:
    """The folder as the preferences offer it, chosen by keys in the form."""
    form = panel.form
    form.offer_models([models])
    click(form.quality.buttons["draft"])
    box = form.models
    box.setFocus()
    key(box, Qt.Key.Key_Home)
    for _ in range(box.findData(models)):
        key(box, Qt.Key.Key_Down)
    assert panel.editing.wish.options.models == models
    assert panel.editing.wish.options.quality == "draft"


def mark_by_keys(panel: Any, start: int, end: int) -> None:
    """Stand on frames by arrow keys, mark with I and O."""
    canvas = panel.viewer.canvas
    key(canvas, Qt.Key.Key_Home)
    for _ in range(start):
        key(canvas, Qt.Key.Key_Right)
    key(canvas, Qt.Key.Key_I)
    for _ in range(end - 1 - start):
        key(canvas, Qt.Key.Key_Right)
    key(canvas, Qt.Key.Key_O)


def choose_face(panel: Any) -> None:
    """Stand in the range (a double click elsewhere has moved the playhead) and click the face."""
    key(panel.viewer.canvas, Qt.Key.Key_Home)
    for _ in range(8):
        key(panel.viewer.canvas, Qt.Key.Key_Right)
    wait(lambda: panel.viewer.canvas.faces, "faces are outlined")
    canvas = panel.viewer.canvas
    click(canvas, canvas._face_rect(canvas.faces[0]).center().toPoint())
    wait(lambda: any(face.chosen for face in canvas.faces), "the face is chosen")


def last_job(panel: Any) -> Any:
    return list(panel.jobs.queue)[-1]


def card_of(panel: Any, job: Any) -> Any:
    return panel.queue_view.cards[job.id]


def test_the_whole_way_by_clicks_and_keys(window: Window, tmp_path: Path, models: str) -> None:
    panel = window.panel
    timeline = write_timeline(tmp_path / "interview é #1.otio", CLIPS)
    open_timeline(panel, timeline)
    assert {p.level for p in panel.form.problems} >= {"todo"}
    assert not panel.form.submit.isEnabled()

    mark_by_keys(panel, 5, 17)
    assert panel.form.dub_in.text() == "01:00:00:05"
    assert panel.form.dub_out.text() == "01:00:00:17"
    drag(panel.strip, place_on_strip(panel, 3.0, "A1"), place_on_strip(panel, 4.5, "A1"))
    assert panel.editing.wish.speech.track == "A1"
    drop(panel.form, CLIPS[2])
    assert panel.editing.wish.speech.file == str(CLIPS[2])
    key(panel.viewer.canvas, Qt.Key.Key_3)
    QTest.mouseDClick(panel.strip, Qt.MouseButton.LeftButton, pos=place_on_strip(panel, 4.0, "V1"))
    assert panel.editing.wish.style.track == "V1"
    choose_models(panel, models)
    choose_face(panel)
    wait(panel.editing.ready, "the plan is checked")
    assert panel.form.submit.isEnabled(), panel.form.problems

    beat = Heartbeat()
    click(panel.form.submit)
    job = last_job(panel)
    wait(lambda: job.state == "running", "the dub runs")
    panel.submit()
    second = last_job(panel)
    assert second.state == "waiting"
    click(card_of(panel, second).cancel)
    assert second.state == "cancelled"
    wait(lambda: job.state != "running", "the dub is done", 200)
    beat.stop()
    assert (job.state, job.message) == ("done", "")
    assert job.frames == 12
    beat.assert_alive()

    click(card_of(panel, second).again)
    wait(lambda: second.state == "done", "the cancelled one, tried again, is done", 200)
    click(card_of(panel, job).watch)
    wait(lambda: panel.viewer.canvas.after is not None, "before and after are compared")
    assert panel.viewer.canvas.mode == "wipe"
    rect = panel.viewer.canvas.picture_rect()
    drag(panel.viewer.canvas, rect.center().toPoint(), (rect.center() / 1.5).toPoint())
    assert panel.viewer.canvas.split < 0.4
    for letter, mode in (("S", "side"), ("D", "difference"), ("A", "before"), ("A", "after")):
        key(panel.viewer.canvas, letter)
        assert panel.viewer.canvas.mode == mode

    click(card_of(panel, job).put)
    wait(lambda: job.placed, "the dub is on a track")
    assert [t.is_ours for t in panel.document.content.of_kind("Video")] == [True, False]
    click(card_of(panel, job).take)
    wait(lambda: not job.placed, "the dub is off the track")
    assert not any(track.is_ours for track in panel.document.content.tracks)
    key(panel, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert any(track.is_ours for track in panel.document.content.tracks)

    saved = tmp_path / "dubbed.otio"
    answer_file_dialog(saved)
    key(panel, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    wait(saved.exists, "the timeline is saved")
    check_saved(saved, timeline, Path(job.pieces[0]["output"]))
    check_reopened(window, saved, tmp_path)


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb")
def test_the_whole_way_on_an_x_server() -> None:
    test = f"{Path(__file__)}::{test_the_whole_way_by_clicks_and_keys.__name__}"
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-m", "pytest", "-q", "-m", "slow", test],
        cwd=ROOT, env={**os.environ, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True, text=True, timeout=230, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout[-4000:] + done.stderr[-2000:]


def check_saved(saved: Path, timeline: Path, output: Path) -> None:
    """The dub lies over its frames; the original timeline is what it was."""
    content = otio.adapters.read_from_file(str(saved))
    dubbed = [clip for clip in content.find_clips() if "(dubbed)" in clip.name]
    assert len(dubbed) == 1
    span = dubbed[0].range_in_parent()
    assert (span.start_time.to_frames(), span.duration.to_frames()) == (5, 12)
    assert Path(dubbed[0].media_reference.target_url).name == output.name
    assert output.stat().st_size > 0
    originals = otio.adapters.read_from_file(str(timeline))
    assert len(list(originals.find_clips())) == 2 * len(CLIPS)


def check_reopened(window: Window, saved: Path, folder: Path) -> None:
    """A new panel has the queue, and shows the saved timeline with its dub."""
    states = [job.state for job in window.panel.jobs.queue]
    window.close()
    again = open_window(folder)
    try:
        assert [job.state for job in again.panel.jobs.queue] == states
        open_timeline(again.panel, saved)
        assert any(track.is_ours for track in again.panel.document.content.tracks)
    finally:
        again.close()


def test_a_killed_engine_is_said_and_the_dub_goes_on(
    window: Window, tmp_path: Path, models: str
) -> None:
    panel = window.panel
    open_timeline(panel, write_timeline(tmp_path / "cut.otio", CLIPS[:1]))
    key(panel.viewer.canvas, Qt.Key.Key_X)
    drop(panel.form, CLIPS[1])
    choose_models(panel, models)
    wait(lambda: panel.form.submit.isEnabled() and panel.editing.ready(), "the form is complete")
    key(panel, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    job = last_job(panel)
    wait(lambda: job.stage, "the engine is at work", 120)
    os.kill(panel.link.process_id, signal.SIGKILL)
    wait(panel.engine_banner.isVisible, "the panel says so")
    assert "stopped" in panel.engine_banner.text.text()
    assert job.state == "interrupted"
    wait(lambda: panel.link.state == "ready", "the engine is started again")
    click(panel.engine_banner.button_of("go_on"))
    wait(lambda: job.state == "done", "the dub goes on to its end", 200)
    assert job.frames == 74
    mode = panel.viewer.canvas.mode
    assert mode == "before"


def test_a_running_dub_is_cancelled_and_shown_while_it_grows(
    window: Window, tmp_path: Path, models: str
) -> None:
    panel = window.panel
    open_timeline(panel, write_timeline(tmp_path / "cut.otio", CLIPS[:1]))
    key(panel.viewer.canvas, Qt.Key.Key_X)
    drop(panel.form, CLIPS[1])
    choose_models(panel, models)
    click(panel.form.quality.buttons["best"])
    wait(lambda: panel.form.submit.isEnabled() and panel.editing.ready(), "the form is complete")
    click(panel.form.submit)
    job = last_job(panel)
    wait(lambda: job.stage == "render" and job.done >= 16, "the first window is rendered", 120)
    click(card_of(panel, job).watch)
    wait(lambda: panel.viewer.canvas.after is not None, "its frames are seen already", 30)
    if job.state == "running":
        click(card_of(panel, job).cancel)
        wait(lambda: job.state in ("cancelled", "done"), "the dub ends", 60)


def test_the_form_says_what_is_wrong(window: Window, tmp_path: Path) -> None:
    panel = window.panel
    clips = [CLIPS[0], tmp_path / "lost.mov"]
    open_timeline(panel, write_timeline(tmp_path / "cut.otio", clips))
    field = panel.form.dub_in
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "nonsense")
    key(field, Qt.Key.Key_Return)
    assert field.property("wrong")
    assert "time" in field.toolTip()
    field.selectAll()
    QTest.keyClicks(field, "500")
    key(field, Qt.Key.Key_Return)
    assert panel.form.dub_in.text() == "01:00:05:00"
    assert [p.field for p in panel.form.problems if p.level == "error"] == ["dub"]
    assert not panel.form.submit.isEnabled()
    panel.open(tmp_path / "nowhere.otio")
    wait(lambda: panel.pages.currentWidget() is panel.trouble, "the trouble is told")
    assert "nowhere.otio" in panel.trouble.text.text()


def test_a_whole_timeline_is_dubbed_from_its_markers(
    window: Window, tmp_path: Path, models: str
) -> None:
    panel = window.panel
    path = write_timeline(tmp_path / "cut.otio", CLIPS[:2])
    data = {"speech": str(CLIPS[2]), "options": {"models": models, "quality": "draft"}}
    for first in (4, 80):
        add_marker(path, first, 10, data)
    open_timeline(panel, path)
    key(panel, Qt.Key.Key_Q)
    click(panel.queue_view.markers)
    jobs = list(panel.jobs.queue)
    assert len(jobs) == 2
    wait(lambda: all(job.state == "done" for job in jobs), "both are dubbed", 200)
    for job in jobs:
        click(card_of(panel, job).put)
        wait(lambda j=job: j.placed, "the dub is on a track")
    ours = [track for track in panel.document.content.of_kind("Video") if track.is_ours]
    spans = [clip.span for track in ours for clip in track.clips]
    assert [(span.start * 25, span.end * 25) for span in spans] == [(4, 14), (80, 90)]
    answer_file_dialog(tmp_path / "dubbed.otio")
    key(panel, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)


def test_no_face_a_cut_and_a_retime_are_said_beside_their_fields(
    window: Window, tmp_path: Path
) -> None:
    panel = window.panel
    colours = [(200, 30, 30)] * 40 + [(20, 40, 220)] * 40
    empty = write_clip(tmp_path / "empty.mkv", colours, Fraction(25))
    path = write_timeline(tmp_path / "cut.otio", [CLIPS[0], Path(empty), CLIPS[1]])
    timeline = otio.adapters.read_from_file(str(path))
    timeline.video_tracks()[0][2].effects.append(otio.schema.LinearTimeWarp(time_scalar=0.5))
    otio.adapters.write_to_file(timeline, str(path))
    open_timeline(panel, path)
    drop(panel.form, CLIPS[2])
    key(panel.viewer.canvas, Qt.Key.Key_Down)
    key(panel.viewer.canvas, Qt.Key.Key_X)
    wait(lambda: problem_of(panel, "speaker"), "the missing face is said", 60)
    assert "No face" in problem_of(panel, "speaker")
    assert "cut inside the range" in problem_of(panel, "dub")
    assert "01:00:04:14" in problem_of(panel, "dub")
    assert not panel.form.submit.isEnabled()
    key(panel.viewer.canvas, Qt.Key.Key_Down)
    key(panel.viewer.canvas, Qt.Key.Key_X)
    wait(lambda: "retimed" in problem_of(panel, "dub"), "the retime is said", 60)


def problem_of(panel: Any, field: str) -> str:
    return " ".join(p.text for p in panel.form.problems if p.field == field)
