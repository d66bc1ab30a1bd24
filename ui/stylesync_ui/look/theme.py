"""Colours, fonts and the style sheet: calm greys around the host's, one accent, three ranges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QWidget

FAMILIES = ["Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Liberation Sans", "DejaVu Sans"]
MONO = ["JetBrains Mono", "SF Mono", "Consolas", "DejaVu Sans Mono"]
OUR_BASE = "#242528"


@dataclass(frozen=True, slots=True)
class Theme:
    """Every colour that the panel draws with."""

    base: QColor
    deep: QColor
    raised: QColor
    field: QColor
    line: QColor
    hover: QColor
    text: QColor
    muted: QColor
    faint: QColor
    accent: QColor
    on_accent: QColor
    dub: QColor
    speech: QColor
    style: QColor
    error: QColor
    warning: QColor
    good: QColor
    is_dark: bool

    def of_range(self, kind: str) -> QColor:
        return {"dub": self.dub, "speech": self.speech, "style": self.style}[kind]

    def of_level(self, level: str) -> QColor:
        return {
            "error": self.error,
            "warning": self.warning,
            "hint": self.muted,
            "todo": self.accent,
        }[level]

    def of_state(self, state: str) -> QColor:
        """The colour of a line, or of a job, in a state."""
        return {
            "chosen": self.speech, "ready": self.speech, "waiting": self.muted,
            "running": self.accent, "done": self.style, "draft": self.style,
            "placed": self.good, "good": self.good, "approved": self.good, "redo": self.dub,
            "unclear": self.warning, "failed": self.error, "interrupted": self.error,
        }.get(state, self.faint)  # fmt: skip


def theme_of(palette: QPalette | None = None) -> Theme:
    """The theme around a host's window colour; ours where there is no host."""
    base = palette.color(QPalette.ColorRole.Window) if palette else QColor(OUR_BASE)
    dark = base.lightness() < 140
    sign = 1 if dark else -1

    def grey(step: int) -> QColor:
        return QColor.fromHsl(
            max(0, base.hslHue()), base.hslSaturation(), _bound(base.lightness() + sign * step)
        )

    strong = (
        ("#5c9df5", "#0d1420", "#f29a4b", "#3fbfae", "#b593f2", "#f2777a", "#e6b84c", "#6cc77c")
        if dark
        else (
            "#1f67c9",
            "#ffffff",
            "#b85f0b",
            "#0b7a6d",
            "#7444c4",
            "#b3262a",
            "#805a00",
            "#22742f",
        )
    )
    accent, on_accent, dub, speech, style, error, warning, good = map(QColor, strong)
    text, muted = (QColor("#e3e5e8"), QColor("#a0a5ae")) if dark else (grey(205), grey(130))
    return Theme(
        base, grey(-14) if dark else grey(-6), grey(10), grey(-8) if dark else grey(-14), grey(24),
        grey(20), text, muted, grey(62), accent, on_accent, dub, speech, style,
        error, warning, good, dark,
    )  # fmt: skip


def _bound(value: int) -> int:
    return max(0, min(255, value))


_current = None


def current() -> Theme:
    """The theme of this process."""
    global _current
    if _current is None:
        _current = theme_of()
    return _current


def adopt(theme: Theme) -> None:
    global _current
    _current = theme


def adopt_host(host: QWidget | None) -> None:
    """Take the colours of the widget that the panel lies in, else the application's."""
    adopt(theme_of(host.palette() if host is not None else QApplication.palette()))


