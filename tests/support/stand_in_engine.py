"""A stand-in for the engine behind the front doors; the video's name says how it behaves.

Run as a program, it is `stylesync-engine` with this engine.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stylesync_engine.request import (
    DubError,
    DubOptions,
    DubRequest,
    DubResult,
    FrameRange,
    LipCurve,
    MediaError,
    ModelError,
    NoFaceError,
    Progress,
)

REPLACED = ("dubbing", "weights.loading", "review.benchmark")
Listener = Callable[[Progress], None] | None

calls: list[tuple[Any, ...]] = []


def dub(
    request: DubRequest, models: object = None, on_progress: Listener = None, wait: bool = False
) -> DubResult:
    calls.append(("dub", request, models))
    _misbehave(Path(request.video).name)
    steps = 10_000 if "endless" in request.video else 3
    for done in range(1, steps + 1):
        if on_progress is not None:
            on_progress(Progress("render", done, steps))
        time.sleep(0.02 if steps > 3 else 0)
    return _result(request.output, request.options.seed)


def prepare(
    request: DubRequest, work: Path, models: object = None, on_progress: Listener = None
) -> Path:
    calls.append(("prepare", request, work))
    _misbehave(Path(request.video).name)
    return work


def predict_lips(
    request: DubRequest,
    models: object = None,
    on_progress: Listener = None,
    on_glance: Callable[[LipCurve], None] | None = None,
) -> LipCurve:
    curve = LipCurve(FrameRange(0, 2), Fraction(25), (0.1, None), (0.2, 0.3))
    if on_glance is not None:
        on_glance(replace(curve, glance=True))
    return curve


def render(
    work: Path,
    frames: FrameRange | None = None,
    models: object = None,
    on_progress: Listener = None,
) -> None:
    calls.append(("render", work, frames))


def read_plan(work: Path, request: DubRequest | None = None) -> SimpleNamespace:
    return SimpleNamespace(request=request or DubRequest("a.mov", "b.wav", str(work / "out.mov")))


def render_plan(
    plan: object,
    work: Path,
    frames: FrameRange | None = None,
    models: object = None,
    on_progress: Listener = None,
) -> None:
    render(work, frames)


def assemble(work: Path, on_progress: Listener = None) -> DubResult:
    calls.append(("assemble", work))
    return _result(str(work / "out.mov"), 0)


def probe(
    path: str, on_progress: Listener = None, images_rate: str | None = None
) -> dict[str, Any]:
    _misbehave(Path(path).name)
    return {
        "rate": "30000/1001",
        "frames": 75,
        "size": [1920, 1080],
        "timecode": "01:00:00;00",
        "speakers": [{"frame": 0, "x": 640.0, "y": 300.0, "seen": [[0, 75]]}],
    }


def list_models() -> list[dict[str, Any]]:
    return [{"name": "starter", "here": True}, {"name": "paper", "here": False}]


def verify_models(name_or_dir: str) -> list[dict[str, Any]]:
    if name_or_dir == "damaged":
        return [{"file": "renderer.safetensors", "ok": False}, {"file": "lips", "ok": True}]
    return [{"file": "renderer.safetensors", "ok": True}]


def pull_models(name: str, source: str | None = None) -> Path:
    calls.append(("pull", name, source))
    if name != "paper":
        raise ModelError(f"There are no models {name}; see stylesync-engine models list.")
    return Path("/models") / name


def import_model(kind: str, path: str) -> Path:
    calls.append(("import", kind, path))
    return Path("/models") / kind


def load_models(name: str, device: str) -> object:
    calls.append(("load", name, device))
    print("loading", flush=True)  # a library that talks must not reach the panel
    return (name, device)


def measure(
    options: DubOptions,
    video: str | None = None,
    speech: str | None = None,
    on_progress: Listener = None,
) -> dict[str, Any]:
    calls.append(("measure", options))
    return {"frames_per_second": 7.5, "stages": [{"stage": "render", "share": 0.8}]}


def _misbehave(name: str) -> None:
    if name == "chatty.mp4":
        print("a library talks")
        os.write(1, b"native code talks\n")
    errors: dict[str, BaseException] = {
        "wrong.mp4": MediaError("wrong.mp4 is no video; export it again."),
        "empty.mp4": NoFaceError("There is no face in empty.mp4; choose another range."),
        "unloved.mp4": ModelError("The models are damaged; fetch them again."),
        "full.mp4": OSError(errno.ENOSPC, "No space left on device"),
        "forbidden.mp4": PermissionError(errno.EACCES, "Permission denied", "/root/out.mov"),
        "missing.mp4": FileNotFoundError(errno.ENOENT, "No such file", "missing.mp4"),
        "broken.mp4": ValueError("a fault\nof two lines"),
        "interrupted.mp4": KeyboardInterrupt(),
        "plain.mp4": DubError("Something else."),
    }
    if name in errors:
        raise errors[name]


def _result(output: str, seed: int) -> DubResult:
    return DubResult(
        output=output,
        rate=Fraction(30000, 1001),
        frames=75,
        changed=73,
        passed_through=((40, 42),),
        seconds={"render": 2.0, "track": 1.0},
        models="starter",
        device="cpu",
        seed=seed,
        warnings=("The style clip is short.",),
    )


if __name__ == "__main__":
    for _name in REPLACED:
        _room, _, _module = f"stylesync_engine.{_name}".rpartition(".")
        setattr(importlib.import_module(_room), _module, sys.modules[__name__])
        sys.modules[f"stylesync_engine.{_name}"] = sys.modules[__name__]

    from stylesync_engine.commands.app import main

    sys.exit(main())
