"""The `stylesync` program beside Blender: started, watched without blocking, and its answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import bpy

from . import strips


def scene_of(context):
    return getattr(context, "sequencer_scene", None) or context.scene


class Dub:
    """An operator that dubs; Escape stops the program and changes nothing."""

    def start(self, context) -> None:
        scene = scene_of(context)
        near = Path(bpy.data.filepath).parent if bpy.data.filepath else Path(tempfile.mkdtemp())
        self.folder = near / "stylesync"
        self.folder.mkdir(exist_ok=True)
        self.scene = scene.name
        speech = bpy.path.abspath(scene.stylesync_speech) if scene.stylesync_speech else None
        wishes = {"media": str(self.folder), "speech": speech, "options": {
            "quality": scene.stylesync_quality, "models": scene.stylesync_models}}  # fmt: skip
        source, self.target = self.folder / "strips.json", self.folder / "edit.json"
        self.target.unlink(missing_ok=True)
        source.write_text(json.dumps(strips.read(scene, wishes)), encoding="utf-8")
        preferences = context.preferences.addons[__package__].preferences
        program = preferences.program or shutil.which("stylesync")
        if not program:
            raise FileNotFoundError("Name the stylesync program in the add-on's preferences.")
        words = [program, "host", "blender", str(source), "-o", str(self.target), "--json"]
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
        self.log = (self.folder / "stylesync.log").open("w+", encoding="utf-8")
        self.child = subprocess.Popen(words, stdout=self.log, stderr=subprocess.STDOUT, env=clean)

    def execute(self, context):
        try:
            self.start(context)
        except OSError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.child.wait()
        return self.finish()

    def invoke(self, context, event):
        try:
            self.start(context)
        except OSError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.timer = context.window_manager.event_timer_add(0.5, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC":
            self.child.terminate()
        elif self.child.poll() is None:
            context.workspace.status_text_set(f"StyleSync: {self.progress()} (Esc stops)")
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)
        self.child.wait()
        return self.finish()

    def events(self) -> list[dict]:
        text = Path(self.log.name).read_text(encoding="utf-8", errors="replace")
        whole = text[: text.rfind("\n") + 1].splitlines()  # the last line may be half written
        return [json.loads(line) for line in whole if line.startswith('{"')]

    def progress(self) -> str:
        last = (self.events() or [{}])[-1]
        return f"{last.get('stage', 'starting')} {last.get('done', '')}/{last.get('total', '')}"

    def finish(self):
        self.log.close()
        if self.child.returncode or not self.target.exists():
            said = [event["message"] for event in self.events() if "message" in event]
            self.report({"ERROR"}, (said or [f"StyleSync stopped; see {self.log.name}."])[-1])
            return {"CANCELLED"}
        strips.apply(bpy.data.scenes[self.scene], json.loads(self.target.read_text("utf-8")))
        return {"FINISHED"}
