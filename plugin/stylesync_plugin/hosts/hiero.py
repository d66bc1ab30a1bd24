"""Nuke Studio and Hiero: track items of a sequence, video and audio tracks counted apart."""

from __future__ import annotations

from typing import ClassVar

from stylesync_engine.request import RequestError
from stylesync_plugin.hosts.strips import Scene, Strip, StripsFile, rate_of
from stylesync_plugin.times import exact_rate


class HieroItems(StripsFile):
    """The track items of a sequence, as the loader writes them."""

    __slots__ = ()
    name: ClassVar[str] = "Nuke Studio"
    channel: ClassVar[str] = "Track"
    marks: ClassVar[str] = "in and out points"
    lowers: ClassVar[bool] = False

    def check(self, strip: Strip, scene: Scene) -> None:
        rate = rate_of(scene)
        if strip["retimed"] or exact_rate(strip["fps"]) != rate:
            raise RequestError(
                f"'{strip['name']}' does not play frame for frame at the sequence's"
                f" {float(rate):g} fps; take the retime off, or dub a sequence of its own rate."
            )
