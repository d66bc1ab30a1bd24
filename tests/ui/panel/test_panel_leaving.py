"""The first run, missing media, preferences, leaving."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from panel_material import answer_file_dialog, click, key, wait
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox
from silent_panel import choose, make_timeline, open_timeline
from stylesync_ui.panel.dialogs import PreferencesDialog
from stylesync_ui.panel.preferences import Preferences


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
    assert panel.document.content.missing == 2
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
    panel.timeline.change(dataclasses.replace(panel.document.content))
    assert panel.name.whole.endswith("•")
    answer_box(QMessageBox.StandardButton.Cancel)
    assert not panel.window().close()
    answer_box(QMessageBox.StandardButton.Save)
    saved = tmp_path / "kept.otio"
    QTimer.singleShot(60, lambda: answer_file_dialog(saved))
    assert panel.timeline.may_leave()
    assert saved.exists()
    assert panel.timeline.may_leave()
