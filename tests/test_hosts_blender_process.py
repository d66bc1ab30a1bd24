"""How the Blender extension watches its program, without Blender: only what it asks of `bpy`."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def dub(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An operator made of the extension's `process.Dub`; `.said` is what it reports."""
    folder = root / "packaging/blender/stylesync"
    bpy, package = ModuleType("bpy"), ModuleType("loaded_extension")
    scene = SimpleNamespace(
        name="Scene", stylesync_speech="", stylesync_quality="draft", stylesync_models="starter"
    )
    bpy.data = SimpleNamespace(filepath=str(tmp_path / "cut.blend"), scenes={"Scene": scene})  # type: ignore[attr-defined]
    bpy.path = SimpleNamespace(abspath=str)  # type: ignore[attr-defined]
    applied: list[Any] = []
    strips = ModuleType("loaded_extension.strips")
    strips.read = lambda scene, wishes: wishes  # type: ignore[attr-defined]
    strips.apply = lambda scene, edit: applied.append(edit)  # type: ignore[attr-defined]
    package.__path__ = [str(folder)]
    package.strips = strips  # type: ignore[attr-defined]
    for name, module in (("bpy", bpy), (package.__name__, package), (strips.__name__, strips)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("loaded_extension.process", folder / "process.py")
    assert spec is not None
    assert spec.loader is not None
    process = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(process)

    class Operator(process.Dub):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.said: list[str] = []
            self.scene_object, self.applied, self.program = scene, applied, tmp_path / "program"

        def report(self, _: set[str], text: str) -> None:
            self.said.append(text)

    operator = Operator()
    yield operator
    if getattr(operator, "child", None) is not None and operator.child.poll() is None:
        operator.child.kill()


def _context(operator: Any, script: str) -> Any:
    operator.program.write_text(f"#!{sys.executable}\nimport sys, time, json\n{script}\n")
    operator.program.chmod(0o755)
    preferences = SimpleNamespace(program=str(operator.program))
    manager = SimpleNamespace(
        event_timer_add=lambda *_, **__: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: None,
    )
    return SimpleNamespace(
        scene=operator.scene_object, window=None, window_manager=manager,
        workspace=SimpleNamespace(status_text_set=lambda text: operator.said.append(str(text))),
        preferences=SimpleNamespace(
            addons={"loaded_extension": SimpleNamespace(preferences=preferences)}
        ),
    )  # fmt: skip


def _watch(operator: Any, context: Any) -> set[str]:
    for _ in range(400):
        answer: set[str] = operator.modal(context, SimpleNamespace(type="TIMER"))
        if answer != {"PASS_THROUGH"}:
            return answer
        time.sleep(0.05)
    raise AssertionError("the program never ended")


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
    context = _context(dub, "time.sleep(60)")
    dub.invoke(context, None)
    begun = time.monotonic()
    assert dub.modal(context, SimpleNamespace(type="ESC")) == {"CANCELLED"}
    assert time.monotonic() - begun < 10
    assert dub.child.poll() is not None
    assert dub.applied == []


def test_a_missing_program_is_told(dub: Any) -> None:
    context = _context(dub, "")
    dub.program.unlink()
    assert dub.invoke(context, None) == {"CANCELLED"}
    assert "No such file" in dub.said[-1]
