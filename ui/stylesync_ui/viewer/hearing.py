"""What sounds: the timeline as it is, or with a dub that is compared and not on it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from stylesync_plugin.timeline.items import SOUND, remembered
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.timeline.document import ClipView, Content, TrackView
from stylesync_ui.timeline.dubbed_piece import DubbedPiece
from stylesync_ui.viewer.sound_output import RATE, SoundSegment

LOWERED = 0.1  # -20 dB


@dataclass(frozen=True, slots=True)
class HeardLine:
    """A line that waits to be dubbed: within its `span`, second `first` of a sound file is heard at
    `at`, and the file up to its second `last`, where that is not its end. Without a `file`, which
    is being made, the line is silent."""

    file: str
    span: Span
    at: Fraction
    first: Fraction = Fraction(0)
    last: Fraction | None = None


class Hearing:
    """Makes segments of clips and dubs; `zero_of` is the media time of a file's first frame."""

    def __init__(self, media: MediaCache, zero_of: Callable[[ClipView], Fraction]) -> None:
        self.media, self.zero_of = media, zero_of

    def before(self, content: Content, line: HeardLine | None, within: Span) -> list[SoundSegment]:
        """The timeline without our dubs: what we have turned down is heard again.

        A `line` that waits is heard instead of what lies under it: silence until its sound is here.
        """
        taken = [line.span] if line is not None else []
        tracks = [track for track in content.of_kind("Audio") if not track.is_ours]
        clips = [clip for track in tracks for clip in _clips(track, within)]
        heard = [c for c in clips if c.placed.enabled or _turned(c)]
        found = [s for clip in heard for s in self._of_clip(clip, within, taken, 1.0)]
        return found + (self._line(line) if line is not None and line.span.meet(within) else [])

    def after(
        self, content: Content, beside: Sequence[DubbedPiece], within: Span
    ) -> list[SoundSegment]:
        """What the file holds; under dubs that lie beside the timeline, their speech instead.

        Of several that overlap, the last one counts.
        """
        taken: list[Span] = []
        found: list[SoundSegment] = []
        for piece in reversed(beside):
            seen = piece.span.meet(within)
            for part in _without([seen] if seen else [], taken):
                found += self._speech(piece, part)
            taken += [seen] if seen else []
        for track in content.of_kind("Audio"):
            for clip in _clips(track, within):
                if clip.placed.enabled:
                    gain = LOWERED if _turned(clip) else 1.0
                    found += self._of_clip(clip, within, taken, gain)
        return found

    def _line(self, line: HeardLine) -> list[SoundSegment]:
        """What of the sound lies within the line's span."""
        playable = self.media.playable(line.file) if line.file else None
        start = max(line.at, line.span.start)
        end = line.span.end
        if line.last is not None:
            end = min(end, line.at + line.last - line.first)
        if playable is None or start >= end:
            return []
        first = round((line.first + start - line.at) * RATE)
        return [SoundSegment(playable, float(start), float(end), first)]

    def _speech(self, piece: DubbedPiece, part: Span) -> list[SoundSegment]:
        file = self.media.playable(piece.speech) if piece.speech else None
        facts = self.media.sound(piece.speech) if piece.speech else None
        if file is None or facts is None:
            return []
        within = piece.offset + part.start - piece.span.start
        first = float(within) + piece.speech_first / facts.sample_rate
        return [SoundSegment(file, float(part.start), float(part.end), round(first * RATE))]

    def _of_clip(
        self, clip: ClipView, within: Span, without: Sequence[Span], gain: float
    ) -> list[SoundSegment]:
        if clip.path is None or clip.media.scale != 1:
            return []
        file = self.media.playable(clip.path)
        if file is None:
            return []
        zero = self.zero_of(clip)
        return [
            SoundSegment(
                file, float(p.start), float(p.end),
                round(float(clip.media(p.start) - zero) * RATE), gain,
            )
            for p in _without([clip.span.meet(within)], without)
        ]  # fmt: skip


def _clips(track: TrackView, within: Span) -> Iterable[ClipView]:
    return track.within(float(within.start), float(within.end))


def _turned(clip: ClipView) -> bool:
    """Whether a dub of ours has turned this part down."""
    return "place" in remembered(clip.placed.clip, SOUND)


def _without(parts: Sequence[Span], spans: Sequence[Span]) -> list[Span]:
    left = list(parts)
    for span in spans:
        left = [rest for part in left for rest in part.without(span)]
    return left
