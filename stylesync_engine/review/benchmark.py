"""How fast a dub is, stage by stage: one real dub, measured from outside."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stylesync_engine.dubbing import dub
from stylesync_engine.rendering.latent_networks import load_samplers
from stylesync_engine.request import (
    DubOptions,
    DubRequest,
    DubResult,
    OnProgress,
    Progress,
    RequestError,
)
from stylesync_engine.weights.loading import load_models

DEMO = Path(__file__).resolve().parents[2] / "packaging" / "demo"
DEMO_VIDEO, DEMO_STYLE, DEMO_SPEECH = "take_to_dub.mp4", "style.mp4", "line.wav"
SUFFIXES = {"png": "", "exr": "", "h264": ".mp4", "ffv1": ".mkv"}  # else .mov


def measure(
    options: DubOptions,
    video: str | None = None,
    speech: str | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Dub `video` with `speech`, by default the demo, into a temporary folder and say how long
    what took.

    `frames_per_second` is end to end after start-up; a stage's is as if it ran alone. A stage's
    `peak_mib` is the process' peak memory by its end, `gpu_peak_mib` the whole run's on the GPU.
    Raises a DubError, as `dub` does.
    """
    started = time.perf_counter()
    models = load_models(options.models, options.device)
    load_samplers(options, models)
    loaded = time.perf_counter() - started
    memory = _MemoryWatch(on_progress)
    if models.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(models.device)
    memory.note("start-up")
    with tempfile.TemporaryDirectory(prefix="stylesync-bench-") as folder:
        request = choose_request(video, speech, options, Path(folder))
        started = time.perf_counter()
        result = dub(request, models=models, on_progress=memory)
        seconds = time.perf_counter() - started
    return _report(result, request.video, loaded, seconds, memory.peaks, models.device)


def choose_request(
    video: str | None, speech: str | None, options: DubOptions, folder: Path
) -> DubRequest:
    """The demo's dub, or that of the caller's clip and sound, into `folder`."""
    output = str(folder / f"dub{SUFFIXES.get(options.codec, '.mov')}")
    if video is not None:
        return DubRequest(video, speech or video, output, options=options)
    if not (DEMO / DEMO_VIDEO).is_file():
        raise RequestError(f"The demo clip is not in {DEMO}; give a video and its speech.", "video")
    style = DEMO / DEMO_STYLE
    return DubRequest(
        str(DEMO / DEMO_VIDEO),
        speech or str(DEMO / DEMO_SPEECH),
        output,
        style=str(style) if style.is_file() else None,
        options=options,
    )


def peak_memory() -> float | None:
    """MiB that this process has had in memory at most; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux; what `resource` says there can be the starting process' peak
        said = dict(line.split(":", 1) for line in status.read_text().splitlines())
        if "VmHWM" in said:
            return int(said["VmHWM"].split()[0]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


class _MemoryWatch:
    """Notes the peak memory at each sign of progress, and passes it on."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self.peaks: dict[str, float | None] = {}

    def __call__(self, progress: Progress) -> None:
        self.note(progress.stage)
        if self._on_progress is not None:
            self._on_progress(progress)

    def note(self, stage: str) -> None:
        self.peaks[stage] = peak_memory()


def _report(
    result: DubResult,
    video: str,
    loaded: float,
    seconds: float,
    peaks: Mapping[str, float | None],
    device: torch.device,
) -> dict[str, Any]:
    stages = {name: value for name, value in result.seconds.items() if name in peaks}
    stages["other"] = max(0.0, seconds - sum(stages.values()))
    rows: list[dict[str, Any]] = [{"stage": "start-up", "seconds": round(loaded, 3)}]
    rows[0]["peak_mib"] = _rounded(peaks.get("start-up"))
    for name, value in stages.items():
        rows.append(
            {
                "stage": name,
                "seconds": round(value, 3),
                "frames_per_second": round(result.frames / value, 2) if value > 0 else None,
                "share": round(value / seconds, 4),
                "peak_mib": _rounded(peaks.get(name)),
            }
        )
    return {
        "video": video,
        "frames": result.frames,
        "changed": result.changed,
        "frames_per_second": round(result.frames / seconds, 2),
        "seconds": round(seconds, 3),
        "start_up_seconds": round(loaded, 3),
        "peak_mib": _rounded(peak_memory()),
        "gpu_peak_mib": _gpu_peak(device),
        "device": result.device,
        "threads": torch.get_num_threads(),
        "models": result.models,
        "stages": rows,
    }


def _gpu_peak(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    return _rounded(torch.cuda.max_memory_allocated(device) / 2**20)


def _rounded(mib: float | None) -> float | None:
    return None if mib is None else round(mib, 1)
