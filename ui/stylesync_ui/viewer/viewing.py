# ruff: noqa: S101  (asserts that tell the type checker)
"""Which pictures the viewer shows at a moment, and which come next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from PySide6.QtCore import QCoreApplication, QRectF
from PySide6.QtGui import QImage
from stylesync_plugin.timeline.sources import PictureFacts
from stylesync_plugin.times import Span

from stylesync_ui.engine import request_queue
from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.timeline.document import ClipView, Content
from stylesync_ui.timeline.dubbed_piece import DubbedPiece
from stylesync_ui.viewer.canvas import FaceBox
from stylesync_ui.viewer.hearing import HeardLine, Hearing
from stylesync_ui.viewer.sound_output import SoundSegment
from stylesync_ui.viewer.viewer import Viewer
from stylesync_ui.viewer.zoom import MouthZoom, cropped

AHEAD = 36


class Viewing:
    """Finds before and after.

    `face` is the file and the point of the one that is dubbed. `pieces` are dubs, those on the
    timeline last; `growing` are the outputs of those that are still being rendered, and `watched`
    is that of the take that somebody wants to see, `against` that of another one beside which it is
    shown in the original's place. `line` is to be dubbed: it is heard before that.
    """

    def __init__(
        self, viewer: Viewer, media: MediaCache, zero_of: Callable[[ClipView], Fraction]
    ) -> None:
        self.viewer, self.media, self.zero_of = viewer, media, zero_of
        self.height = 540
        self.zoom = MouthZoom(media)
        self.face: tuple[str, float, float] | None = None
        self.pieces: list[DubbedPiece] = []
        self.growing: set[str] = set()
        self.watched, self.against = "", ""
        self.line: HeardLine | None = None
        self.hearing = Hearing(media, zero_of)
        self._seen: tuple[str, Span] | None = None
        self._seen_dub, self._seen_other = "", ""

    def show(self, content: Content, position: Fraction, playing: bool) -> None:
        """Bring the viewer to a moment.

        A picture stays until the next is here, but never under another clip or dub, and where the
        playhead stands still it says that it waits.
        """
        clip = content.shown_at(position)
        piece = self.piece_at(position)
        self.viewer.allow_comparing(piece is not None)
        if clip is None or clip.path is None:
            self._blank(_nothing(clip), clip.trouble if clip else "")
            self.viewer.info.setText("")
            return
        facts = self.media.picture(clip.path)
        self.viewer.info.setText(_described(clip, facts))
        before, late = self._before(clip, position), False
        if facts is not None and before is None and self._seen == (clip.path, clip.span):
            before, late = self._kept(clip, position), not playing
        if facts is None or before is None:
            self._wait(clip, position)
            return
        self._seen = (clip.path, clip.span)
        self._want_proxy(clip, facts)
        other = self._other(piece, position)
        if other is not None:
            before = self._after(other, position) or self._kept_of(other)
            if before is None:
                self._blank(_tr("Loading the picture…"))
                return
        self._seen_other = other.output if other is not None else ""
        after = self._after(piece, position) if piece is not None else None
        size, window = (facts.width, facts.height), self._window(clip, position, facts)
        if window is not None:
            size = round(size[0] * window.width()), round(size[1] * window.height())
            before, after = cropped(before, window) or before, cropped(after, window)
        self.viewer.canvas.size_px = size
        self._show_both(piece, before, after, late, playing)

    def _other(self, piece: DubbedPiece | None, position: Fraction) -> DubbedPiece | None:
        """The take that stands in the original's place."""
        if piece is None or self.viewer.canvas.mode in ("before", "after"):
            return None
        here = (p for p in self.pieces if p.span.start <= position < p.span.end)
        return next((p for p in here if p.output == self.against), None)

    def _window(self, clip: ClipView, position: Fraction, facts: PictureFacts) -> QRectF | None:
        """The part of the picture that is shown, None for all of it."""
        if not self.zoom.is_on or clip.path is None:
            return None
        zero = self.zero_of(clip)
        first, here, last = (
            clip.frame_at(moment, facts, zero)
            for moment in (clip.span.start, position, clip.span.end - Fraction(1, 1000))
        )
        size = facts.width, facts.height
        point = self.face[1:] if self.face is not None and self.face[0] == clip.path else None
        return self.zoom.window(clip.path, here, (first, last + 1), size, point)

    def _want_proxy(self, clip: ClipView, facts: PictureFacts) -> None:
        """What is looked at once is likely to be played."""
        if clip.path is None or not self.media.is_known(clip.path):
            return
        zero = self.zero_of(clip)
        first = clip.frame_at(clip.span.start, facts, zero)
        last = clip.frame_at(clip.span.end - Fraction(1, 1000), facts, zero)
        self.media.proxies.want(clip.path, first, last + 1, self.height)

    def _show_both(
        self, piece: DubbedPiece | None, before: QImage, after: QImage | None,
        late: bool, playing: bool,
    ) -> None:  # fmt: skip
        canvas = self.viewer.canvas
        if after is None and piece is not None and playing and self._seen_dub == piece.output:
            after = canvas.after
        self._seen_dub = piece.output if piece is not None and after is not None else ""
        wanting = piece is not None and after is None and canvas.mode != "before"
        said = _tr("Loading the picture…") if late else ""
        if wanting and piece is not None:
            growing = piece.output in self.growing
            said = _tr("This frame is not rendered yet") if growing else _tr("Loading the picture…")
            said = self.media.trouble(piece.output) or said
        canvas.show_message(said)
        canvas.show_pictures(before, after, canvas.size_px)

    def _kept(self, clip: ClipView, position: Fraction) -> QImage | None:
        """The last picture of this clip, where the next is on its way."""
        broken = self._is_broken(clip, position)
        return None if broken or self.zoom.is_on else self.viewer.canvas.before

    def _kept_of(self, other: DubbedPiece) -> QImage | None:
        """The last picture of the take that stands in the original's place."""
        here = self._seen_other == other.output and not self.zoom.is_on
        return self.viewer.canvas.before if here else None

    def _blank(self, message: str, detail: str = "") -> None:
        self._seen, self._seen_dub, self._seen_other = None, "", ""
        self.viewer.canvas.show_pictures(None, None, (0, 0))
        self.viewer.canvas.show_message(message, detail)

    def _wait(self, clip: ClipView, position: Fraction) -> None:
        """No picture of this clip can be shown yet, or none at all: say which."""
        assert clip.path is not None
        trouble = self.media.trouble(clip.path)
        text = _tr("The file cannot be read") if trouble else _tr("Loading the picture…")
        if not trouble and self._is_broken(clip, position):
            text = _tr("This picture cannot be shown")
            trouble = self.media.why_failed(clip.path)
        elif not trouble and self.media.link.state == "gone":
            text = _tr("Pictures come from the engine, which is offline")
        self._blank(text, trouble)

    def _is_broken(self, clip: ClipView, position: Fraction) -> bool:
        """Whether the engine has tried to read this picture, and could not."""
        facts = self.media.picture(clip.path) if clip.path else None
        if facts is None or clip.path is None:
            return False
        frame = clip.frame_at(position, facts, self.zero_of(clip))
        return self.media.has_failed(clip.path, frame, self.height)

    def _before(self, clip: ClipView, position: Fraction) -> QImage | None:
        assert clip.path is not None
        facts = self.media.picture(clip.path)
        if facts is None:
            return None
        frame = clip.frame_at(position, facts, self.zero_of(clip))
        return self.media.image(clip.path, frame, self.height, request_queue.VIEWER)

    def _after(self, piece: DubbedPiece, position: Fraction) -> QImage | None:
        if piece.output in self.growing:
            return self.media.rendered(piece.work, piece.frame_at(position), self.height)
        frame = self._frame_of(piece, position)
        if frame is None:
            return None
        return self.media.image(piece.output, frame, self.height, request_queue.VIEWER)

    def _frame_of(self, piece: DubbedPiece, position: Fraction) -> int | None:
        """The frame of a dub's file; one on the timeline is read as any other clip is."""
        if piece.clip is None:
            return piece.frame_at(position)
        facts = self.media.picture(piece.output)
        return piece.clip.frame_at(position, facts, self.zero_of(piece.clip)) if facts else None

    def piece_at(self, position: Fraction) -> DubbedPiece | None:
        """The dub at a moment: the take that is watched, else the one on the timeline."""
        found = [p for p in self._in_order() if p.span.start <= position < p.span.end]
        return found[-1] if found else None

    def _in_order(self) -> list[DubbedPiece]:
        return sorted(self.pieces, key=lambda piece: piece.output == self.watched)

    def prefetch(self, content: Content, position: Fraction, direction: int) -> None:
        """Ask for what will be shown next, a batch at a time."""
        moments = [position + direction * n / content.rate for n in range(AHEAD)]
        clip = content.shown_at(position)
        if clip is not None and clip.path is not None:
            facts = self.media.picture(clip.path)
            if facts is not None:
                zero = self.zero_of(clip)
                inside = [m for m in moments if clip.span.start <= m < clip.span.end]
                frames = [clip.frame_at(m, facts, zero) for m in inside]
                self._want(clip.path, frames)
        piece = self.piece_at(position)
        for dub in (piece, self._other(piece, position)):
            if dub is not None and dub.output not in self.growing:
                inside = [m for m in moments if dub.span.start <= m < dub.span.end]
                shown = [self._frame_of(dub, m) for m in inside]
                self._want(dub.output, [frame for frame in shown if frame is not None])

    def _want(self, path: str, frames: Sequence[int]) -> None:
        """Nothing is asked while half of what comes is here: small requests cost too much."""
        missing = [f for f in frames if not self.media.has_image(path, f, self.height)]
        if len(missing) * 2 > len(frames) or (frames and missing and missing[0] == frames[0]):
            self.media.want(path, missing, self.height, request_queue.VIEWER)

    # Faces

    def faces(
        self, content: Content, position: Fraction, chosen: tuple[str, float, float] | None
    ) -> tuple[FaceBox, ...]:
        """The faces on the frame at a moment; `chosen` is a file and a point in its picture."""
        place = self.source_at(content, position)
        if place is None:
            return ()
        path, frame = place
        found = self.media.survey(path, frame, frame + 1, 1)
        if not isinstance(found, dict) or not found["faces"]:
            return ()
        boxes = [FaceBox(*box) for box in found["faces"][0]["boxes"]]
        if chosen is None or chosen[0] != path or not boxes:
            return tuple(boxes)
        _, x, y = chosen
        near = min(boxes, key=lambda b: (b.centre[0] - x) ** 2 + (b.centre[1] - y) ** 2)
        return tuple(FaceBox(b.left, b.top, b.right, b.bottom, chosen=b is near) for b in boxes)

    def source_at(self, content: Content, position: Fraction) -> tuple[str, int] | None:
        """The file and frame shown at a moment, where they are known."""
        clip = content.shown_at(position)
        if clip is None or clip.path is None:
            return None
        facts = self.media.picture(clip.path)
        if facts is None:
            return None
        return clip.path, clip.frame_at(position, facts, self.zero_of(clip))

    # Sound

    def segments(self, content: Content, within: Span) -> list[SoundSegment]:
        """What sounds in a span at this way of comparing; a line that waits to be dubbed is heard
        first."""
        here = [piece for piece in self._in_order() if piece.span.meet(within)]
        placed = [piece.span for piece in here if piece.clip is not None]
        if self.viewer.canvas.mode == "before":
            line = self.line if self.line is not None and not _met(self.line.span, placed) else None
            return self.hearing.before(content, line, within)
        beside = [
            piece for piece in here if piece.clip is None
            and (piece.output == self.watched or not _met(piece.span, placed))
        ]  # fmt: skip
        return self.hearing.after(content, beside, within)


def _met(span: Span, others: Sequence[Span]) -> bool:
    return any(span.meet(other) for other in others)


def _described(clip: ClipView, facts: PictureFacts | None) -> str:
    name = clip.name or clip.path or ""
    if facts is None:
        return name
    return f"{name}  {facts.width}×{facts.height}  {float(facts.rate):g} fps"


def _nothing(clip: ClipView | None) -> str:
    return _tr("Nothing here") if clip is None else _tr("The media is missing")


def _tr(text: str) -> str:
    return QCoreApplication.translate("viewing", text)
