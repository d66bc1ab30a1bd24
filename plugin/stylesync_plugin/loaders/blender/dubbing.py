"""Start the program, wait for it without blocking, and apply what it answers."""

from __future__ import annotations

import bpy

from . import applying, reading
from .program import Program


class Run:
    """An operator that runs the program; Escape stops it and changes nothing.

    `extra` are more words for the program; a panel that was opened with them is closed there.
    """

    extra: tuple = ()

    def start(self, context) -> bool:
        scene = reading.scene_of(context)
        self.scene = scene.name
        named = context.preferences.addons[__package__].preferences.program
        try:
            self.program = Program("blender", reading.read(scene), self.extra, named)
        except OSError as error:
            self.report({"ERROR"}, str(error))
            return False
        return True

    def execute(self, context):
        return self.finish() if self.start(context) else {"CANCELLED"}

    def invoke(self, context, event):
        if not self.start(context):
            return {"CANCELLED"}
        self.timer = context.window_manager.event_timer_add(0.5, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC" and not self.extra:
            self.program.stop()
        elif not self.program.has_ended():
            context.workspace.status_text_set(f"StyleSync: {self.program.progress()} (Esc stops)")
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)
        return self.finish()

    def finish(self):
        try:
            edit = self.program.result()
            applying.apply(bpy.data.scenes[self.scene], edit)
        except RuntimeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for note in edit.get("notes", ()):
            self.report({"WARNING"}, note)
        return {"FINISHED"}
