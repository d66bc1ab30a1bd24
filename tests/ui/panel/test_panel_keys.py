"""The panel's keys, the names of its controls, its texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from panel_material import click, key
from PySide6.QtCore import QPoint, Qt, QTranslator
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QWidget
from silent_panel import make_timeline, open_timeline, open_window
from stylesync_ui.panel.commands import all_groups
from stylesync_ui.panel.dialogs import PreferencesDialog, about_page, help_page
from stylesync_ui.panel.preferences import Preferences
from stylesync_ui.wish.more_options import CAMERA_SPACES

LETTERS = re.compile(r"[A-Za-z]{2}")


NO_LANGUAGE = re.compile(
    r"(?:\d\d[:;]){3}\d\d|.*\.otio|clip\d.*|ProRes.*|DNxHR|H\.26[45]|ACES.*|OTIO.*|CPU|CUDA|MPS"
)


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
