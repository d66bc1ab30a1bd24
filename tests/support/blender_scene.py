"""One step in Blender's own Python: `FOLDER edit SHOT | read | write` on FOLDER/cut.blend.

FOLDER/loader is the extension's files; it is used as a package, without being installed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import bpy


def edit(scene: Any, shot: str) -> None:
    """The shot from its frame 5 at scene frames 5..35, chosen; the preview range is 9..16."""
    scene.render.fps, scene.render.fps_base = 25, 1.0
    strip = scene.sequence_editor_create().strips.new_movie("A", shot, 1, 0)
    strip.frame_offset_start, strip.frame_final_duration = 5, 30
    sound = Path(shot).with_suffix(".wav")
    if sound.exists():
        heard = scene.sequence_editor.strips.new_sound("A sound", str(sound), 2, 0)
        heard.frame_offset_start, heard.frame_final_duration = 5, 30
    for other in scene.sequence_editor.strips:
        other.select = other == strip
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 9, 16


def shown(scene: Any) -> list[tuple[int, int, int]]:
    """Our movies as they lie, from the scene's first frame, 1."""
    return [
        (int(s.frame_final_start) - 1, int(s.frame_final_end) - 1, int(s.frame_offset_start))
        for s in scene.sequence_editor.strips if s.type == "MOVIE" and "stylesync" in s
    ]  # fmt: skip


def sounds(scene: Any) -> list[tuple[int, int, bool, float]]:
    return [
        (int(s.frame_final_start) - 1, int(s.frame_final_end) - 1, s.mute, round(s.volume, 6))
        for s in sorted(scene.sequence_editor.strips, key=lambda s: s.frame_final_start)
        if s.type == "SOUND" and "stylesync" not in s
    ]


def main(folder: Path, step: str, *words: str) -> None:
    sys.path.append(str(folder))
    loader = importlib.import_module("loader")
    for name, field in loader.FIELDS.items():
        setattr(bpy.types.Scene, name, field)
    saved = str(folder / "cut.blend")
    if step == "edit":
        edit(bpy.context.scene, *words)
        bpy.ops.wm.save_as_mainfile(filepath=saved)
        return
    bpy.ops.wm.open_mainfile(filepath=saved)
    scene = bpy.context.scene
    if step == "sounds":
        (folder / "sounds.json").write_text(json.dumps(sounds(scene)))
    elif step == "read":
        content = importlib.import_module("loader.reading").read(scene)
        (folder / "strips.json").write_text(json.dumps(content))
    else:
        answer = json.loads((folder / "edit.json").read_text())
        importlib.import_module("loader.applying").apply(scene, answer)
        bpy.ops.wm.save_as_mainfile(filepath=saved)
        (folder / "shown.json").write_text(json.dumps(shown(scene)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
