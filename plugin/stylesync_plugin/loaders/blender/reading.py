"""A scene's strips, and what is wished for them, as plain data."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy


def scene_of(context):
    return getattr(context, "sequencer_scene", None) or context.scene


def read(scene) -> dict:
    editor = scene.sequence_editor
    strips = editor.strips if editor else []
    speech, options = scene.stylesync_speech, {"quality": scene.stylesync_quality}
    return {"version": 1, "name": scene.name, "fps": scene.render.fps,
            "fps_base": scene.render.fps_base, "range": _preview_range(scene),
            "strips": [_read_strip(strip, _feeds(strips)) for strip in strips],
            "media": str(_folder()), "speech": bpy.path.abspath(speech) if speech else None,
            "options": {**options, "models": scene.stylesync_models},
            "original_sound": scene.stylesync_original}  # fmt: skip


def _folder() -> Path:
    """Where dubs go: beside the .blend file, once it has been saved."""
    saved = bpy.data.filepath
    return (Path(saved).parent if saved else Path(tempfile.mkdtemp())) / "stylesync"


def _preview_range(scene):
    span = (scene.frame_preview_start, scene.frame_preview_end + 1)
    return span if scene.use_preview_range else None


def _feeds(strips) -> dict:
    """Which effect takes its picture from which strip, by name."""
    inputs = [(s, getattr(s, key, None)) for s in strips for key in ("input_1", "input_2")]
    return {source.name: effect.name for effect, source in inputs if source is not None}


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
            "role": strip.get("stylesync_role", ""), "record": strip.get("stylesync"),
            "sound": strip.get("stylesync_sound")}  # fmt: skip
