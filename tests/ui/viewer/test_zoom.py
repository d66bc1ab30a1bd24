"""The window around the mouth: where it lies, how it follows, what it shows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage
from stylesync_ui.viewer.zoom import MouthZoom, cropped

SIZE = (1000, 500)


def zoom(faces: list[tuple[int, list[list[float]]]]) -> MouthZoom:
    told = {"faces": [{"frame": frame, "boxes": boxes} for frame, boxes in faces], "cuts": []}

    def survey(path: str, start: int, end: int, samples: int) -> Any:
        return told if samples > 1 else {"faces": [], "cuts": []}

    return MouthZoom(SimpleNamespace(survey=survey))  # type: ignore[arg-type]


def test_it_follows_the_face_between_the_frames_where_it_was_found() -> None:
    seen = zoom([(0, [[100, 100, 200, 240]]), (10, [[200, 100, 300, 240]])])
    centres = [
        seen.window("a.mov", frame, (0, 20), SIZE, None).center().x() * SIZE[0]
        for frame in (0, 5, 10, 15)
    ]
    assert centres == pytest.approx([150, 200, 250, 250])


def test_it_shows_the_mouth_of_the_chosen_face_within_the_picture() -> None:
    two = zoom([(0, [[0, 380, 100, 500], [600, 100, 800, 360]])])
    large = two.window("a.mov", 0, (0, 9), SIZE, None)
    assert large.center().x() * SIZE[0] == pytest.approx(700)
    assert large.contains(QRectF(0.69, (100 + 0.74 * 260) / 500, 0.02, 0.02))
    corner = two.window("a.mov", 0, (0, 9), SIZE, (50, 440))
    assert corner.bottom() <= 1
    assert corner.left() >= 0


def test_without_a_face_the_whole_picture_stays() -> None:
    assert zoom([]).window("a.mov", 0, (0, 9), SIZE, None) is None
    image = QImage(8, 4, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    image.setPixelColor(6, 3, QColor("blue"))
    assert cropped(image, None) is image
    part = cropped(image, QRectF(0.5, 0.5, 0.5, 0.5))
    assert (part.width(), part.height()) == (4, 2)
    assert part.pixelColor(2, 1) == QColor("blue")


def test_it_is_moved_and_magnified_within_the_picture() -> None:
    seen = zoom([(0, [[400, 200, 500, 340]])])
    first = seen.window("a.mov", 0, (0, 9), SIZE, None)
    seen.pan(0.5, 0.0)
    moved = seen.window("a.mov", 0, (0, 9), SIZE, None)
    assert moved.left() - first.left() == pytest.approx(first.width() / 2)
    seen.magnify(2)
    near = seen.window("a.mov", 0, (0, 9), SIZE, None)
    assert near.width() == pytest.approx(first.width() / 2)
    assert near.center().x() == pytest.approx(moved.center().x())
    for _ in range(30):
        seen.pan(1, 1)
    last = seen.window("a.mov", 0, (0, 9), SIZE, None)
    assert (last.right(), last.bottom()) == (pytest.approx(1), pytest.approx(1))
    seen.look_at_mouth()
    assert seen.window("a.mov", 0, (0, 9), SIZE, None) == first
