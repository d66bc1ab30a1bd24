# ruff: noqa: N802  (Qt calls these by its own names)
"""The picture: the shot with its faces outlined, or before and after in one of five ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from stylesync_ui.look import theme

Mode = Literal["before", "after", "wipe", "side", "difference"]
NAMES = ("", "")
"""Before and after, unless two takes are compared."""


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A found face, in px of the source picture; `chosen` is the one that will be dubbed."""

    left: float
    top: float
    right: float
    bottom: float
    chosen: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class ViewerCanvas(QWidget):
    """Shows what it is given; says which face was clicked. Where it `can_pan`, a drag asks for that
    by shares of the picture, and the wheel to come nearer. `names` are those of both sides."""

    face_chosen = Signal(float, float)
    wiped = Signal(float)
    panned = Signal(float, float)
    magnified = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.before: QImage | None = None
        self.after: QImage | None = None
        self.mode: Mode = "before"
        self.size_px = (0, 0)
        self.faces: tuple[FaceBox, ...] = ()
        self.message = ""
        self.detail = ""
        self.split = 0.5
        self.names = NAMES
        self.can_pan = False
        self._dragging = False
        self._panning: QPointF | None = None
        self._hovered = -1
        self._difference: tuple[int, int, QImage] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 150)
        self.setAccessibleName(self.tr("Viewer"))
        self.setAccessibleDescription(
            self.tr("The shot at the playhead. F goes through the faces, Return chooses one.")
        )

    def show_pictures(
        self, before: QImage | None, after: QImage | None, size: tuple[int, int]
    ) -> None:
        """`size` is that of the source picture, in which faces are counted."""
        if before is None or before is not self.before:
            self._difference = None
        self.before, self.after, self.size_px = before, after, size
        self.update()

    def show_faces(self, faces: tuple[FaceBox, ...]) -> None:
        if faces != self.faces:
            self.faces, self._hovered = faces, -1
            self.update()

    def show_message(self, message: str, detail: str = "") -> None:
        if (message, detail) != (self.message, self.detail):
            self.message, self.detail = message, detail
            self.update()

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode
        self.update()

    def set_split(self, split: float) -> None:
        self.split = min(1.0, max(0.0, split))
        self.wiped.emit(self.split)
        self.update()

    # Geometry

    def picture_rect(self, area: QRectF | None = None) -> QRectF:
        """Where the picture lies: as large as fits, centred."""
        room = area if area is not None else QRectF(self.rect())
        width, height = self.size_px
        if not width or not height:
            return room
        scale = min(room.width() / width, room.height() / height)
        drawn = QRectF(0, 0, width * scale, height * scale)
        drawn.moveCenter(room.center())
        return drawn

    def _face_rect(self, face: FaceBox) -> QRectF:
        rect = self.picture_rect()
        scale = rect.width() / max(1, self.size_px[0])
        corner = QPointF(rect.left() + face.left * scale, rect.top() + face.top * scale)
        return QRectF(
            corner.x(),
            corner.y(),
            (face.right - face.left) * scale,
            (face.bottom - face.top) * scale,
        )

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#121315"))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.before is None and self.after is None:
            self._paint_message(painter)
        else:
            self._paint_pictures(painter)
            if self.message:
                self._paint_note(painter)
        if self.hasFocus():
            painter.setPen(QPen(theme.current().accent, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_pictures(self, painter: QPainter) -> None:
        rect = self.picture_rect()
        before, after = self.before or self.after, self.after
        if self.mode == "before" or after is None or before is None:
            painter.drawImage(rect, before) if before is not None else None
            self._paint_faces(painter)
        elif self.mode == "after":
            painter.drawImage(rect, after)
            self._tag(painter, self._name(1), rect.topLeft() + QPointF(10, 10))
        elif self.mode == "side":
            self._paint_side(painter, before, after)
        elif self.mode == "difference":
            painter.drawImage(rect, self._difference_of(before, after))
            self._tag(painter, self.tr("Difference × 4"), rect.topLeft() + QPointF(10, 10))
        else:
            self._paint_wipe(painter, rect, before, after)

    def _paint_side(self, painter: QPainter, before: QImage, after: QImage) -> None:
        whole = QRectF(self.rect())
        half = whole.width() / 2
        sides = ((before, self._name(0), 0.0), (after, self._name(1), half + 1))
        for image, name, left in sides:
            rect = self.picture_rect(QRectF(left, 0, half - 1, whole.height()))
            painter.drawImage(rect, image)
            self._tag(painter, name, rect.topLeft() + QPointF(10, 10))

    def _paint_wipe(self, painter: QPainter, rect: QRectF, before: QImage, after: QImage) -> None:
        x = rect.left() + rect.width() * self.split
        painter.drawImage(rect, after)
        share = (x - rect.left()) / rect.width()
        left = QRectF(rect.left(), rect.top(), x - rect.left(), rect.height())
        painter.drawImage(left, before, QRectF(0, 0, before.width() * share, before.height()))
        painter.setPen(QPen(QColor(255, 255, 255, 230), 1.5))
        painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()))
        painter.setBrush(QColor(255, 255, 255, 230))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QPointF(x, rect.center().y()), 7, 7)
        painter.setPen(QPen(QColor("#202124"), 1.4))
        for side in (-1, 1):
            tip = QPointF(x + 4.6 * side, rect.center().y())
            painter.drawLine(tip, tip + QPointF(-2.4 * side, -2.4))
            painter.drawLine(tip, tip + QPointF(-2.4 * side, 2.4))
        if self.split > 0.12:
            self._tag(painter, self._name(0), rect.topLeft() + QPointF(10, 10))
        if self.split < 0.88:
            name = self._name(1)
            width = QFontMetricsF(theme.ui_font(11)).horizontalAdvance(name) + 16
            self._tag(painter, name, rect.topRight() + QPointF(-10 - width, 10))

    def _name(self, side: int) -> str:
        return self.names[side] or (self.tr("Before"), self.tr("After"))[side]

    def _difference_of(self, before: QImage, after: QImage) -> QImage:
        """|before - after| times 4, kept until a picture changes."""
        key = before.cacheKey(), after.cacheKey()
        if self._difference is None or self._difference[:2] != key:
            image = before.convertToFormat(QImage.Format.Format_RGB32)
            if after.size() != image.size():
                after = after.scaled(image.size())
            painter = QPainter(image)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
            painter.drawImage(0, 0, after)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
            for _ in range(2):
                painter.drawImage(0, 0, image.copy())
            painter.end()
            self._difference = (*key, image)
        return self._difference[2]

    def _paint_faces(self, painter: QPainter) -> None:
        for number, face in enumerate(self.faces):
            rect = self._face_rect(face)
            hovered = number == self._hovered
            colour = theme.current().dub if face.chosen else QColor(255, 255, 255)
            colour = QColor(colour)
            colour.setAlpha(255 if face.chosen or hovered else 170)
            self._corners(painter, rect, QPen(colour, 2.5 if hovered else 2))
            if face.chosen:
                self._tag(painter, self.tr("Speaker"), rect.bottomLeft() + QPointF(0, 6))
            elif hovered:
                self._tag(painter, self.tr("Dub this person"), rect.bottomLeft() + QPointF(0, 6))

    def _corners(self, painter: QPainter, rect: QRectF, pen: QPen) -> None:
        painter.setPen(pen)
        length = min(rect.width(), rect.height()) * 0.22
        for corner, dx, dy in (
            (rect.topLeft(), 1, 1), (rect.topRight(), -1, 1),
            (rect.bottomLeft(), 1, -1), (rect.bottomRight(), -1, -1),
        ):  # fmt: skip
            painter.drawLine(corner, corner + QPointF(length * dx, 0))
            painter.drawLine(corner, corner + QPointF(0, length * dy))

    def _tag(self, painter: QPainter, text: str, at: QPointF) -> None:
        font = theme.ui_font(11)
        painter.setFont(font)
        width = QFontMetricsF(font).horizontalAdvance(text) + 16
        at = QPointF(min(at.x(), self.width() - width - 4), min(at.y(), self.height() - 24))
        box = QRectF(at.x(), at.y(), width, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 165))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_message(self, painter: QPainter) -> None:
        colours = theme.current()
        painter.setPen(colours.muted)
        painter.setFont(theme.ui_font(14))
        area = QRectF(self.rect()).adjusted(24, 0, -24, -24)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(area, int(flags), self.message)
        if self.detail:
            painter.setFont(theme.ui_font(12))
            lower = QRectF(area.left(), area.center().y() + 16, area.width(), 60)
            flags = (
                Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            )
            painter.drawText(lower, int(flags), self.detail)

    def _paint_note(self, painter: QPainter) -> None:
        rect = self.picture_rect()
        self._tag(painter, self.message, rect.bottomLeft() + QPointF(10, -30))

    # Mouse and keys

    def _face_at(self, at: QPointF) -> int:
        if self.mode not in ("before",) and self.after is not None:
            return -1
        hits = [i for i, face in enumerate(self.faces) if self._face_rect(face).contains(at)]
        return min(hits, key=lambda i: self._face_rect(self.faces[i]).width(), default=-1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._panning is not None:
            self._pan(event.position())
            return
        if self._dragging:
            rect = self.picture_rect()
            self.set_split((event.position().x() - rect.left()) / max(1.0, rect.width()))
            return
        hovered = self._face_at(event.position())
        if hovered != self._hovered:
            self._hovered = hovered
            self.update()
        hand = hovered >= 0
        shape = Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor
        if self.mode == "wipe" and self.after is not None:
            shape = Qt.CursorShape.SizeHorCursor
        elif self.can_pan:
            shape = Qt.CursorShape.OpenHandCursor
        self.setCursor(shape)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus()
        middle = event.button() == Qt.MouseButton.MiddleButton
        if self.can_pan and (middle or self.mode != "wipe"):
            self._panning = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self.mode == "wipe" and self.after is not None:
            self._dragging = True
            self.mouseMoveEvent(event)
            return
        face = self._face_at(event.position())
        if face >= 0:
            self.face_chosen.emit(*self.faces[face].centre)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging, self._panning = False, None

    def _pan(self, at: QPointF) -> None:
        """What is held stays under the mouse."""
        from_, self._panning = self._panning or at, at
        half = QRectF(0, 0, self.width() / 2 - 1, self.height())
        shown = self.picture_rect(half) if self.mode == "side" else self.picture_rect()
        moved = from_ - at
        self.panned.emit(moved.x() / max(1.0, shown.width()), moved.y() / max(1.0, shown.height()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.can_pan:
            self.magnified.emit(1.0015 ** event.angleDelta().y())
            event.accept()
        else:
            super().wheelEvent(event)

    def next_face(self) -> None:
        if self.faces:
            self._hovered = (self._hovered + 1) % len(self.faces)
            self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._hovered >= 0:
            self.face_chosen.emit(*self.faces[self._hovered].centre)
        else:
            super().keyPressEvent(event)
