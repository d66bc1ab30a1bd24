"""A scene in Blender's own Python, with the extension's own reading and applying."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from host_cases import Placed
from stylesync_plugin.hosts.blender import BlenderStrips
from stylesync_plugin.hosts.installing import loader_files
from stylesync_plugin.hosts.strips import StripsFile

PYTHON = os.environ.get("STYLESYNC_BLENDER_PYTHON")


class OpenBlender:
    """The host as it is in use: each step in a process of its own, on a saved file."""

    name = BlenderStrips.name

    def __init__(self, folder: Path, shot: Path) -> None:
        self.folder = folder
        self.files: StripsFile = BlenderStrips(folder / "strips.json", folder / "edit.json")
        self.wishes = self.files.wishes
        loader = folder / "loader"
        loader.mkdir()
        for name, content in loader_files("blender").items():
            (loader / name).write_bytes(content)
        self._step("edit", str(shot))

    def read(self) -> Any:
        self._step("read")
        return self.files.read()

    def write(self, timeline: Any) -> tuple[str, ...]:
        notes = self.files.write(timeline)
        self._step("write")
        return notes

    def shown(self) -> list[Placed]:
        placed = json.loads((self.folder / "shown.json").read_text())
        return [(start, end, first) for start, end, first in placed]

    def sounds(self) -> list[list[Any]]:
        """Start, end, mute and volume of the editor's own sounds, as in `shown`."""
        self._step("sounds")
        found: list[list[Any]] = json.loads((self.folder / "sounds.json").read_text())
        return found

    def _step(self, *words: str) -> None:
        script = Path(__file__).with_name("blender_scene.py")
        subprocess.run([str(PYTHON), str(script), str(self.folder), *words], check=True)
