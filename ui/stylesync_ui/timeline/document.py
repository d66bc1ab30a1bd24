"""The open timeline as the panel shows it: tracks, clips, what lies where; edits with undo."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication
from stylesync_plugin.contract import DubError, MediaError
from stylesync_plugin.formats.files import WRITABLE, read_timeline, write_timeline
from stylesync_plugin.timeline.items import METADATA, remembered
from stylesync_plugin.timeline.layout import Layout, PlacedClip, lay_out
from stylesync_plugin.timeline.sources import EngineProbe, Library, PictureFacts, Probe
from stylesync_plugin.times import Mapping, Span
from stylesync_plugin.writing.write_back import remove

from stylesync_ui.timeline.markers import MarkerView, markers_of

UNDO_STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class ClipView:
    """One clip of the strip; `media` maps timeline seconds to media seconds.

    `path` is None where the media cannot be found, and `trouble` says why.
    """

    placed: PlacedClip
    span: Span
    name: str
    path: str | None
    trouble: str
    media: Mapping

    @property
    def is_picture(self) -> bool:
        return self.placed.kind == "Video" and self.placed.has_picture

    @property
    def description(self) -> str:
        """Its name, its file and what stands in the way of a dub, a line each."""
        lines = [self.name or self.placed.label, self.path or "", self.trouble]
        return "\n".join([*filter(None, lines), *self.placed.obstacles])

    def frame_at(self, moment: Fraction, facts: PictureFacts, zero: Fraction) -> int:
        """The source frame shown at a moment of the timeline, within the file."""
        inside = (self.media(moment) - zero) * facts.rate + Fraction(1, 10_000)
        return max(0, min(facts.frames - 1, inside.numerator // inside.denominator))


@dataclass(frozen=True, slots=True, eq=False)
class TrackView:
    """One track; clips in time order."""

    label: str
    name: str
    kind: str
    is_ours: bool
    clips: tuple[ClipView, ...]
    starts: tuple[Fraction, ...] = field(default=())

    def within(self, start: float, end: float) -> Iterable[ClipView]:
        """The clips that touch a stretch of time (s)."""
        first = max(0, bisect.bisect_right(self.starts, start) - 1)
        for clip in self.clips[first:]:
            if clip.span.start >= end:
                return
            if clip.span.end > start:
                yield clip

    def at(self, moment: Fraction | float) -> ClipView | None:
        index = bisect.bisect_right(self.starts, moment) - 1
        clip = self.clips[index] if index >= 0 else None
        return clip if clip is not None and moment < clip.span.end else None


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A timeline laid out for the strip, pictures from top to bottom, then sounds."""

    timeline: Any
    layout: Layout
    tracks: tuple[TrackView, ...]
    duration: Fraction
    edges: tuple[Fraction, ...]
    markers: tuple[MarkerView, ...] = ()

    @property
    def rate(self) -> Fraction:
        return self.layout.rate

    @property
    def zero(self) -> Fraction:
        return self.layout.zero

    def of_kind(self, kind: str) -> list[TrackView]:
        return [track for track in self.tracks if track.kind == kind]

    def shown_at(self, moment: Fraction, ours: bool = False) -> ClipView | None:
        """The topmost picture; our dubs only where they are asked for."""
        for track in self.of_kind("Video"):
            if track.is_ours and not ours:
                continue
            clip = track.at(moment)
            if clip is not None and clip.placed.enabled and clip.is_picture:
                return clip
        return None

    def edge_beside(self, moment: Fraction, direction: int) -> Fraction:
        """The neighbouring cut; the timeline's end or start where there is none."""
        if direction > 0:
            return next((edge for edge in self.edges if edge > moment), self.duration)
        earlier = (edge for edge in reversed(self.edges) if edge < moment)
        return next(earlier, Fraction(0))

    @property
    def missing(self) -> int:
        """How many media files cannot be found; picture and sound of a clip are one."""
        clips = [clip for track in self.tracks for clip in track.clips if clip.trouble]
        return len({getattr(c.placed.clip.media_reference, "target_url", c.name) for c in clips})


def open_content(path: Path, media_folders: Collection[Path] = ()) -> Content:
    """Read a timeline file; raises DubError. Slow: for a thread of its own."""
    return view(read_timeline(path), [path.absolute().parent, *media_folders])


def view(timeline: Any, folders: Collection[Path]) -> Content:
    """Lay a timeline out for the strip; raises RequestError."""
    layout = lay_out(timeline)
    library = Library(tuple(folders), _NoProbe())
    groups: dict[tuple[Any, ...], list[ClipView]] = {}
    for placed in layout.clips:
        if placed.root_span:
            key = (placed.path, placed.layer, placed.label)
            groups.setdefault(key, []).append(_clip_view(placed, library, layout))
    tracks = [_track_view(clips) for clips in groups.values()]
    pictures = [track for track in tracks if track.kind == "Video"]
    sounds = [track for track in tracks if track.kind != "Video"]
    spans = [clip.span for track in tracks for clip in track.clips]
    edges = sorted({moment for span in spans for moment in (span.start, span.end)})
    duration = max((span.end for span in spans), default=Fraction(0))
    tracks, markers = [*pictures[::-1], *sounds], markers_of(timeline, layout)
    return Content(timeline, layout, tuple(tracks), duration, tuple(edges), markers)


class _NoProbe(EngineProbe):
    """Finding files needs no look inside them."""


