"""Ranges, drops and the form: what is chosen becomes the wish."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from panel_material import click, drag, drop, key, place_on_strip, wait
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QComboBox
from silent_panel import choose, make_timeline, open_timeline
from stylesync_plugin.contract import Codec, Credentials, Delivery, Length, Mark
from stylesync_ui.panel.dialogs import PreferencesDialog
from stylesync_ui.wish.more_options import CAMERA_SPACES

from stylesync_engine.pictures.colour import check_space


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
    assert consent_problems(panel) == [("error", "none that is known")]
    monkeypatch.delenv("STYLESYNC_STUDIO")
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")
    panel.editing.set_wish(consent=None)
    open_timeline(panel, make_timeline(tmp_path, "last.otio"))
    assert consent_problems(panel) == [("error", "person's consent")]


def consent_problems(panel: Any) -> list[tuple[str, str]]:
    """Levels, and the part of each sentence that tells which it is."""
    words = ("person's consent", "none that is known")
    return [
        (problem.level, next((word for word in words if word in problem.text), problem.text))
        for problem in panel.form.problems if problem.field == "consent"
    ]  # fmt: skip
