"""The scene's strips as plain data, and new strips from plain data."""

from __future__ import annotations

import bpy

LIKE = ("blend_type", "blend_alpha", "alpha_mode", "use_flip_x", "use_flip_y", "color_multiply",
        "color_saturation", "strobe", "use_deinterlace", "mute")  # fmt: skip
PLACES = {
    "transform": ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin", "filter"),
    "crop": ("min_x", "max_x", "min_y", "max_y"),
    "colorspace_settings": ("name",),
}


def read(scene, options: dict) -> dict:
    strips = scene.sequence_editor.strips if scene.sequence_editor else []
    feeds = {getattr(s, key).name: s.name for s in strips for key in ("input_1", "input_2")
             if getattr(s, key, None) is not None}  # fmt: skip
    preview = (scene.frame_preview_start, scene.frame_preview_end + 1)
    shown = preview if scene.use_preview_range else None
    return {"version": 1, "name": scene.name, "fps": scene.render.fps,
            "fps_base": scene.render.fps_base, "range": shown,
            "strips": [_read_strip(s, feeds) for s in strips], **options}  # fmt: skip


def _read_strip(strip, feeds: dict) -> dict:
    path = strip.sound.filepath if strip.type == "SOUND" else getattr(strip, "filepath", "")
    skipped, cut = (getattr(strip, f"animation_offset_{end}", 0) for end in ("start", "end"))
    return {"name": strip.name, "type": strip.type, "channel": strip.channel,
            "start": int(strip.frame_final_start), "end": int(strip.frame_final_end),
            "first": int(strip.frame_final_start - strip.frame_start) + skipped,
            "frames": int(strip.frame_duration) + skipped + cut,
            "fps": getattr(strip, "fps", 0.0), "path": bpy.path.abspath(path) if path else "",
            "mute": strip.mute, "selected": strip.select, "feeds": feeds.get(strip.name),
            "retimed": bool(getattr(strip, "retiming_keys", ())),
            "role": strip.get("stylesync_role", ""), "record": strip.get("stylesync")}  # fmt: skip


def apply(scene, edit: dict) -> None:
    """Put the new strips in; each is made on a spare channel, cut, and then moved."""
    editor = scene.sequence_editor
    for name in edit["remove"]:
        editor.strips.remove(editor.strips[name])
    for room in edit["rooms"]:
        for strip in sorted(editor.strips, key=lambda s: -s.channel):
            strip.channel += strip.channel >= room
    for new in edit["add"]:
        spare = max(strip.channel for strip in editor.strips) + 2
        make = editor.strips.new_sound if new["type"] == "SOUND" else editor.strips.new_movie
        strip = make(new["name"], new["path"], spare, new["start"] - new["offset"])
        strip.frame_offset_start = new["offset"]
        strip.frame_final_duration = new["length"]
        strip.channel = new["channel"]
        strip["stylesync"] = new["record"]
        original = editor.strips.get(new["like"] or "")
        for part, names in (("", LIKE), *PLACES.items()) if original else ():
            theirs, ours = (getattr(s, part) if part else s for s in (original, strip))
            for name in names:
                setattr(ours, name, getattr(theirs, name))