def _clip_view(placed: PlacedClip, library: Library, layout: Layout) -> ClipView:
    path, trouble = None, ""
    if placed.has_picture or placed.kind != "Video":
        try:
            path = library.find(placed.clip, layout.where(placed))
        except (DubError, OSError) as error:
            trouble = in_our_words(error)
    media = placed.to_root.inverse().then(placed.media)
    return ClipView(placed, placed.root_span, placed.clip.name, path, trouble, media)


def in_our_words(error: BaseException) -> str:
    """Where the panel has a control for what mends it, that is named."""
    ours = {
        "search": _tr("bring it back, or use Find missing media."),
        "consent": _tr("choose it here."),
        "deinterlace": _tr("choose Deinterlace under More."),
        "colour_space": _tr("choose its Colours under More."),
    }
    found = ours.get(getattr(error, "field", None) or "")
    return f"{str(error).partition(';')[0]}; {found}" if found else str(error)


def _tr(text: str) -> str:
    return QCoreApplication.translate("document", text)


def _track_view(clips: list[ClipView]) -> TrackView:
    ordered = tuple(sorted(clips, key=lambda clip: clip.span.start))
    first = ordered[0].placed
    ours = all(clip.placed.is_ours for clip in ordered)
    starts = tuple(clip.span.start for clip in ordered)
    return TrackView(first.label, first.track_name, first.kind, ours, ordered, starts)


def source_zero(
    clip: ClipView, layout: Layout, folders: Collection[Path], probe: Probe
) -> Fraction:
    """Media time of the file's first frame; where that is in doubt, the clip's own start."""
    try:
        library = Library(tuple(folders), probe)
        return library.source_of(clip.placed.clip, layout.where(clip.placed)).zero
    except MediaError:
        return clip.media(clip.span.start)


class Document:
    """The timeline file that is open, with its history.

    `wish` is what the editor has chosen for the next dub, and `lines` are the session's: a state is
    all three, and undo brings all back. `project` is the same for a timeline and its saved copies.
    """

    def __init__(self, path: Path, content: Content, media_folders: Collection[Path] = ()) -> None:
        self.path = path
        self.content = content
        self.media_folders = tuple(media_folders)
        kept = remembered(content.timeline, METADATA)
        self.project = str(kept.get("project") or path.absolute())
        ours = kept.get("saved_as") == path.name
        self.saved_as: Path | None = path if ours else None
        self.wish: Any = None
        self.lines: Any = None
        self._saved = content
        self._before: list[tuple[Content, Any, Any]] = []
        self._after: list[tuple[Content, Any, Any]] = []

    @property
    def is_changed(self) -> bool:
        """Whether the timeline differs from its file; choices for the next dub do not count."""
        return self.content is not self._saved

    def forget_changes(self) -> None:
        """The timeline as it is now need not be saved."""
        self._saved = self.content

    def replace(self, content: Content) -> None:
        """The same timeline laid out anew, as its media were found."""
        self._saved = content if not self.is_changed else self._saved
        self.content = content

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where media are looked for."""
        return (self.path.absolute().parent, *self.media_folders)

    @property
    def media_folder(self) -> Path:
        """Where dubs go: the same folder that the command line takes."""
        return dubs_of(self.path, self.project)

    @property
    def target(self) -> Path:
        """Where the dubbed timeline is saved unless somebody says otherwise."""
        if self.saved_as is not None:
            return self.saved_as
        return self.path.with_name(f"{self.path.stem}.dubbed.otio")

    def change(self, content: Content) -> None:
        self.remember()
        self.content = content

    def choose(self, wish: Any, joined: bool) -> None:
        """Other choices for the next dub; `joined` are one step with the ones before."""
        if not joined:
            self.remember()
        self.wish = wish

    def remember(self) -> None:
        """What comes is a step that can be undone."""
        self._before = [*self._before, (self.content, self.wish, self.lines)][-UNDO_STEPS:]
        self._after = []

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def undo(self) -> None:
        self._after.append((self.content, self.wish, self.lines))
        self.content, self.wish, self.lines = self._before.pop()

    def redo(self) -> None:
        self._before.append((self.content, self.wish, self.lines))
        self.content, self.wish, self.lines = self._after.pop()

    def without(self, content: Content, ids: Collection[str]) -> Content:
        """A content without these dubs. Slow: for a thread of its own."""
        return view(remove(content.timeline, ids), self.folders)

    def save(self, path: Path) -> None:
        """Write the timeline, over none but a file that was saved so; raises RequestError and
        DiskError."""
        if path.absolute() == self.path.absolute() and self.saved_as != self.path:
            path = path.with_name(f"{path.stem}.dubbed.otio")
        timeline = self.content.timeline
        kept = {**remembered(timeline, METADATA), "project": self.project, "saved_as": path.name}
        timeline.metadata[METADATA] = kept
        write_timeline(timeline, path)
        self.saved_as, self._saved = path, self.content


def home_of(path: Path, project: str) -> Path:
    """The file after which dubs and lines are named: the project's own, where it lies in the same
    folder as its copy."""
    path, home = path.absolute(), Path(project)
    return home if home.parent == path.parent and home.name else path


def dubs_of(path: Path, project: str) -> Path:
    """The folder for the dubs of a timeline and its copies."""
    home = home_of(path, project)
    return home.with_name(f"{home.stem}.dubbed.stylesync")


SAVE_SUFFIXES = WRITABLE
