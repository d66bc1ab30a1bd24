"""StyleSync in the sequencer's sidebar; the work is done by the `stylesync` program."""

from __future__ import annotations

import bpy

from . import process


class STYLESYNC_OT_dub(process.Dub, bpy.types.Operator):
    """Dub the selected strips, within the preview range where that is on"""

    bl_idname, bl_label, bl_options = "stylesync.dub", "Dub Selected", {"REGISTER", "UNDO"}


class STYLESYNC_OT_mark(bpy.types.Operator):
    """Say what the active strip is for"""

    bl_idname, bl_label, bl_options = "stylesync.mark", "Mark Strip", {"REGISTER", "UNDO"}
    role: bpy.props.EnumProperty(items=[(r, r.title(), "") for r in ("speech", "style", "none")])

    def execute(self, context):
        every = process.scene_of(context).sequence_editor
        if every is None or every.active_strip is None:
            self.report({"ERROR"}, "No strip is active; click the strip to mark.")
            return {"CANCELLED"}
        for strip in every.strips:
            if strip == every.active_strip or strip.get("stylesync_role") == self.role:
                strip["stylesync_role"] = ""
        every.active_strip["stylesync_role"] = "" if self.role == "none" else self.role
        return {"FINISHED"}


class STYLESYNC_PT_panel(bpy.types.Panel):
    bl_label = bl_category = "StyleSync"
    bl_space_type, bl_region_type = "SEQUENCE_EDITOR", "UI"

    def draw(self, context):
        scene = process.scene_of(context)
        for role in ("speech", "style", "none"):
            self.layout.operator("stylesync.mark", text=f"Mark as {role.title()}").role = role
        for name in ("stylesync_speech", "stylesync_quality", "stylesync_models"):
            self.layout.prop(scene, name)
        self.layout.operator("stylesync.dub")


class Preferences(bpy.types.AddonPreferences):
    bl_idname = __package__
    program: bpy.props.StringProperty(name="stylesync program", subtype="FILE_PATH")

    def draw(self, context):
        self.layout.prop(self, "program")


CLASSES = (STYLESYNC_OT_dub, STYLESYNC_OT_mark, STYLESYNC_PT_panel, Preferences)
FIELDS = {
    "stylesync_speech": bpy.props.StringProperty(
        name="Speech", subtype="FILE_PATH", description="Used where no strip is marked as speech"
    ),
    "stylesync_quality": bpy.props.EnumProperty(
        name="Quality", items=[(q, q.title(), "") for q in ("draft", "good", "best")]
    ),
    "stylesync_models": bpy.props.StringProperty(name="Models", default="starter"),
}


def register():
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    for name, field in FIELDS.items():
        setattr(bpy.types.Scene, name, field)


def unregister():
    for name in FIELDS:
        delattr(bpy.types.Scene, name)
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
