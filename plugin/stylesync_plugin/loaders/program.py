"""The `stylesync` program beside an editor: started without its Python's settings, and heard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

NONE = subprocess.DEVNULL
PROGRAM = "stylesync"
"""A name on the PATH; installing the loader puts the full path of the program here."""
EDITORS_OWN = ("PYTHON", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH")
"""How settings begin that would lead the program to the editor's own Python and Qt."""


class Program:
    """One run on what the loader has written; `answer` appears where it ends well."""

    def __init__(self, editor: str, scene: dict, extra: tuple = (), program: str = "") -> None:
        folder = Path(scene["media"])
        folder.mkdir(parents=True, exist_ok=True)
        source, self.answer = folder / "stylesync.strips.json", folder / "stylesync.edit.json"
        self.answer.unlink(missing_ok=True)
        source.write_text(json.dumps(scene), encoding="utf-8")
        found = shutil.which(program or PROGRAM)
        if not found:
            raise FileNotFoundError(f"There is no program '{program or PROGRAM}'; name its path.")
        words = [found, "host", editor, str(source), "-o", str(self.answer), "--json", *extra]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(EDITORS_OWN)}
        self.log = folder / "stylesync.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.child = subprocess.Popen(words, stdin=NONE, stdout=log, stderr=log, env=clean)

    def has_ended(self) -> bool:
        return self.child.poll() is not None

    def stop(self) -> None:
        if not self.has_ended():
            self.child.terminate()
            self.child.wait()

    def events(self) -> list[dict]:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        whole = text[: text.rfind("\n") + 1].splitlines()  # the last line may be half written
        return [json.loads(line) for line in whole if line.startswith('{"')]

    def progress(self) -> str:
        last = (self.events() or [{}])[-1]
        return f"{last.get('stage', 'starting')} {last.get('done', '')}/{last.get('total', '')}"

    def result(self) -> dict:
        """The changes to apply; raises RuntimeError with the sentence that the program said."""
        if self.child.wait() or not self.answer.exists():
            said = [event["message"] for event in self.events() if "message" in event]
            raise RuntimeError((said or [f"StyleSync stopped; see {self.log}."])[-1])
        return json.loads(self.answer.read_text(encoding="utf-8"))