@lru_cache(32)
def ui_font(pixels: int = 12, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    font = QFont()
    font.setFamilies(FAMILIES)
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font


@lru_cache(32)
def mono_font(pixels: int = 12) -> QFont:
    font = QFont()
    font.setFamilies(MONO)
    font.setPixelSize(pixels)
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font


def palette_of(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    pairs = {
        role.Window: theme.base, role.WindowText: theme.text, role.Base: theme.field,
        role.AlternateBase: theme.raised, role.Text: theme.text, role.Button: theme.raised,
        role.ButtonText: theme.text, role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent, role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text, role.PlaceholderText: theme.muted, role.Link: theme.accent,
    }  # fmt: skip
    for name, colour in pairs.items():
        palette.setColor(name, colour)
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, theme.line.lighter(150))
    return palette


def apply_to_application(application: QApplication) -> None:
    """For a window of our own; in a host the panel dresses itself alone."""
    application.setStyle("Fusion")
    application.setPalette(palette_of(current()))
    application.setFont(ui_font())


def style_sheet(theme: Theme) -> str:
    names = ("base", "deep", "raised", "field", "line", "hover", "text", "muted", "faint", "accent",
             "on_accent", "dub", "speech", "style", "error", "warning", "good")  # fmt: skip
    sheet = _SHEET
    for name in sorted(names, key=len, reverse=True):
        sheet = sheet.replace(f"@{name}", getattr(theme, name).name())
    return sheet


_SHEET = """
* { font-size: 12px; }
QWidget#panel, QDialog, QWidget#page { background: @base; color: @text; }
QLabel { color: @text; background: transparent; }
QLabel[role="muted"] { color: @muted; }
QLabel[role="title"] { font-size: 13px; font-weight: 600; }
QLabel[level="error"] { color: @error; }
QLabel[level="warning"] { color: @warning; }
QLabel[level="hint"] { color: @muted; }
QLabel[level="todo"] { color: @accent; }
QLabel[level="good"] { color: @good; }
QLabel[role="note"] { font-size: 11px; }
QFrame[role="banner"] { background: @raised; border: 0; border-left: 4px solid @muted; }
QFrame[role="banner"][level="error"] { border-left-color: @error; }
QFrame[role="banner"][level="warning"] { border-left-color: @warning; }
QFrame[role="banner"][level="todo"] { border-left-color: @accent; }
QFrame[role="banner"][level="good"] { border-left-color: @good; }
QLabel[role="big"] { font-size: 20px; font-weight: 600; }
QFrame[role="bar"] { background: @raised; border: 0; }
QFrame[role="card"] { background: @raised; border: 1px solid @line; border-radius: 6px; }
QFrame[role="line"] { background: @line; border: 0; }
QToolTip { background: @raised; color: @text; border: 1px solid @line; padding: 4px; }
QPushButton, QToolButton {
  background: @hover; color: @text; border: 1px solid @line; border-radius: 4px;
  padding: 0 10px; min-height: 24px;
}
QToolButton { padding: 0 4px; min-width: 20px; }
QPushButton:hover, QToolButton:hover { background: @line; }
QPushButton:pressed, QToolButton:pressed { background: @deep; }
QPushButton:disabled, QToolButton:disabled {
  color: @faint; background: @raised; border-color: @hover;
}
QPushButton:focus, QToolButton:focus { border-color: @accent; }
QPushButton[role="primary"] {
  background: @accent; color: @on_accent; border-color: @accent; font-weight: 600; min-height: 30px;
}
QPushButton[role="primary"]:hover { background: @text; border-color: @text; }
QPushButton[role="primary"]:focus { border: 2px solid @text; }
QPushButton[role="primary"]:disabled { background: @hover; color: @muted; border-color: @line; }
QPushButton[role="link"] { background: transparent; border: 0; color: @accent; padding: 0 4px; }
QPushButton[role="link"]:hover { color: @text; }
QPushButton[role="link"]:disabled { color: @faint; }
QPushButton[role="link"]:focus { border: 1px solid @accent; }
QPushButton[role="chip"] { padding: 0 2px; min-width: 22px; }
QPushButton[role="fold"] {
  background: transparent; border: 1px solid transparent; color: @muted; text-align: left;
  padding: 0 4px 0 0;
}
QPushButton[role="fold"]:hover { color: @text; }
QPushButton[role="fold"]:focus { border-color: @accent; }
QToolButton[role="flat"] { background: transparent; border: 1px solid transparent; }
QToolButton[role="flat"]:hover { background: @hover; }
QToolButton[role="flat"]:focus { border-color: @accent; }
QToolButton[role="flat"]:checked { background: @hover; border-color: @line; }
QToolButton[role="flat"]:disabled { background: transparent; border-color: transparent; }
QToolButton[role="segment"] {
  border-radius: 0; background: @field; border: 1px solid @line; border-left-width: 0;
  color: @muted; padding: 0 9px;
}
QToolButton[role="segment"][first="true"] {
  border-left-width: 1px; border-top-left-radius: 4px; border-bottom-left-radius: 4px;
}
QToolButton[role="segment"][last="true"] {
  border-top-right-radius: 4px; border-bottom-right-radius: 4px;
}
QToolButton[role="segment"]:hover { color: @text; }
QToolButton[role="segment"]:disabled { color: @faint; }
QToolButton[role="segment"]:checked { background: @hover; color: @text; font-weight: 600; }
QToolButton[range="dub"]:checked { color: @dub; }
QToolButton[range="speech"]:checked { color: @speech; }
QToolButton[range="style"]:checked { color: @style; }
QToolButton[role="segment"]:focus { border: 1px solid @accent; }
QLineEdit, QComboBox {
  background: @field; color: @text; border: 1px solid @line; border-radius: 4px;
  padding: 0 6px; min-height: 24px; selection-background-color: @accent;
  selection-color: @on_accent;
}
QLineEdit:focus, QComboBox:focus { border-color: @accent; }
QLineEdit[wrong="true"] { border-color: @error; }
QLineEdit:disabled, QComboBox:disabled { color: @muted; background: @base; }
QComboBox::drop-down { border: 0; width: 20px; }
QComboBox QAbstractItemView {
  background: @raised; color: @text; border: 1px solid @line; outline: 0;
  selection-background-color: @accent; selection-color: @on_accent;
}
QTabWidget::pane { border: 0; }
QTabBar::tab {
  background: transparent; color: @muted; padding: 7px 14px; border: 0;
  border-bottom: 2px solid transparent;
}
QTabBar::tab:hover { color: @text; }
QTabBar::tab:selected { color: @text; border-bottom-color: @accent; font-weight: 600; }
QTabBar::tab:focus { color: @accent; }
QTabBar { background: @base; border-bottom: 1px solid @line; }
QScrollArea, QScrollArea > QWidget > QWidget { background: @base; border: 0; }
QScrollBar:vertical { background: @base; width: 10px; margin: 0; }
QScrollBar:horizontal { background: @base; height: 10px; margin: 0; }
QScrollBar::handle { background: @line; border-radius: 4px; margin: 1px; }
QScrollBar::handle:hover { background: @muted; }
QScrollBar::handle:vertical { min-height: 24px; }
QScrollBar::handle:horizontal { min-width: 24px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QProgressBar {
  background: @field; border: 0; border-radius: 3px; max-height: 6px; min-height: 6px;
}
QProgressBar::chunk { background: @accent; border-radius: 3px; }
QSlider::groove:horizontal { height: 3px; background: @line; border-radius: 1px; }
QSlider::handle:horizontal {
  background: @text; width: 12px; height: 12px; margin: -5px 0; border-radius: 6px;
}
QSlider::handle:horizontal:focus { background: @accent; }
QSplitter::handle { background: @deep; }
QTableView {
  background: @base; alternate-background-color: @field; color: @text; border: 0;
  selection-background-color: @hover; gridline-color: @line;
}

QHeaderView { background: @raised; border: 0; }
QHeaderView::section {
  background: @raised; color: @muted; border: 0; border-right: 1px solid @line; padding: 4px 5px;
}
QPushButton[picked="true"] { border-color: @good; color: @good; font-weight: 600; }
QMenu { background: @raised; color: @text; border: 1px solid @line; padding: 4px; }
QMenu::item { padding: 5px 22px 5px 14px; border-radius: 3px; }
QMenu::item:selected { background: @accent; color: @on_accent; }
QMenu::item:disabled { color: @muted; }
QMenu::separator { height: 1px; background: @line; margin: 4px 6px; }
QTextBrowser { background: @field; color: @text; border: 1px solid @line; border-radius: 4px; }
"""
