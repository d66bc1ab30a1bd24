"""New strips from plain data, with the looks of their originals."""

from __future__ import annotations

from . import turning

LIKE = ("blend_type", "blend_alpha", "alpha_mode", "use_flip_x", "use_flip_y", "color_multiply",
        "color_saturation", "strobe", "use_deinterlace", "mute")  # fmt: skip
PLACES = {
    "transform": ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin", "filter"),
    "crop": ("min_x", "max_x", "min_y", "max_y"),
    "colorspace_settings": ("name",),
}


def apply(scene, edit: dict) -> None:
    """Take out and put in what an edit says; `rooms` are channels that move up first."""
    editor = scene.sequence_editor
    for name in edit["remove"]:
        editor.strips.remove(editor.strips[name])
    for turned in edit.get("sounds", ()):
        turning.turn(editor.strips[turned["id"]], turned["parts"])
    for room in edit["rooms"]:
        for strip in sorted(editor.strips, key=lambda s: -s.channel):
            strip.channel += strip.channel >= room
    for new in edit["add"]:
        _copy_looks(editor.strips.get(new["like"] or ""), _add(editor.strips, new))


def _add(strips, new: dict):
    """A strip made on a spare channel, cut there, and then moved: nothing is pushed aside."""
    spare = max(strip.channel for strip in strips) + 2
    make = strips.new_sound if new["type"] == "SOUND" else strips.new_movie
    strip = make(new["name"], new["path"], spare, new["start"] - new["offset"])
    strip.frame_offset_start = new["offset"]
    strip.frame_final_duration = new["length"]
    strip.channel = new["channel"]
    strip["stylesync"] = new["record"]
    return strip


def _copy_looks(original, strip) -> None:
    for part, names in (("", LIKE), *PLACES.items()) if original else ():
        theirs, ours = (getattr(s, part) if part else s for s in (original, strip))
        for name in names:
            setattr(ours, name, getattr(theirs, name))
