"""Blender's video sequencer: one numbering of channels for pictures and sound, counted from 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from stylesync_engine.request import RequestError
from stylesync_plugin.hosts.strips import Edit, Scene, Strip, StripsFile, origin_of, rate_of
from stylesync_plugin.times import exact_rate


class BlenderStrips(StripsFile):
    """The strips of a scene, as the extension writes them."""

    __slots__ = ()
    name: ClassVar[str] = "Blender"
    channel: ClassVar[str] = "Channel"
    marks: ClassVar[str] = "preview range"

    def check(self, strip: Strip, scene: Scene) -> None:
        name, rate = strip["name"], rate_of(scene)
        if strip["retimed"] or exact_rate(strip["fps"]) != rate:
            raise RequestError(
                f"'{name}' does not play frame for frame at the scene's {float(rate):g} fps;"
                " set the scene's frame rate to that of the media and take the retiming off."
            )
        if strip["feeds"]:
            raise RequestError(
                f"The effect '{strip['feeds']}' takes its picture from '{name}' and would hide the"
                " dub; dub first, then add the effect."
            )

    def edit(self, scene: Scene) -> Edit:
        return _Rooms(scene["strips"], origin_of(scene), rate_of(scene))


@dataclass(slots=True)
class _Rooms(Edit):
    """Dubs lie right above their original, so that titles stay on top.

    `rooms` are channels from which on everything first moves up by one.
    """

    rooms: list[int] = field(default_factory=list)

    def new_channel(self, kind: str, below: int) -> int:
        """Sound goes to the very top."""
        used = {self.moved(strip["channel"]) for strip in self.strips}
        used |= {strip["channel"] for strip in self.added}
        if kind == "SOUND":
            return max(used, default=0) + 1
        channel = self.moved(below) + 1
        while any(strip["channel"] == channel for strip in self.added):
            channel += 1
        if channel in used:
            self.rooms.append(channel)
        return channel

    def moved(self, channel: int) -> int:
        for room in self.rooms:
            channel += channel >= room
        return channel

    def to_dict(self) -> dict[str, Any]:
        return {**Edit.to_dict(self), "rooms": self.rooms}
