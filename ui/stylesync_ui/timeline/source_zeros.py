"""Where the files of the open timeline's clips begin, in media time."""

from __future__ import annotations

from fractions import Fraction

from stylesync_plugin.contract import DubError

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.engine.probes import KnownFacts
from stylesync_ui.timeline.document import ClipView, Document, source_zero


class SourceZeros:
    """Media time of each file's first frame; a clip's own start while the file is not known."""

    def __init__(self, media: MediaCache) -> None:
        self._media = media
        self._document: Document | None = None
        self._known: dict[int, Fraction] = {}

    def open(self, document: Document) -> None:
        """Other clips from now on."""
        self._document = document
        self._known.clear()

    def of(self, clip: ClipView) -> Fraction:
        known = self._known.get(id(clip))
        if known is not None:
            return known
        if self._document is None or clip.path is None or not self._media.is_known(clip.path):
            return clip.media(clip.span.start)
        layout, folders = self._document.content.layout, self._document.folders
        try:
            zero = source_zero(clip, layout, folders, KnownFacts(self._media))
        except DubError:
            zero = clip.media(clip.span.start)
        self._known[id(clip)] = zero
        return zero
