"""A real dub in Blender's own Python, from the built zip: `TOLD.json` says what to do.

Renders the timeline around the dub (`timeline_F.png`), and for comparison the source and the dub
each alone in a scene of its own (`source_F.png`, `dub_F.png`, F counted from the file's first).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import blender_session
import bpy


def prepare(scene: Any, told: dict[str, Any], path: str) -> Any:
    """A scene at the clip's rate and size with one movie from frame 1."""
    scene.render.fps, scene.render.fps_base = 25, 1.0
    scene.render.resolution_x, scene.render.resolution_y = told["size"]
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"
    scene.frame_start, scene.frame_end = 1, 200
    return scene.sequence_editor_create().strips.new_movie("Movie", path, 1, 1)


def render(scene: Any, name: str, frames: list[int], folder: Path) -> None:
    bpy.context.window.scene = scene  # another scene's strips would stay at their first frame
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{name}_{frame - 1}.png")
        bpy.ops.render.render(write_still=True)


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(told["folder"])
    blender_session.install(told)
    scene = bpy.context.scene
    prepare(scene, told, told["video"]).select = True
    first, last = told["frames"][0] + 1, told["frames"][1]
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = first, last
    scene.stylesync_speech, scene.stylesync_quality = told["speech"], "draft"
    answer = {"dub": list(bpy.ops.stylesync.dub("EXEC_DEFAULT"))}
    around = [first - 1, first, last, last + 1]
    render(scene, "timeline", around, folder)
    dubs = [strip for strip in scene.sequence_editor.strips if "stylesync" in strip]
    [movie] = [strip for strip in dubs if strip.type == "MOVIE"]
    answer["output"] = bpy.path.abspath(movie.filepath)
    for name, path, frames in (
        ("source", told["video"], around), ("dub", answer["output"], [1, last - first + 1]),
    ):  # fmt: skip
        alone = bpy.data.scenes.new(name)
        prepare(alone, told, path)
        render(alone, name, frames, folder)
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
