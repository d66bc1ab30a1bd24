"""An editor's whole way through the panel, by clicks and keys, with the real engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from panel_material import (
    SPEAKERS,
    Heartbeat,
    answer_file_dialog,
    click,
    drag,
    drop,
    key,
    needs_speakers,
    place_on_strip,
    wait,
    write_timeline,
)
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from stylesync_ui.preferences import Home
from stylesync_ui.window import Window, make_application

ROOT = Path(__file__).resolve().parents[1]
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
    window.show()
    QTest.qWaitForWindowExposed(window)
    wait(lambda: window.panel.link.state in ("ready", "gone"), "the engine starts")
    return window


def open_timeline(panel: Any, path: Path) -> None:
    answer_file_dialog(path)
    before = panel.document
    key(panel, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: panel.document is not before, f"{path.name} is open")
    wait(lambda: panel.viewer.canvas.before is not None, "the first picture is shown")
    panel.window().activateWindow()  # there may be no window manager to do it
    wait(panel.isActiveWindow, "the window is active")
    panel.viewer.canvas.setFocus()


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


@needs_speakers
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
    drop(panel.strip, CLIPS[2])
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
    assert sorted(beat.works)[-1] < 0.05

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
    assert not any(track.is_ours for track in panel.document.content.tracks)
    key(panel, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert any(track.is_ours for track in panel.document.content.tracks)

    saved = tmp_path / "dubbed.otio"
    answer_file_dialog(saved)
    key(panel, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    wait(saved.exists, "the timeline is saved")
    check_saved(saved, timeline, Path(job.pieces[0]["output"]))
    check_reopened(window, saved, tmp_path)


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


@needs_speakers
def test_a_killed_engine_is_said_and_the_dub_goes_on(
    window: Window, tmp_path: Path, models: str
) -> None:
    panel = window.panel
    open_timeline(panel, write_timeline(tmp_path / "cut.otio", CLIPS[:1]))
    key(panel.viewer.canvas, Qt.Key.Key_X)
    drop(panel.strip, CLIPS[1])
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


@needs_speakers
def test_a_running_dub_is_cancelled_and_shown_while_it_grows(
    window: Window, tmp_path: Path, models: str
) -> None:
    panel = window.panel
    open_timeline(panel, write_timeline(tmp_path / "cut.otio", CLIPS[:1]))
    key(panel.viewer.canvas, Qt.Key.Key_X)
    drop(panel.strip, CLIPS[1])
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


@needs_speakers
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
