"""Every command of the panel: its name, its keys, its place in the menu."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QMenu,
    QTabBar,
    QWidget,
)


@dataclass(frozen=True, slots=True)
class Command:
    """`key` names it to the panel; the first of `keys` is shown in the menu. `in_table` are keys
    that mean it where the table of lines has the focus."""

    key: str
    text: str
    keys: tuple[str, ...] = ()
    needs_timeline: bool = True
    in_table: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A menu of commands."""

    title: str
    commands: tuple[Command, ...]


def tr(text: str) -> str:
    return QCoreApplication.translate("commands", text)


def all_groups() -> tuple[Group, ...]:
    """The menu, in its order."""
    return (
        Group(tr("Timeline"), _timeline()),
        Group(tr("Play"), _play()),
        Group(tr("Mark"), _mark()),
        Group(tr("View"), _view()),
        Group(tr("Lines"), _lines()),
        Group(tr("Dub"), _dub()),
        Group(tr("Help"), _help()),
    )


def _timeline() -> tuple[Command, ...]:
    return (
        Command("open", tr("Open a timeline…"), ("Ctrl+O",), needs_timeline=False),
        Command("save", tr("Save the dubbed timeline"), ("Ctrl+S",)),
        Command("save_as", tr("Save under another name…"), ("Ctrl+Shift+S",)),
        Command("save_ours", tr("Save our tracks alone…")),
        Command("find_media", tr("Find missing media…")),
        Command("undo", tr("Undo"), ("Ctrl+Z",)),
        Command("redo", tr("Redo"), ("Ctrl+Shift+Z",)),
        Command("settings", tr("Preferences…"), ("Ctrl+,",), needs_timeline=False),
    )


def _play() -> tuple[Command, ...]:
    return (
        Command("play", tr("Play, pause"), ("Space",)),
        Command("back", tr("Backwards; again: faster"), ("J",)),
        Command("stop", tr("Stop"), ("K",)),
        Command("forward", tr("Forwards; again: faster"), ("L",)),
        Command("frame_back", tr("One frame back"), ("Left",)),
        Command("frame_on", tr("One frame on"), ("Right",)),
        Command("ten_back", tr("Ten frames back"), ("Shift+Left",)),
        Command("ten_on", tr("Ten frames on"), ("Shift+Right",)),
        Command("previous", tr("Previous edit"), ("Up",)),
        Command("next", tr("Next edit"), ("Down",)),
        Command("first", tr("First frame"), ("Home",)),
        Command("last", tr("Last frame"), ("End",)),
        Command("loop", tr("Loop the range"), ("R",)),
        Command("sound", tr("Sound"), ("M",)),
    )


def _mark() -> tuple[Command, ...]:
    return (
        Command("draw_dub", tr("Mark what to dub"), ("1",)),
        Command("draw_speech", tr("Mark the speech"), ("2",)),
        Command("draw_style", tr("Mark the style reference"), ("3",)),
        Command("in", tr("In"), ("I",)),
        Command("out", tr("Out"), ("O",)),
        Command("this_shot", tr("This shot"), ("X",)),
        Command("next_face", tr("Next face; Return chooses it"), ("F",)),
        Command("snap", tr("Snap to edits"), ("N",)),
        Command("speech_file", tr("Speech from a file…")),
        Command("style_file", tr("Style from a file…")),
        Command("consent_choose", tr("Consent on record…")),
    )


def _view() -> tuple[Command, ...]:
    return (
        Command("toggle_after", tr("Before, after"), ("A",)),
        Command("wipe", tr("Wipe"), ("W",)),
        Command("wipe_left", tr("Move the wipe left"), (",",)),
        Command("wipe_right", tr("Move the wipe right"), (".",)),
        Command("side", tr("Side by side"), ("S",)),
        Command("difference", tr("Difference"), ("D",)),
        Command("zoom_mouth", tr("The mouth closely"), ("Z",)),
        Command("zoom_in", tr("Zoom in"), ("+", "=")),
        Command("zoom_out", tr("Zoom out"), ("-",)),
        Command("fit", tr("Show the whole timeline"), ("\\",)),
        Command("show_queue", tr("Lines, dub form, queue"), ("Q",)),
    )


