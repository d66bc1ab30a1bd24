"""Proxies in the panel: asked for once, one at a time, read frame by frame."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, Signal
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from stylesync_ui.engine.preview_folder import PreviewFolder
from stylesync_ui.engine.proxies import Proxies


class Link(QObject):
    """An engine that only notes what it is asked."""

    state_changed = Signal(str)
    state = "ready"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[dict[str, Any], Any]] = []

    def ask(self, method: str, params: dict[str, Any], listener: Any) -> str:
        assert method == "proxy"
        self.asked.append((params, listener))
        return "id"


def jpeg(level: int) -> bytes:
    image = QImage(16, 9, QImage.Format.Format_RGB32)
    image.fill(QColor(level, level, level))
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "JPG", 95)
    return bytes(data.data())


def test_frames_are_read_while_the_rest_is_made(qapp: QApplication, tmp_path: Path) -> None:
    link = Link()
    proxies = Proxies(link, PreviewFolder(tmp_path))  # type: ignore[arg-type]
    for _ in range(2):
        proxies.want("a.mov", 100, 104, 540)
    proxies.want("b.mov", 0, 9, 540)
    (params, hear), *others = link.asked
    assert (params["video"], params["frames"], others) == ("a.mov", "100:104", [])
    file, end = Path(params["output"]), 0
    file.parent.mkdir(parents=True)
    with file.open("wb") as pictures, file.with_suffix(".index").open("wb") as index:
        for level in (10, 90, 170):
            end += pictures.write(jpeg(level))
            index.write(struct.pack("<Q", end))
    assert proxies.place("a.mov", 100, 540) is None
    hear({"event": "progress", "done": 3, "total": 4})
    levels = [proxies.place("a.mov", n, 540).read().pixelColor(8, 4).red() for n in (100, 101, 102)]
    assert all(abs(a - b) <= 2 for a, b in zip(levels, (10, 90, 170), strict=True))
    assert proxies.place("a.mov", 103, 540) is None
    assert proxies.place("a.mov", 101, 360) is None
    hear({"event": "result"})
    assert [asked["video"] for asked, _ in link.asked] == ["a.mov", "b.mov"]


def test_a_full_disk_leaves_single_pictures(qapp: QApplication, tmp_path: Path) -> None:
    link = Link()
    proxies = Proxies(link, PreviewFolder(tmp_path))  # type: ignore[arg-type]
    proxies.want("a.mov", 0, 4, 540)
    link.asked[0][1]({"event": "error", "message": "The disk is full."})
    proxies.want("a.mov", 0, 4, 540)
    assert len(link.asked) == 1
    assert proxies.place("a.mov", 0, 540) is None
