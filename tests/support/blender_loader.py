"""Start Blender's own Python on kept settings: `start`, or `tick` and untick our loader."""

from __future__ import annotations

import sys

import bpy

LOADER = "bl_ext.user_default.stylesync"


def tick() -> None:
    bpy.ops.preferences.addon_enable(module=LOADER)
    assert hasattr(bpy.types.Scene, "stylesync_speech")
    assert "dub" in dir(bpy.ops.stylesync)
    bpy.ops.preferences.addon_disable(module=LOADER)
    assert not hasattr(bpy.types.Scene, "stylesync_speech")


if __name__ == "__main__":
    bpy.ops.wm.read_userpref()
    assert LOADER not in bpy.context.preferences.addons
    if sys.argv[1] == "tick":
        tick()
    bpy.ops.wm.save_userpref()
