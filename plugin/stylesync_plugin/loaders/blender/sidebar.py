"""The buttons in the sequencer's sidebar."""

from __future__ import annotations

import bpy

from . import reading
from .dubbing import Run


class STYLESYNC_OT_dub(Run, bpy.types.Operator):
    """Dub the selected strips, within the preview range where that is on"""

    bl_idname = "stylesync.dub"
    bl_label = "Dub Selected"
    bl_options = {"REGISTER", "UNDO"}


class STYLESYNC_OT_open_panel(Run, bpy.types.Operator):
    """Open the StyleSync panel for this timeline; what it saves comes back as strips"""

    bl_idname = "stylesync.open_panel"
    bl_label = "Open Panel"
    bl_options = {"REGISTER", "UNDO"}
    extra = ("--panel",)


class STYLESYNC_PT_sidebar(bpy.types.Panel):
    bl_label = bl_category = "StyleSync"
    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"

    def draw(self, context):
        scene = reading.scene_of(context)
        for role in ("speech", "style", "none"):
            self.layout.operator("stylesync.mark", text=f"Mark as {role.title()}").role = role
        for name in ("speech", "original", "quality", "models"):
            self.layout.prop(scene, f"stylesync_{name}")
        self.layout.operator("stylesync.dub")
        self.layout.operator("stylesync.open_panel")
