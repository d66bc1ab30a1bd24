"""What a dub of the demo must stay: pictures, sound, the request's and the result's JSON, `serve`.

    python tests/whole/golden.py            compares with tests/whole/golden/*.json
    python tests/whole/golden.py --write    makes them anew, where a change is meant

Stage 2's last bits depend on the processor's kernels, so the files hold for machines of one kind;
the JSON and the transcript hold everywhere.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent / "golden"
DEMO = "packaging/demo"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = collect(Path(folder))
    GOLDEN.mkdir(exist_ok=True)
    different = []
    for name, data in found.items():
        text, path = json.dumps(data, indent=1, sort_keys=True) + "\n", GOLDEN / f"{name}.json"
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            different.append(name)
            (Path(tempfile.gettempdir()) / f"golden-{name}.json").write_text(text, "utf-8")
    print(f"different: {', '.join(different)}" if different else "all as they were")
    return bool(different)


def collect(folder: Path) -> dict[str, Any]:
    """Everything that is held, by name."""
    from stylesync_engine.request import DubRequest

    request = json.loads((ROOT / DEMO / "request.json").read_text(encoding="utf-8"))
    request["output"] = str(folder / "dub.mkv")
    whole = json.loads(DubRequest.from_dict(request).to_json())
    transcript = _serve(folder, request)
    return {
        "request": _plain(whole, folder),
        "result": next(e for e in transcript if e.get("id") == "dub" and e["event"] == "result"),
        "serve": transcript,
        "frames": _frames(folder / "dub.mkv"),
        "sound": _sound(folder / "dub.mkv"),
    }


def _serve(folder: Path, request: dict[str, Any]) -> list[Any]:
    """The events of one session, each request sent once the one before is answered."""
    take, asked = f"{DEMO}/take_to_dub.mp4", []
    asked.append({"id": "ping", "method": "ping"})
    asked.append({"id": "facts", "method": "facts", "params": {"path": take}})
    asked.append({"id": "wave", "method": "waveform", "params": {"path": take, "bins": 8}})
    survey = {"video": take, "frames": "0:20", "samples": 2}
    asked.append({"id": "survey", "method": "survey", "params": survey})
    thumbs = {"video": take, "frames": [0, 5], "height": 90, "folder": str(folder / "thumbs")}
    asked.append({"id": "thumbs", "method": "thumbnails", "params": thumbs})
    asked.append({"id": "none", "method": "nothing"})
    asked.append({"id": "lacks", "method": "render", "params": {}})
    asked.append({"id": "bad", "method": "dub", "params": {"video": "missing.mov"}})
    asked.append({"id": "probe", "method": "probe", "params": {"path": take}})
    asked.append({"id": "dub", "method": "dub", "params": request})
    asked.append({"id": "bye", "method": "shutdown"})
    command = [sys.executable, "-m", "stylesync_engine", "serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as engine:
        assert engine.stdin
        assert engine.stdout
        events = [json.loads(engine.stdout.readline())]
        for line in asked:
            engine.stdin.write(json.dumps(line) + "\n")
            engine.stdin.flush()
            while True:
                events.append(json.loads(engine.stdout.readline()))
                if events[-1]["event"] in ("result", "error", "cancelled"):
                    break
    # How often a stage reports depends on the machine; which stages come, in which order, does not.
    kept: list[Any] = []
    for event in events:
        short = {k: event[k] for k in ("id", "event", "stage", "total") if k in event}
        if event["event"] != "progress":
            kept.append(_plain(event, folder))
        elif short not in kept:
            kept.append(short)
    return kept


def _plain(data: Any, folder: Path) -> Any:
    if isinstance(data, dict):
        return {k: _plain(v, folder) for k, v in data.items() if k != "seconds"}
    if isinstance(data, list):
        return [_plain(v, folder) for v in data]
    if isinstance(data, str):
        return data.replace(str(folder), "FOLDER").replace(str(ROOT), "PROJECT")
    return data


def _frames(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [
            hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()[:16]
            for frame in container.decode(video=0)
        ]


def _sound(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=-1)
    return {"shape": list(samples.shape), "sha256": hashlib.sha256(samples.tobytes()).hexdigest()}


if __name__ == "__main__":
    sys.exit(main())
