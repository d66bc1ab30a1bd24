"""Which strip is the new speech and which shows the style: marks that strips carry."""

from __future__ import annotations

import bpy

from . import reading


class STYLESYNC_OT_mark(bpy.types.Operator):
    """Say what the active strip is for"""

    bl_idname = "stylesync.mark"
    bl_label = "Mark Strip"
    bl_options = {"REGISTER", "UNDO"}
    role: bpy.props.EnumProperty(items=[(r, r.title(), "") for r in ("speech", "style", "none")])

    def execute(self, context):
        every = reading.scene_of(context).sequence_editor
        if every is None or every.active_strip is None:
            self.report({"ERROR"}, "No strip is active; click the strip to mark.")
            return {"CANCELLED"}
        for strip in every.strips:
            if strip == every.active_strip or strip.get("stylesync_role") == self.role:
                strip["stylesync_role"] = ""
        every.active_strip["stylesync_role"] = "" if self.role == "none" else self.role
        return {"FINISHED"}
