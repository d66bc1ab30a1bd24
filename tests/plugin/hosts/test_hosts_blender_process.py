"""How the Blender extension watches its program, without Blender: only what it asks of `bpy`."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stylesync_plugin.hosts.installing import loader_files


@pytest.fixture
def dub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An operator made of the extension's `Run`; `.said` is what it reports."""
    folder = tmp_path / "extension"
    folder.mkdir()
    for name, content in loader_files("blender").items():
        (folder / name).write_bytes(content)
    (folder / "__init__.py").write_text("")
    scene = SimpleNamespace(name="Scene")
    bpy = ModuleType("bpy")
    bpy.data = SimpleNamespace(scenes={"Scene": scene})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("extension", "extension.dubbing", "extension.reading", "extension.applying"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    dubbing = importlib.import_module("extension.dubbing")
    applied: list[Any] = []
    scenes = {"version": 1, "strips": [], "media": str(tmp_path / "media")}
    monkeypatch.setattr(dubbing.reading, "read", lambda scene: scenes)
    monkeypatch.setattr(dubbing.applying, "apply", lambda scene, edit: applied.append(edit))

    class Operator(dubbing.Run):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.said: list[str] = []
            self.scene_object, self.applied, self.named = scene, applied, tmp_path / "program"

        def report(self, _: set[str], text: str) -> None:
            self.said.append(text)

    operator = Operator()
    yield operator
    if getattr(operator, "program", None) is not None:
        operator.program.stop()


def _context(operator: Any, script: str) -> Any:
    operator.named.write_text(f"#!{sys.executable}\nimport sys, time, json\n{script}\n")
    operator.named.chmod(0o755)
    preferences = SimpleNamespace(program=str(operator.named))
    manager = SimpleNamespace(
        event_timer_add=lambda *_, **__: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: None,
    )
    return SimpleNamespace(
        scene=operator.scene_object, window=None, window_manager=manager,
        workspace=SimpleNamespace(status_text_set=lambda text: operator.said.append(str(text))),
        preferences=SimpleNamespace(
            addons={"extension": SimpleNamespace(preferences=preferences)}
        ),
    )  # fmt: skip


def _watch(operator: Any, context: Any) -> set[str]:
    while True:
        answer: set[str] = operator.modal(context, SimpleNamespace(type="TIMER"))
        if answer != {"PASS_THROUGH"}:
            return answer
        time.sleep(0.05)


def test_the_answer_is_applied_and_progress_shown(dub: Any) -> None:
    event = json.dumps({"event": "progress", "stage": "render", "done": 3, "total": 8})
    context = _context(
        dub,
        f"print('a library talks'); print({event!r}, flush=True); print('{{\"half', end='',"
        " flush=True); time.sleep(1); open(sys.argv[5], 'w').write(json.dumps({'add': [1]}))",
    )
    assert dub.invoke(context, None) == {"RUNNING_MODAL"}
    assert _watch(dub, context) == {"FINISHED"}
    assert dub.applied == [{"add": [1]}]
    assert any("render 3/8" in text for text in dub.said)


def test_an_error_is_told_and_nothing_applied(dub: Any) -> None:
    told = json.dumps({"event": "error", "kind": "MediaError", "message": "Relink the clip."})
    context = _context(dub, f"print({told!r}); sys.exit(3)")
    dub.invoke(context, None)
    assert _watch(dub, context) == {"CANCELLED"}
    assert dub.said[-1] == "Relink the clip."
    assert dub.applied == []


def test_escape_stops_the_program(dub: Any) -> None:
    context = _context(dub, "time.sleep(3600)")  # longer than the test may take
    dub.invoke(context, None)
    assert dub.modal(context, SimpleNamespace(type="ESC")) == {"CANCELLED"}
    assert dub.program.has_ended()
    assert dub.applied == []


def test_a_missing_program_is_told(dub: Any) -> None:
    context = _context(dub, "")
    dub.named.unlink()
    assert dub.invoke(context, None) == {"CANCELLED"}
    assert "There is no program" in dub.said[-1]


def test_escape_leaves_an_open_panel_alone(dub: Any) -> None:
    dub.extra = ("--panel",)
    context = _context(
        dub,
        "assert sys.argv[-1] == '--panel'; time.sleep(1);"
        " open(sys.argv[5], 'w').write(json.dumps({'add': []}))",
    )
    dub.invoke(context, None)
    assert dub.modal(context, SimpleNamespace(type="ESC")) == {"PASS_THROUGH"}
    assert _watch(dub, context) == {"FINISHED"}
    assert dub.applied == [{"add": []}]
