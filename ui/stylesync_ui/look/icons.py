# ruff: noqa: E501  (paths of vectors)
"""The panel's icons, drawn as vectors in the text's colour, sharp at any scale."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from stylesync_ui.look import theme

_FILLED = {
    "play": "M5 3.2v9.6L13 8z",
    "back": "M11 3.2v9.6L3 8z",
    "pause": "M4.5 3.5h2.6v9H4.5zM8.9 3.5h2.6v9H8.9z",
    "next": "M4 3.5v9L9.6 8zM10.4 3.5H12v9h-1.600z",
    "previous": "M12 3.500v9L6.400 8zM5.600 3.500H4v9h1.600z",
    "in": "M10.500 3H6v10h4.500v-1.600H7.700V4.600h2.800z",
    "out": "M5.500 3H10v10H5.500v-1.600h2.800V4.600H5.500z",
}
_DRAWN = {
    "open": "M2 12.500V4h4l1.500 1.800H14v6.700z",
    "save": "M3 3h8.200L13 4.800V13H3zM5.500 3v3.500h4.500V3M5 13V9.500h6V13",
    "undo": "M6 3.500L3 6.500l3 3M3.200 6.500h6a3.300 3.300 0 0 1 0 6.600H6.500",
    "redo": "M10 3.500l3 3-3 3M12.800 6.500h-6a3.300 3.300 0 0 0 0 6.600h2.700",
    "settings": "M3 4.500h6M12 4.500h1M3 8h1M7 8h6M3 11.500h5M11 11.500h2M10.500 3v3M5.500 6.500v3M9.500 10v3",
    "help": "M8 2.300a5.700 5.700 0 1 0 0 11.400A5.700 5.700 0 0 0 8 2.300zM6.300 6.300c.2-2.300 3.500-2.100 3.400-.1"
    "-.1 1.300-1.700 1.400-1.700 2.700M8 11.100v.4",
    "close": "M4 4l8 8M12 4l-8 8",
    "retry": "M12.700 6.600A5 5 0 1 0 13 9.200M13 3v3.700H9.300",
    "folder": "M2 12.500V4h4l1.500 1.800H14v6.700z",
    "track": "M2 10h12v3H2zM8 2.500v5M5.800 5.500L8 7.700l2.200-2.200",
    "untrack": "M2 10h12v3H2zM8 7.700v-5M5.800 4.900L8 2.700l2.200 2.200",
    "loop": "M4 6.500a2.500 2.500 0 0 1 2.500-2.500H13M11 2l2 2-2 2M12 9.500a2.500 2.500 0 0 1-2.500 2.500H3M5 14l-2-2 2-2",
    "sound": "M2.500 6.300h2.300L8 3.500v9L4.800 9.700H2.500zM10.500 5.700a3.200 3.200 0 0 1 0 4.600M12.200 4a5.600 5.600 0 0 1 0 8",
    "mute": "M2.500 6.300h2.300L8 3.500v9L4.800 9.700H2.500zM10.700 6.200l3.300 3.600M14 6.200l-3.300 3.600",
    "snap": "M4 3v5a4 4 0 0 0 8 0V3M4 5.500h2.500M9.500 5.500H12M6.500 3v5a1.500 1.500 0 0 0 3 0V3M4 3h2.500M9.500 3H12",
    "fit": "M2.500 4v8M13.500 4v8M4.800 8h6.400M6.600 6.200L4.800 8l1.800 1.800M9.400 6.200L11.200 8 9.400 9.800",
    "zoom": "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.500 3.500",
    "file": "M4 2.500h5L12 5.500v8H4zM9 2.500v3h3",
    "person": "M8 2.800a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5zM3.200 13.300c.3-5.300 9.300-5.300 9.600 0",
    "check": "M3.500 8.500l3 3 6-7",
    "warning": "M8 2.800L14 13H2zM8 6.600v3M8 11.200v.3",
    "add": "M8 3v10M3 8h10",
    "menu": "M2.500 4.500h11M2.500 8h11M2.500 11.500h11",
    "up": "M4 9.500L8 5.500l4 4",
    "down": "M4 6.500l4 4 4-4",
    "stop": "M4 4h8v8H4z",
}


def icon(name: str, colour: str = "") -> QIcon:
    """An icon of 16 px, in the theme's text colour unless another is given."""
    colours = theme.current()
    return _icon(name, colour or colours.text.name(), colours.faint.name())


@cache
def _icon(name: str, colour: str, faint: str) -> QIcon:
    found = QIcon()
    for scale in (1, 2, 3):
        found.addPixmap(pixmap(name, 16, scale, colour))
        found.addPixmap(pixmap(name, 16, scale, faint), QIcon.Mode.Disabled)
    return found


def pixmap(name: str, side: int, scale: float, colour: str) -> QPixmap:
    image = QPixmap(QSize(round(side * scale), round(side * scale)))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(_svg(name, colour).encode())).render(
        painter, QRectF(0, 0, side * scale, side * scale)
    )
    painter.end()
    image.setDevicePixelRatio(scale)
    return image


def _svg(name: str, colour: str) -> str:
    if name in _FILLED:
        drawn = f'<path d="{_FILLED[name]}" fill="{colour}"/>'
    else:
        drawn = (
            f'<path d="{_DRAWN[name]}" fill="none" stroke="{colour}" stroke-width="1.300" '
            'stroke-linecap="round" stroke-linejoin="round"/>'
        )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{drawn}</svg>'
