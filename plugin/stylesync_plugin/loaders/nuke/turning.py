"""The shot's own sound under a dub: off, or on again."""

from __future__ import annotations

import hiero.core

from .reading import SOUND


def turn(track, item, parts: list) -> None:
    """Cut an audio item into these parts, on or off; the first stays the item."""
    first = item.sourceIn() - item.timelineIn()
    for tag in [found for found in item.tags() if found.name() == SOUND]:
        item.removeTag(tag)
    items = [item, *(item.copy() for _ in parts[1:])]
    for part, piece in zip(parts, items, strict=True):
        start, last = part["start"], part["end"] - 1
        piece.setTimes(start, last, first + start, first + last)
        piece.setEnabled(part["level"] != "off")
        if part["record"]:
            tag = hiero.core.Tag(SOUND)
            tag.setNote(part["record"])
            piece.addTag(tag)
        if piece is not item:
            track.addTrackItem(piece)
