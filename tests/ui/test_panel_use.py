"""The panel in use, without waiting for pictures: keys, names, drops, markers, saving, looks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from panel_material import (
    Heartbeat,
    add_marker,
    answer_file_dialog,
    click,
    drag,
    drop,
    key,
    place_on_strip,
    wait,
    write_timeline,
)
from PySide6.QtCore import QPoint, Qt, QTimer, QTranslator
from PySide6.QtGui import QColor, QImage, QKeySequence, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QMessageBox,
    QWidget,
)
from stylesync_plugin.contract import Codec, Credentials, Delivery, Length, Mark
from stylesync_ui import docking
from stylesync_ui.look import theme
from stylesync_ui.panel.commands import all_groups
from stylesync_ui.panel.dialogs import PreferencesDialog, about_page, help_page
from stylesync_ui.panel.preferences import Home, Preferences
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.viewer.sound_output import SoundOutput, SoundSegment
from stylesync_ui.window import Window, make_application
from stylesync_ui.wish.more_options import CAMERA_SPACES

from stylesync_engine.pictures.colour import check_space

SILENT = 'import sys; print(\'{"event": "ready"}\', flush=True); sys.stdin.read()'
LETTERS = re.compile(r"[A-Za-z]{2}")
NO_LANGUAGE = re.compile(
    r"(?:\d\d[:;]){3}\d\d|.*\.otio|clip\d.*|ProRes.*|DNxHR|H\.26[45]|ACES.*|OTIO.*|CPU|CUDA|MPS"
)


@pytest.fixture
def panel(qapp: QApplication, tmp_path: Path) -> Iterator[Any]:
    """A panel with an engine that says it is ready and then nothing more."""
    window = open_window(tmp_path)
    yield window.panel
    if window.panel.document is not None:
        window.panel.document.is_changed = False
    window.close()


def open_window(folder: Path) -> Window:
    make_application([])
    home = Home(folder / "config", folder / "previews")
    window = Window(home, [sys.executable, "-S", "-c", SILENT])
    window.show()
    window.activateWindow()
    QTest.qWaitForWindowExposed(window)
    wait(lambda: window.panel.link.state == "ready", "the engine is ready", 30)
    return window


def make_timeline(folder: Path, name: str = "cut.otio", clips: int = 2) -> Path:
    files = [folder / f"clip{number}.mov" for number in range(clips)]
    for file in files:
        file.touch()
    return write_timeline(folder / name, files)


def open_timeline(panel: Any, path: Path) -> None:
    before = panel.document
    panel.open(path)
    wait(lambda: panel.document is not before, "it is open")
    QApplication.processEvents()


# Keys and names


def test_every_command_acts_by_its_keys(panel: Any, tmp_path: Path) -> None:
    """Each combination asks for its command and no other, from the viewer and from the strip."""
    open_timeline(panel, make_timeline(tmp_path))
    asked: list[str] = []
    panel._actions = {name: lambda n=name: asked.append(n) for name in panel._actions}
    panel.commands.enable(True, True, True)
    for widget in (panel.viewer.canvas, panel.strip):
        widget.setFocus()
        for command in [c for group in all_groups() for c in group.commands]:
            for keys in command.keys:
                asked.clear()
                pressed = QKeySequence(keys)[0]
                QTest.keyClick(widget, pressed.key(), pressed.keyboardModifiers())
                assert asked == [command.key], keys
    assert {c.key for group in all_groups() for c in group.commands} <= set(panel._actions)


def test_a_focused_control_keeps_its_own_keys(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    button = panel.form.this_shot
    button.setFocus(Qt.FocusReason.TabFocusReason)
    key(button, Qt.Key.Key_Space)
    assert panel.editing.wish.dub == panel.document.content.tracks[0].clips[0].span
    assert panel.player.transport.speed == 0
    box = panel.form.policy
    box.setFocus(Qt.FocusReason.TabFocusReason)
    key(box, Qt.Key.Key_Down)
    assert panel.editing.wish.options.length == "hold"
    assert panel.position == 0
    quality = panel.form.quality.buttons["good"]
    quality.setFocus(Qt.FocusReason.TabFocusReason)
    key(quality, Qt.Key.Key_Right)
    assert panel.editing.wish.options.quality == "best"
    panel.viewer.canvas.setFocus()
    key(panel.viewer.canvas, Qt.Key.Key_Right)
    assert panel.position == 1 / panel.document.content.rate


def test_after_typing_the_keys_belong_to_the_player_again(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    for field, ends in ((panel.viewer.position, "Return"), (panel.form.dub_in, "Escape")):
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, "100")
        assert panel.position == (0 if field is panel.viewer.position else 1)
        key(field, QKeySequence(ends)[0].key())
        assert QApplication.focusWidget() is panel.viewer.canvas
    assert panel.editing.wish.dub is None
    panel.form.person.setFocus()
    QTest.keyClicks(panel.form.person, "Ada")
    key(panel.form.person, Qt.Key.Key_Return)
    assert panel.editing.wish.person == "Ada"
    assert QApplication.focusWidget() is panel.viewer.canvas


def controls_of(widget: QWidget) -> list[QWidget]:
    return [
        found for found in widget.findChildren(QWidget)
        if found.isVisible() and found.isEnabled() and found.focusPolicy() & Qt.FocusPolicy.TabFocus
        and found.focusProxy() is None
    ]  # fmt: skip


def test_tab_reaches_every_control_and_each_has_a_name(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    panel.editing.set_wish(consent=str(tmp_path / "consent.json"))
    wanted = set(controls_of(panel))
    assert len(wanted) > 35
    panel.viewer.canvas.setFocus()
    order: list[QWidget] = []
    for _ in range(2 * len(wanted)):
        focused = QApplication.focusWidget()
        if focused in order:
            break
        order.append(focused)
        key(focused, Qt.Key.Key_Tab)
    exclusive = {  # of buttons that stick together, Tab stops at the one that is chosen
        entry for segments in (panel.viewer.modes, panel.form.style_kind, panel.form.quality,
                               panel.area.kinds)
        for entry in segments.buttons.values()
    }  # fmt: skip
    missed = {entry for entry in wanted - set(order) if entry not in exclusive}
    assert missed == set()
    nameless = [w for w in wanted if not (w.accessibleName() or getattr(w, "text", str)())]
    assert nameless == []
    heights = [w.mapTo(panel.form, QPoint(0, 0)).y() for w in order if panel.form.isAncestorOf(w)]
    assert heights == sorted(heights)


def test_all_texts_can_be_translated(qapp: QApplication, tmp_path: Path) -> None:
    """With a translator that marks every text, no unmarked word is left on the screen."""
    marks = Marks()
    qapp.installTranslator(marks)
    try:
        window = open_window(tmp_path)
        panel = window.panel
        texts = texts_of(panel)
        open_timeline(panel, make_timeline(tmp_path))
        panel.do("this_shot")
        texts |= texts_of(panel)
        for dialog in (
            PreferencesDialog(Preferences(), panel.media.folder, panel),
            help_page(panel), about_page(panel),
        ):  # fmt: skip
            texts |= texts_of(dialog) | {dialog.windowTitle()}
        texts |= {action.text() for action in panel.commands.actions.values()}
        window.close()
    finally:
        qapp.removeTranslator(marks)
    unmarked = {text for text in texts if LETTERS.search(text) and "¤" not in text}
    unmarked -= set(CAMERA_SPACES)
    assert {text for text in unmarked if not NO_LANGUAGE.fullmatch(text)} == set()
    assert len(texts) > 60


class Marks(QTranslator):
    def translate(self, context: str, text: str, *_: object) -> str:
        return f"¤{text}"

    def isEmpty(self) -> bool:  # noqa: N802
        return False


def texts_of(widget: QWidget) -> set[str]:
    found: set[str] = set()
    for child in widget.findChildren(QWidget):
        if type(child).__module__.startswith("PySide6") and child.objectName().startswith("qt_"):
            continue
        if isinstance(child, (QLabel, QAbstractButton, QLineEdit)):
            found.add(child.text())
        if isinstance(child, QComboBox):
            found |= {child.itemText(number) for number in range(child.count())}
        found |= {child.toolTip(), child.accessibleName()}
    return found - {""}


# Marking


def test_in_and_out_mark_what_is_chosen(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    canvas = panel.viewer.canvas
    canvas.setFocus()
    for letter, kind in (("1", "dub"), ("2", "speech"), ("3", "style")):
        key(canvas, letter)
        key(canvas, Qt.Key.Key_Home)
        for _ in range(3):
            key(canvas, Qt.Key.Key_Right)
        key(canvas, "I")
        for _ in range(4):
            key(canvas, Qt.Key.Key_Right)
        key(canvas, "O")
        span, _ = panel.editing.range_of(kind)
        assert (span.start * 25, span.end * 25) == (3, 8)
    assert set(panel.strip.ranges) == {"dub", "speech", "style"}


def test_dragging_marks_speech_on_sound_and_style_on_pictures(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    drag(panel.strip, place_on_strip(panel, 3.0, "A1"), place_on_strip(panel, 4.5, "A1"))
    speech = panel.editing.wish.speech
    assert speech.track == "A1"
    assert float(speech.span.duration) == pytest.approx(1.5, abs=0.1)
    click(panel.area.kinds.buttons["style"])
    drag(panel.strip, place_on_strip(panel, 0.5, "V1"), place_on_strip(panel, 2.0, "V1"))
    assert panel.editing.wish.style.track == "V1"
    assert panel.form.style_kind.choice == "range"
    assert panel.editing.wish.dub is None


def test_dropped_files_are_speech_and_dropped_timelines_open(panel: Any, tmp_path: Path) -> None:
    path = make_timeline(tmp_path)
    drop(panel.welcome, path)
    wait(lambda: panel.document is not None, "the dropped timeline is open")
    for widget, name in ((panel.strip, "line 1.wav"), (panel.form, "line 2.flac")):
        (tmp_path / name).touch()
        drop(widget, tmp_path / name)
        assert panel.editing.wish.speech.file == str(tmp_path / name)
    before = panel.document
    drop(panel.strip, make_timeline(tmp_path, "other.otio"))
    wait(lambda: panel.document is not before, "the other timeline is open")
    assert panel.document.path.name == "other.otio"


def choose(box: QComboBox, name: object) -> None:
    """From the list, by keys."""
    box.setFocus(Qt.FocusReason.TabFocusReason)
    key(box, Qt.Key.Key_Home)
    while box.currentData() != name:
        key(box, Qt.Key.Key_Down)


def test_a_delivery_takes_a_codec_that_can_hold_it(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    form, wish = panel.form, panel.editing
    choose(form.codec, "h264")
    assert wish.wish.options.codec == "h264"
    choose(form.delivery, "overlay")
    assert (wish.wish.options.delivery, wish.wish.options.codec) == ("overlay", "prores4444")
    choose(form.delivery, "vfx")
    assert (wish.wish.options.delivery, form.codec.currentData()) == ("vfx", "exr")
    panel.set_option("delivery", "overlay")
    panel.set_option("codec", "dnxhr")
    assert "has no alpha" in panel.banner.text.text()
    assert form.codec.currentData() == "exr"
    refused = [
        form.codec.itemData(number) for number in range(form.codec.count())
        if not form.codec.model().item(number).isEnabled()
    ]  # fmt: skip
    assert refused == ["prores422hq", "dnxhr", "h264", "h265"]
    assert "no alpha" in form.codec.model().item(form.codec.findData("h265")).toolTip()


def test_the_form_offers_all_that_the_engine_takes(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    form = panel.form

    def offered(box: QComboBox) -> set[Any]:
        return {box.itemData(number) for number in range(box.count())}

    assert offered(form.codec) == set(get_args(Codec))
    assert offered(form.delivery) == set(get_args(Delivery))
    assert offered(form.policy) == set(get_args(Length))
    assert offered(form.more.second) == {None, *get_args(Delivery)} - {"composite"}
    assert offered(form.more.credentials) == set(get_args(Credentials))
    assert offered(form.more.mark) == set(get_args(Mark))
    for space in offered(form.more.colour_space) - {None, *CAMERA_SPACES}:
        check_space(space)


def test_cameras_spaces_are_known_to_opencolorio() -> None:
    pytest.importorskip("PyOpenColorIO")
    for space in CAMERA_SPACES:
        check_space(space)


def test_more_options_are_folded_away_and_become_the_job(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    more, wish = panel.form.more, panel.editing
    assert not more.second.isVisible()
    panel.window().resize(1440, 1100)
    QApplication.processEvents()
    place = more.heading.mapTo(panel.form, QPoint(0, 0))
    for _ in range(2):
        click(more.heading)
        QApplication.processEvents()
        assert more.heading.mapTo(panel.form, QPoint(0, 0)) == place
    panel.window().resize(460, 900)
    click(more.heading)
    last = more.checks["deinterlace"]
    wait(lambda: last.visibleRegion().boundingRect() == last.rect(), "it scrolls to them", 5)
    choose(more.second, "overlay")
    choose(more.colour_space, "hlg")
    choose(more.credentials, "off")
    choose(more.mark, "metadata")
    for check in more.checks.values():
        click(check, QPoint(8, check.height() // 2))
    options = wish.wish.options
    assert (wish.wish.second, options.colour_space) == ("overlay", "hlg")
    assert (options.keep_sound, options.match_loudness, options.deinterlace) == (True, True, True)
    click(more.heading)
    assert "7" in more.heading.text()
    choose(panel.form.delivery, "overlay")
    assert wish.wish.second is None
    assert more.second.currentData() is None
    (tmp_path / "line.wav").touch()
    panel.marking.take_speech(str(tmp_path / "line.wav"))
    panel.do("this_shot")
    data = wish.job()[1]
    assert data["options"]["match_loudness"] is True
    assert data["options"]["colour_space"] == "hlg"
    assert (data["options"]["credentials"], data["options"]["mark"]) == ("off", "metadata")


def test_the_studios_rule_of_consent_holds(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "studio.json"
    settings.write_text('{"consent": "required"}')
    monkeypatch.setenv("STYLESYNC_STUDIO", str(settings))
    open_timeline(panel, make_timeline(tmp_path))
    assert consent_problems(panel) == [("error", "person's consent")]
    panel.show_preferences()
    dialog = panel.findChild(PreferencesDialog)
    assert dialog.consent.isChecked()
    assert not dialog.consent.isEnabled()
    dialog.close()
    assert not panel.preferences.consent_required
    panel.editing.set_wish(consent=str(tmp_path / "consent.json"))
    assert consent_problems(panel) == []
    settings.write_text('{"consent": "maybe"}')
    open_timeline(panel, make_timeline(tmp_path, "next.otio"))
    assert consent_problems(panel) == [("error", "'maybe'")]
    monkeypatch.delenv("STYLESYNC_STUDIO")
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")
    panel.editing.set_wish(consent=None)
    open_timeline(panel, make_timeline(tmp_path, "last.otio"))
    assert consent_problems(panel) == [("error", "person's consent")]


def consent_problems(panel: Any) -> list[tuple[str, str]]:
    """Levels, and the part of each sentence that tells which it is."""
    words = ("person's consent", "'maybe'")
    return [
        (problem.level, next((word for word in words if word in problem.text), problem.text))
        for problem in panel.form.problems if problem.field == "consent"
    ]  # fmt: skip


# Markers


def test_markers_become_jobs_and_their_absence_is_said(panel: Any, tmp_path: Path) -> None:
    path = make_timeline(tmp_path)
    open_timeline(panel, path)
    click(panel.side.tabBar(), panel.side.tabBar().tabRect(1).center())
    click(panel.queue_view.markers)
    assert "No marker" in panel.banner.text.text()
    assert len(panel.jobs.queue) == 0
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).touch()
    add_marker(path, 5, 20, {"speech": "one.wav"})
    add_marker(path, 80, 30, {"speech": "two.wav"})
    open_timeline(panel, path)
    click(panel.queue_view.markers)
    jobs = list(panel.jobs.queue)
    assert [job.title for job in jobs] == ["line 5", "line 80"]
    assert [job.state for job in jobs] == ["running", "waiting"]
    assert [job.job["speech"]["file"] for job in jobs] == ["one.wav", "two.wav"]
    assert panel.side.currentWidget() is panel.queue_view
    click(panel.queue_view.cards[jobs[1].id].cancel)
    assert jobs[1].state == "cancelled"


def test_taking_a_dub_off_a_long_timeline_leaves_the_window_alive(
    panel: Any, tmp_path: Path
) -> None:
    open_timeline(panel, make_timeline(tmp_path, clips=500))
    job = JobRecord("shot", str(panel.document.path.absolute()), {"name": "shot"})
    job.state, job.placed = "done", True
    panel.jobs.queue.add(job)
    panel.jobs.listed.emit()
    before = panel.document.content
    beat = Heartbeat()
    panel.jobs.act(job.id, "take")
    wait(lambda: panel.document.content is not before, "it is off the track")
    beat.stop()
    assert max(beat.works) < 0.05
    assert not job.placed
    panel.do("undo")
    assert panel.document.content is before


# Comparing and hearing


def test_ways_to_compare_show_what_they_say(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    canvas = panel.viewer.canvas
    before, after = QImage(160, 90, QImage.Format.Format_RGB32), None
    before.fill(QColor(200, 40, 40))
    after = before.copy()
    after.setPixelColor(120, 45, QColor(220, 40, 40))
    blue = before.copy()
    blue.fill(QColor(40, 40, 200))
    canvas.show_pictures(before, blue, (160, 90))

    def red_at(x: float) -> int:
        rect = canvas.picture_rect()
        spot = QPoint(
            round(rect.left() + rect.width() * x), round(rect.top() + 0.8 * rect.height())
        )
        return int(canvas.grab().toImage().pixelColor(spot).red())

    panel.viewer.set_mode("wipe")
    assert (red_at(0.25), red_at(0.75)) == (200, 40)
    canvas.setFocus()
    for _ in range(7):
        key(canvas, ".")
    assert (red_at(0.25), red_at(0.75)) == (200, 200)
    for mode, expected in (("before", 200), ("after", 40), ("difference", 255)):
        panel.viewer.set_mode(mode)
        assert red_at(0.5) == expected
    panel.viewer.set_mode("side")
    assert (red_at(0.1), red_at(0.9)) == (200, 40)
    panel.viewer.set_mode("difference")
    canvas.show_pictures(before, before.copy(), (160, 90))
    assert red_at(0.5) == 0


def test_without_a_sound_device_it_plays_on_and_says_so(panel: Any, tmp_path: Path) -> None:
    output = SoundOutput()
    output.play([SoundSegment(str(tmp_path / "none.wav"), 0.0, 1.0, 0)], 0.0)
    assert output.heard is None
    assert output.trouble.startswith("No sound")
    open_timeline(panel, make_timeline(tmp_path))
    panel.player.output = output
    panel.viewer.canvas.setFocus()
    key(panel.viewer.canvas, "L")
    wait(lambda: panel.position > 0, "the playhead moves", 5)
    assert panel.viewer.tools["sound"].toolTip() == output.trouble
    key(panel.viewer.canvas, "K")
    assert panel.player.transport.speed == 0


# First run, media, leaving, looks


def test_the_first_run_tells_how_and_only_once(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    assert panel.banner.isVisible()
    assert "first dub" in panel.banner.text.text()
    click(panel.banner.button_of("got_it"))
    assert Preferences.read(panel.home.preferences).seen_help
    open_timeline(panel, make_timeline(tmp_path, "next.otio"))
    assert not panel.banner.isVisible()


def test_missing_media_are_said_and_found_in_another_folder(panel: Any, tmp_path: Path) -> None:
    path = make_timeline(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in tmp_path.glob("clip*.mov"):
        file.rename(elsewhere / file.name)
    open_timeline(panel, path)
    assert panel.document.content.missing == 4
    answer_file_dialog(elsewhere)
    click(panel.banner.button_of("find_media"))
    wait(lambda: panel.document.content.missing == 0, "the media are found")
    assert panel.jobs.media_folders == (elsewhere,)
    open_timeline(panel, path)
    assert panel.document.content.missing == 0


def test_preferences_hold_at_once_and_survive(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    kept = panel.home.cache / "clip_540"
    kept.mkdir(parents=True)
    (kept / "frame.png").write_bytes(b"x" * 3_000_000)
    key(panel.viewer.canvas, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = panel.findChild(PreferencesDialog)
    wait(lambda: dialog.size_text.text().startswith("3 MB"), "the previews are counted")
    click(dialog.clean)
    wait(lambda: dialog.size_text.text().startswith("0 MB"), "the previews are gone")
    assert not kept.exists()
    dialog.consent.setFocus()
    key(dialog.consent, Qt.Key.Key_Space)
    choose(dialog.limit, 5000)
    answer_file_dialog(tmp_path)
    click(dialog.choose)
    wait(lambda: panel.preferences.models_folder == str(tmp_path), "the folder is chosen")
    dialog.close()
    expected = Preferences(consent_required=True, cache_mb=5000, models_folder=str(tmp_path))
    assert Preferences.read(panel.home.preferences) == expected
    assert ("consent", "error") in {(p.field, p.level) for p in panel.form.problems}
    assert panel.form.models.findData(str(tmp_path)) >= 0


def answer_box(wanted: QMessageBox.StandardButton) -> None:
    def answer() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            QTest.mouseClick(box.button(wanted), Qt.MouseButton.LeftButton)
        else:
            QTimer.singleShot(20, answer)

    QTimer.singleShot(20, answer)


def test_what_is_not_saved_is_not_lost_without_asking(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    panel.timeline.change(panel.document.content)
    assert panel.name.whole.endswith("•")
    answer_box(QMessageBox.StandardButton.Cancel)
    assert not panel.window().close()
    answer_box(QMessageBox.StandardButton.Save)
    saved = tmp_path / "kept.otio"
    QTimer.singleShot(60, lambda: answer_file_dialog(saved))
    assert panel.timeline.may_leave()
    assert saved.exists()
    assert panel.timeline.may_leave()


@pytest.mark.parametrize("ground", ["#202124", "#3a3a3a", "#ececec"])
def test_in_a_host_it_takes_the_hosts_colours(
    qapp: QApplication, tmp_path: Path, ground: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Home, "default", lambda: Home(tmp_path / "config", tmp_path / "previews"))
    before, shown = qapp.palette(), theme.current()
    qapp.setPalette(QPalette(QColor(ground)))
    try:
        panel = docking.make_panel()
        panel.resize(900, 700)
        assert panel.grab().toImage().pixelColor(450, 200) == QColor(ground)
        assert theme.current().is_dark == (ground != "#ececec")
        panel.shut()
        panel.deleteLater()
    finally:
        qapp.setPalette(before)
        theme.adopt(shown)


def test_a_host_that_changes_its_colours_is_followed(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the application's palette and by that of the widget that the panel lies in."""
    monkeypatch.setattr(Home, "default", lambda: Home(tmp_path / "config", tmp_path / "previews"))
    before, shown = qapp.palette(), theme.current()
    host = QWidget()
    host.setPalette(QPalette(QColor("#202124")))
    panel = docking.make_panel(host)
    host.resize(900, 700)
    panel.resize(900, 700)
    host.show()
    about = about_page(panel)
    about.show()
    panel.banner.say("Something", "error")
    try:
        look = looks_of(panel, about)
        assert look["ground"] == QColor("#202124")
        host.setPalette(QPalette(QColor("#ececec")))
        wait(lambda: not theme.current().is_dark, "the host is light", 5)
        light = looks_of(panel, about)
        assert light["ground"] == QColor("#ececec")
        assert all(light[name] != look[name] for name in look)
        host.setPalette(QPalette())
        qapp.setPalette(QPalette(QColor("#202124")))
        wait(lambda: theme.current().is_dark, "the application is dark", 5)
        assert looks_of(panel, about) == look
    finally:
        panel.shut()
        host.close()
        host.deleteLater()
        qapp.setPalette(before)
        theme.adopt(shown)


def looks_of(panel: Any, page: Any) -> dict[str, object]:
    """The panel's ground, an icon's most seen pixel, a page's text, a banner's edge."""
    QApplication.processEvents()
    icon = panel.tools["menu"].icon().pixmap(16).toImage()
    edge = panel.banner.grab().toImage()
    return {
        "ground": panel.grab().toImage().pixelColor(5, 600),
        "icon": max((icon.pixelColor(x, 8) for x in range(16)), key=QColor.alpha).name(),
        "page": page.page.document().defaultStyleSheet(),
        "banner": edge.pixelColor(1, edge.height() // 2).name(),
    }


def test_the_menu_holds_help_and_licences(panel: Any) -> None:
    click(panel.tools["menu"])
    assert panel.commands.menu.isVisible()
    panel.commands.menu.close()
    panel.commands.actions["about"].trigger()
    panel.do("about")
    shown = [w for w in QApplication.topLevelWidgets() if "About" in w.windowTitle()]
    assert shown
    text = shown[0].page.toPlainText()
    assert all(word in text for word in ("LGPL-3.0", "Apache-2.0", "PyTorch", "FFmpeg"))
    for dialog in shown:
        dialog.close()
