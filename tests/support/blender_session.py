"""A session in Blender's own Python: install the zip, edit, dub, undo, render, uninstall.

Called with a JSON object: zip, program, video, sound, title, folder, size, skip, length,
title, range and render (frames).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy


def install(told: dict[str, Any]) -> None:
    bpy.ops.extensions.package_install_files(
        filepath=told["zip"], repo="user_default", enable_on_install=True
    )
    addon = bpy.context.preferences.addons["bl_ext.user_default.stylesync"]
    addon.preferences.program = told["program"]


def edit(told: dict[str, Any]) -> Any:
    """Movie on 1 with a title-like strip on 2, the speech on 3; the movie plays from frame 5."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 25, 1.0
    size = told["size"]
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.view_settings.view_transform = "Standard"
    scene.frame_start, scene.frame_end = 1, 60
    strips = scene.sequence_editor_create().strips
    movie = strips.new_movie("Movie", told["video"], 1, 10 - told["skip"])
    movie.frame_offset_start = told["skip"]
    movie.frame_final_duration = told["length"]
    title = strips.new_effect("Title", "COLOR", 2, told["title"][0], length=told["title"][1])
    title.color = (1, 0, 0)
    sound = strips.new_sound("Line", told["sound"], 3, 10)
    sound["stylesync_role"] = "speech"
    for strip in strips:
        strip.select = strip == movie
    return scene


def described(scene: Any) -> list[list[Any]]:
    return [
        [s.name, s.type, s.channel, int(s.frame_final_start), int(s.frame_final_end)]
        for s in sorted(scene.sequence_editor.strips, key=lambda s: (s.channel, s.name))
    ]


def render(scene: Any, frames: list[int], folder: Path) -> None:
    scene.render.image_settings.file_format = "PNG"
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{frame}.png")
        bpy.ops.render.render(write_still=True)


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(told["folder"])
    install(told)
    scene = edit(told)
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = told["range"]
    scene.stylesync_quality = "draft"
    answer: dict[str, Any] = {"before": described(scene)}
    bpy.ops.ed.undo_push(message="Edited")
    answer["dub"] = list(bpy.ops.stylesync.dub("EXEC_DEFAULT"))
    bpy.ops.ed.undo_push(message="Dubbed")
    answer["after"] = described(scene)
    render(scene, told["render"], folder)
    bpy.ops.ed.undo()
    answer["undone"] = described(bpy.context.scene)
    bpy.ops.stylesync.dub("EXEC_DEFAULT")
    answer["again"] = described(bpy.context.scene)
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="stylesync")
    answer["left"] = hasattr(bpy.types.Scene, "stylesync_speech")
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
