"""What the panel's tests share: real clips, a timeline of them, the panel, and hands on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
from places import DATA
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget

SPEAKERS = DATA / "speakers/s30"

needs_speakers = pytest.mark.skipif(
    not SPEAKERS.is_dir(), reason="needs the clips of ../shared/data/speakers"
)


def write_timeline(path: Path, clips: list[Path], frames: int = 74, tracks: int = 1) -> Path:
    """Clips with their sound, one after the other, from time code 01:00:00:00 on."""
    timeline = otio.schema.Timeline(path.stem)
    timeline.global_start_time = otio.opentime.RationalTime(90_000, 25)
    for name, kind in (("Picture", "Video"), ("Dialogue", "Audio")) * tracks:
        track = otio.schema.Track(name, kind=kind)
        for clip in clips:
            used = otio.opentime.TimeRange(
                otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(frames, 25)
            )
            reference = otio.schema.ExternalReference(str(clip))
            track.append(otio.schema.Clip(clip.stem, reference, used))
        timeline.tracks.append(track)
    otio.adapters.write_to_file(timeline, str(path))
    return path


def add_marker(path: Path, first: int, frames: int, data: dict[str, Any]) -> None:
    """A marker on the timeline, from a frame on, that says what to dub."""
    timeline = otio.adapters.read_from_file(str(path))
    start, length = (otio.opentime.RationalTime(value, 25) for value in (first, frames))
    marked = otio.opentime.TimeRange(start, length)
    marker = otio.schema.Marker(f"line {first}", marked, metadata={"stylesync": data})
    timeline.tracks.markers.append(marker)
    otio.adapters.write_to_file(timeline, str(path))


def write_clip(path: Path, colours: list[tuple[int, int, int]], rate: Fraction) -> str:
    """One picture of each colour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "bgr0"
        for colour in colours:
            picture = np.full((120, 160, 3), colour, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def wait(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Let the panel run until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        if condition():
            return
        time.sleep(0.003)
    raise AssertionError(f"In {seconds} s it did not come to pass: {what}")


def drag(
    widget: QWidget, start: QPoint, end: QPoint,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:  # fmt: skip
    """Press, move in steps, let go; a key may be held all the while."""
    QTest.mousePress(widget, Qt.MouseButton.LeftButton, held, start)
    for step in range(1, 6):
        at = start + (end - start) * (step / 5)
        event = QMouseEvent(
            QMouseEvent.Type.MouseMove, QPointF(at), QPointF(widget.mapToGlobal(at)),
            Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, held,
        )  # fmt: skip
        QApplication.sendEvent(widget, event)
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, held, end)


def click(widget: QWidget, at: QPoint | None = None) -> None:
    wait(widget.isVisible, "the button is shown", 10)
    assert widget.isEnabled()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or widget.rect().center())


def key(widget: QWidget, name: Any, *modifiers: Qt.KeyboardModifier) -> None:
    held = Qt.KeyboardModifier.NoModifier
    for modifier in modifiers:
        held |= modifier
    QTest.keyClick(widget, name, held)
    QApplication.processEvents()


def drop(widget: QWidget, path: Path) -> None:
    """Drag a file onto a widget and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(200, 60), copy, data, left, none)
    QApplication.sendEvent(widget, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(200, 60), copy, data, left, none))


def answer_file_dialog(path: Path) -> list[str]:
    """Type a path into the next file dialog and press Return; tells the titles it has seen."""
    seen: list[str] = []

    def fill() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QFileDialog):
            QTimer.singleShot(50, fill)
            return
        seen.append(dialog.windowTitle())
        field = dialog.findChild(QLineEdit)
        assert field is not None
        field.setText(str(path))
        QTest.keyClick(field, Qt.Key.Key_Return)

    QTimer.singleShot(50, fill)
    return seen


def place_on_strip(panel: Any, seconds: float, label: str) -> QPoint:
    """A point of the strip: a moment, on a track."""
    strip = panel.strip
    row = next(row for track, row in strip.track_rows() if track.label == label)
    return QPoint(round(strip.scale.x_of(seconds)) + 96, round(row.center().y()))


class Heartbeat:
    """How long the GUI thread takes for one turn: s on the wall, and s of its own work."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.works: list[float] = []
        self._last = (time.perf_counter(), time.thread_time())
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(2)

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.walls.append(now[0] - self._last[0])
        self.works.append(now[1] - self._last[1])
        self._last = now

    def stop(self) -> None:
        self._timer.stop()

    def assert_alive(self) -> None:
        """No turn of the GUI thread works for 50 ms, and none of a hundred takes as long at all:
        a busy machine may keep the thread waiting now and then."""
        assert len(self.walls) > 100
        assert max(self.works) < 0.05
        assert sorted(self.walls)[len(self.walls) * 99 // 100] < 0.05