def _lines() -> tuple[Command, ...]:
    return (
        Command("import_lines", tr("Import lines…"), ("Ctrl+I",)),
        Command("lines_of_markers", tr("Lines from the timeline's markers")),
        Command("export_lines", tr("Export lines and notes…"), ("Ctrl+E",)),
        Command("note_line", tr("Note on this frame…"), ("C",)),
        Command("cast", tr("Cast…"), ("Ctrl+Shift+C",)),
        Command("next_line", tr("Next line"), ("Alt+Down",)),
        Command("previous_line", tr("Previous line"), ("Alt+Up",)),
        Command("play_line", tr("Play the line"), ("Shift+Space",), in_table=("Space",)),
        Command("take_back", tr("Previous take"), ("[",), in_table=("[",)),
        Command("take_on", tr("Next take"), ("]",), in_table=("]",)),
        Command("approve", tr("Approve"), ("Y",), in_table=("Y",)),
        Command("redo_line", tr("Redo"), ("Shift+Y",), in_table=("N",)),
        Command("slip_back", tr("Sound a frame earlier"), ("Alt+,",)),
        Command("slip_on", tr("Sound a frame later"), ("Alt+.",)),
        Command("stretch_back", tr("Sound 1 % shorter"), ("Alt+-",)),
        Command("stretch_on", tr("Sound 1 % longer"), ("Alt+=", "Alt++")),
        Command("refine", tr("Refine the line before it is rendered"), ("E",)),
        Command("draft_line", tr("Draft of the line")),
        Command("good_line", tr("Good quality of the line")),
        Command("draft_all", tr("Draft all ready"), ("Ctrl+Shift+D",)),
        Command("good_all", tr("Good for all approved"), ("Ctrl+Shift+G",)),
        Command("put_line", tr("Put the line on its track, or take it off"), ("P",)),
        Command("put_all", tr("Put on all picked"), ("Ctrl+Shift+P",)),
        Command("stop_lines", tr("Let no line wait")),
        Command("show_lines", tr("The table of lines"), ("T",)),
    )


def table_keys() -> dict[str, str]:
    """What keys mean where the table of lines has the focus."""
    return {
        keys: command.key
        for group in all_groups() for command in group.commands for keys in command.in_table
    }  # fmt: skip


def _dub() -> tuple[Command, ...]:
    return (
        Command("submit", tr("Dub"), ("Ctrl+Return", "Ctrl+Enter")),
        Command("markers", tr("Dub whole timeline from markers"), ("Ctrl+Shift+Return",)),
        Command("make_marker", tr("Make a marker of the form"), ("Ctrl+M",)),
        Command("jobs_file", tr("Jobs from a file…")),
        Command("go_on", tr("Go on with what was interrupted"), needs_timeline=False),
        Command("restart", tr("Start the engine again"), needs_timeline=False),
    )


def _help() -> tuple[Command, ...]:
    return (
        Command("help", tr("How it works"), ("F1",), needs_timeline=False),
        Command("about", tr("About StyleSync"), needs_timeline=False),
    )


class CommandSet(QObject):
    """The commands as actions of a widget: keys act while the focus is anywhere in it."""

    asked = Signal(str)

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self.actions: dict[str, QAction] = {}
        self._needing: list[QAction] = []
        self.menu = QMenu(owner)
        for group in all_groups():
            part = self.menu.addMenu(group.title)
            for command in group.commands:
                action = self._add(command, owner)
                part.addAction(action)

    def _add(self, command: Command, owner: QWidget) -> QAction:
        action = QAction(command.text, owner)
        action.setShortcuts([QKeySequence(keys) for keys in command.keys])
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _=False, key=command.key: self.asked.emit(key))
        owner.addAction(action)
        self.actions[command.key] = action
        if command.needs_timeline:
            self._needing.append(action)
        return action

    def show_menu(self, button: QWidget) -> None:
        """All commands, below a button."""
        corner = button.mapToGlobal(QPoint(button.width(), button.height() + 2))
        self.menu.popup(corner - QPoint(self.menu.sizeHint().width(), 0))

    def enable(self, timeline: bool, undo: bool, redo: bool) -> None:
        """Offer what can be done now."""
        for action in self._needing:
            action.setEnabled(timeline)
        self.actions["undo"].setEnabled(undo)
        self.actions["redo"].setEnabled(redo)


_ARROWS = (
    Qt.Key.Key_Space, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down,
    Qt.Key.Key_Home, Qt.Key.Key_End,
)  # fmt: skip


def is_own_key(widget: QWidget | None, key: int) -> bool:
    """Whether a control needs a key for itself, so that no command may take it away."""
    if isinstance(widget, QAbstractButton):
        return key == Qt.Key.Key_Space or (widget.group() is not None and key in _ARROWS)
    controls = (QComboBox, QAbstractSlider, QAbstractSpinBox, QTabBar)
    return isinstance(widget, controls) and key in _ARROWS
