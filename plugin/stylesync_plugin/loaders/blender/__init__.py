"""StyleSync in the sequencer's sidebar; the work is done by the `stylesync` program."""

from __future__ import annotations

import bpy

from . import marking, sidebar


class Preferences(bpy.types.AddonPreferences):
    bl_idname = __package__
    program: bpy.props.StringProperty(name="stylesync program", subtype="FILE_PATH")

    def draw(self, context):
        self.layout.prop(self, "program")


CLASSES = (
    sidebar.STYLESYNC_OT_dub,
    sidebar.STYLESYNC_OT_open_panel,
    marking.STYLESYNC_OT_mark,
    sidebar.STYLESYNC_PT_sidebar,
    Preferences,
)
FIELDS = {
    "stylesync_speech": bpy.props.StringProperty(
        name="Speech", subtype="FILE_PATH", description="Used where no strip is marked as speech"
    ),
    "stylesync_quality": bpy.props.EnumProperty(
        name="Quality", items=[(q, q.title(), "") for q in ("draft", "good", "best")]
    ),
    "stylesync_original": bpy.props.EnumProperty(
        name="Original sound",
        items=[(v, v, "") for v in ("off", "-20dB", "keep")],
        description="What becomes of the shot's own sound under a dub",
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
