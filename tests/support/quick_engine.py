"""An engine for tests of the panel: it knows every file, and a dub is a file at once."""

from __future__ import annotations

import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

FRAMES, RATE = 400, 25


def answer(asked: str, method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a request."""
    if method == "facts":
        return [{"event": "result", **facts(Path(params["path"]))}]
    if method == "dub":
        return dub(params)
    if method == "waveform":
        return [{"event": "result", "peaks": [0.5] * params["bins"]}]
    if method == "models":
        here = [{"name": "starter", "here": True}]
        return [{"event": "result", "models": here, "people": ["Ada", "Ben"]}]
    if method == "survey":
        return [{"event": "result", "faces": [], "cuts": []}]
    if method == "lips":
        gap = [0.02 + 0.08 * (n % 7) / 7 for n in range(50)]
        curve = {"frames": {"start": 0, "end": 50}, "rate": "25", "gap": gap,
                 "original": [0.03] * 50, "glance": False, "warnings": [],
                 "peaks": [n % 10 / 10 for n in range(params["bins"])]}  # fmt: skip
        glance = {"event": "progress", "curve": {**curve, "glance": True}}
        return [glance, {"event": "result", "curve": curve}]
    if method == "sound":
        return [{"event": "result", "output": params["path"]}]
    return [{"event": "error", "kind": "MediaError", "message": f"no {method} here"}]


def facts(path: Path) -> dict[str, Any]:
    picture = {"rate": str(RATE), "frames": FRAMES, "timecode": None, "width": 160, "height": 120,
               "variable": False}  # fmt: skip
    if path.suffix == ".wav":
        with wave.open(str(path)) as file:
            sound = {"sample_rate": file.getframerate(), "samples": file.getnframes()}
        return {"picture": None, "sound": sound}
    if path.with_suffix(".frames").exists():
        known = json.loads(path.with_suffix(".frames").read_text())
        return {"picture": {**picture, **known}, "sound": None}
    sound = {"sample_rate": 48_000, "samples": FRAMES * 1920}
    return {"picture": picture, "sound": sound}


def dub(params: dict[str, Any]) -> list[dict[str, Any]]:
    output = Path(params["output"])
    asked = params.get("frames") or {}
    count = (asked.get("end") or FRAMES) - (asked.get("start") or 0)
    if "broken" in params["speech"]:
        said = "The speech is broken; record it again."
        return [{"event": "error", "kind": "MediaError", "message": said}]
    output.parent.mkdir(parents=True, exist_ok=True)
    died = Path(params["speech"]).with_suffix(".died")
    if "deadly" in params["speech"] and not died.exists():
        died.touch()
        os._exit(9)
    output.write_text(params["speech"])
    output.with_suffix(".frames").write_text(json.dumps({"frames": count}))
    progress = {"event": "progress", "stage": "render", "done": count, "total": count}
    result = {
        "event": "result", "output": str(output), "frames": count, "rate": str(RATE),
        "changed": count, "passed_through": [], "seconds": {}, "models": "starter",
        "device": "cpu", "seed": 0,
    }  # fmt: skip
    return [progress, result]


def main() -> None:
    print(json.dumps({"event": "ready", "version": "test"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["method"] == "shutdown":
            return
        for event in answer(request["id"], request["method"], request.get("params") or {}):
            print(json.dumps({"id": request["id"], **event}), flush=True)


if __name__ == "__main__":
    main()
