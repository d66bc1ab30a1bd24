"""`python packaging/check_gpu.py`: what a CUDA machine does with StyleSync, in eight minutes.

Tests, dubs end to end, CPU against GPU, the paper's sizes, one thread against all: a table, and
JSON. Sections for which no time is left say so. `--device cpu --quick` runs every section's code on
a machine without a GPU.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import torch
import typer

from stylesync_engine.commands.reporting import format_rows, make_app, run_app
from stylesync_engine.models.autoencoder import PAPER_VQ, PaperAutoencoder
from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.renderer import PAPER_SIZES, Renderer
from stylesync_engine.plan.pipeline import cores
from stylesync_engine.plan.plan import WINDOW
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks
from stylesync_engine.request import DubOptions, RequestError
from stylesync_engine.review.benchmark import DEMO, DEMO_SPEECH, DEMO_STYLE, DEMO_VIDEO
from stylesync_engine.weights.loading import Models, load_models, resolve_device

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "check_gpu.py"
MEAN_ERROR, MOST_ERROR = 0.25, 8
"""Tolerance between devices: levels of 255, over the px that either of them changed, and at the
0.1 % of px that differ most."""
_QUALITIES = "draft", "good", "best"
_HD = 1920, 1080
Row = dict[str, Any]

app = make_app(PROGRAM, "What a CUDA machine does with StyleSync.", "--output gpu.json")


@dataclasses.dataclass(frozen=True)
class Check:
    """Where and how much is checked; `ends` is a moment of `time.monotonic`."""

    device: torch.device
    quick: bool
    folder: Path
    ends: float

    def left(self) -> float:
        return self.ends - time.monotonic()

    def run(self, words: list[str], cpus: int | None = None) -> subprocess.CompletedProcess[str]:
        """A command of ours in a process of its own, on `cpus` cores, stopped as time is up."""
        start = "import os, runpy, sys;"
        if cpus is not None and hasattr(os, "sched_setaffinity"):
            start += f"os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cpus}]);"
        start += "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
        return subprocess.run(
            [sys.executable, "-c", start, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=max(1.0, self.left()),
        )

    def dub(self, quality: str, device: str, output: Path, *more: str) -> Row:
        """The demo dubbed; frames per second end to end, with what `bench` says."""
        words = ["stylesync_engine", "dub", "--video", str(DEMO / DEMO_VIDEO)]
        words += ["--speech", str(DEMO / DEMO_SPEECH), "--style", str(DEMO / DEMO_STYLE)]
        words += ["--quality", quality, "--device", device, "--output", str(output), "--json"]
        return _last_json(self.run([*words, *more]))

    def bench(self, quality: str, video: Path, cpus: int | None = None) -> Row:
        words = ["stylesync_engine", "bench", "--quality", quality, "--device", str(self.device)]
        words += ["--video", str(video), "--speech", str(DEMO / DEMO_SPEECH), "--json"]
        told = _last_json(self.run(words, cpus))
        kept = "frames", "frames_per_second", "start_up_seconds", "peak_mib", "gpu_peak_mib"
        stages = {f"{row['stage']}_s": row["seconds"] for row in told["stages"]}
        return {**{name: told[name] for name in kept}, **stages}


def check_tests(check: Check) -> Iterator[Row]:
    """`pytest -m gpu`."""
    words = ["pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/engine"]
    done = check.run([*words, *(["--collect-only"] if check.quick else [])])
    said = [line for line in done.stdout.splitlines() if line.strip()]
    yield {"result": said[-1] if said else "nothing", "failed": done.returncode not in (0, 5)}


def check_dubs(check: Check) -> Iterator[Row]:
    """Draft, good and best, end to end, of the demo and of a 1080p clip."""
    small, large = check.folder / "small.mp4", check.folder / "large.mp4"
    frames = 8 if check.quick else 75
    resize(DEMO / DEMO_VIDEO, small, None, frames)
    resize(DEMO / DEMO_VIDEO, large, _HD, frames)
    for name, video in (("640x480", small), ("1920x1080", large)):
        for quality in _QUALITIES[: 1 if check.quick else 3]:
            yield {"clip": name, "quality": quality, **check.bench(quality, video)}


def check_likeness(check: Check) -> Iterator[Row]:
    """The GPU's output against the CPU's, from one plan's worth of frames, without loss."""
    span = "0:4" if check.quick else "0:32"
    outputs = [check.folder / f"{name}.mkv" for name in ("cpu", "other")]
    for device, output in zip(("cpu", str(check.device)), outputs, strict=True):
        check.dub("good", device, output, "--codec", "ffv1", "--frames", span)
    original, one, other = (
        read_levels(path, len_of(span)) for path in (DEMO / DEMO_VIDEO, *outputs)
    )
    changed = (one != original).any(-1) | (other != original).any(-1)
    errors = np.abs(one - other).max(-1)[changed]
    mean, most = float(errors.mean()), float(np.quantile(errors, 0.999))
    failed = mean > MEAN_ERROR or most > MOST_ERROR
    tolerance = f"mean {MEAN_ERROR}, 99.9 % within {MOST_ERROR}"
    yield {"mean": round(mean, 4), "most": most, "tolerance": tolerance, "failed": failed}


def check_paper(check: Check) -> Iterator[Row]:
    """Stage 2 at the paper's sizes, 256 px, with random weights."""
    models = paper_models(load_models("starter", str(check.device)), check.quick)
    frames = random_frames(models.renderer, 2 if check.quick else WINDOW)
    face = np.zeros((256, 256, 3), np.uint8)
    for steps in (2,) if check.quick else (4, 10, 200):
        networks = LatentNetworks(models, DubOptions(steps=steps, sampler="ddim"), face)
        networks(random_frames(models.renderer, 1))  # kernels are chosen at the first call
        if check.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(check.device)
        started = time.perf_counter()
        networks(frames)
        seconds = time.perf_counter() - started
        row: Row = {"steps": steps, "frames_per_second": round(len(frames.crops) / seconds, 2)}
        if check.device.type == "cuda":
            row["gpu_peak_mib"] = torch.cuda.max_memory_allocated(check.device) >> 20
        yield row


def check_fit(check: Check) -> Iterator[Row]:
    """Seconds that `best` takes with and without a fit to the person."""
    if "fit_seconds" not in {field.name for field in dataclasses.fields(DubOptions)}:
        yield {"result": "this version has no fit"}
        return
    span, most = ("0:4", "1") if check.quick else ("0:50", "30")
    for name, seconds in (("fitted", most), ("not fitted", "0")):
        started, output = time.perf_counter(), check.folder / f"fit{seconds}.mov"
        told = check.dub(
            "best", str(check.device), output, "--frames", span, "--fit-seconds", seconds
        )
        row = {"what": name, "seconds": round(time.perf_counter() - started, 1)}
        yield row | {f"{stage}_s": value for stage, value in told["seconds"].items()}


def check_threads(check: Check) -> Iterator[Row]:
    """One core against sixteen, or as many as there are."""
    for count in dict.fromkeys((1, min(16, cores()))):
        yield {"cores": count, **check.bench("good", check.folder / "small.mp4", cpus=count)}


SECTIONS: dict[str, Callable[[Check], Iterator[Row]]] = {
    "tests": check_tests,
    "likeness": check_likeness,
    "dubs": check_dubs,
    "paper": check_paper,
    "threads": check_threads,
    "fit": check_fit,
}


@app.command()
def main(
    device: Annotated[
        str, typer.Option("--device", metavar="cuda[:N]|cpu", help="What is checked.")
    ] = "cuda",
    quick: Annotated[
        bool, typer.Option("--quick", help="Little of everything, to try the script itself.")
    ] = False,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Most time.")] = 8,
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="Where the figures go.")
    ] = Path("gpu.json"),
) -> None:
    """Check a machine; the exit code is 1 where something failed, 2 where there is no such
    device."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RequestError(
            "This machine has no CUDA device that PyTorch can use; run this on one that has."
        )
    place = resolve_device(device)
    found = {"machine": [describe_machine(place)]}
    print(format_rows(found["machine"]), flush=True)
    with tempfile.TemporaryDirectory(prefix="stylesync-gpu-") as folder:
        check = Check(place, quick, Path(folder), time.monotonic() + 60 * minutes)
        for name, section in SECTIONS.items():
            found[name] = run_section(section, check)
            print(f"\n{name}\n{format_rows(found[name])}", flush=True)
            output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\nFigures: {output}")
    if any(row.get("failed") for name in SECTIONS for row in found[name]):
        raise typer.Exit(1)


def run_section(section: Callable[[Check], Iterator[Row]], check: Check) -> list[Row]:
    """Its rows, as far as there was time; what goes wrong is a row, so that the rest still runs."""
    rows: list[Row] = []
    started = time.monotonic()
    try:
        if check.left() <= 0:
            return [{"result": "not run: time is up"}]
        rows.extend(section(check))
    except subprocess.TimeoutExpired:
        rows.append({"result": "stopped: time is up"})
    except Exception as error:  # whatever a machine that nobody has seen does
        said = " ".join(str(error).split())[-300:]
        rows.append({"result": f"{type(error).__name__}: {said}", "failed": True})
    rows[-1]["section_s"] = round(time.monotonic() - started, 1)
    return rows


def describe_machine(device: torch.device) -> Row:
    row: Row = {"device": str(device), "cores": cores(), "python": platform.python_version()}
    row["torch"] = torch.__version__
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        row |= {"name": found.name, "capability": f"{found.major}.{found.minor}"}
        row |= {"memory_mib": found.total_memory >> 20, "cuda": torch.version.cuda}
    return row


def paper_models(models: Models, small: bool) -> Models:
    """The models with stage 2 of the paper's sizes, or a small one of its kind."""
    sizes, vq = PAPER_SIZES, dict(PAPER_VQ)
    if small:
        sizes = dataclasses.replace(sizes, widths=(8, 16, 16, 16), heads=2, code=32, blocks=1)
        vq |= {"block_out_channels": [8, 8, 8], "norm_num_groups": 4, "layers_per_block": 1}
    torch.manual_seed(0)
    parts = PaperAutoencoder(vq), Renderer(sizes)
    for part in parts:
        part.eval().requires_grad_(False)
    best = Sampling("ddim", 200)
    return dataclasses.replace(
        models,
        autoencoder=parts[0],
        renderer=parts[1],
        quick_renderer=None,
        prediction="epsilon",
        samplings={"good": best, "best": best},
    )


def random_frames(renderer: Renderer, count: int) -> Frames:
    sizes, random = renderer.sizes, np.random.default_rng(0)
    return Frames(
        random.integers(0, 256, (count, 256, 256, 3), np.uint8),
        random.normal(size=(count, sizes.motion_window, sizes.motion)).astype(np.float32),
        np.zeros((count, sizes.rows + sizes.context, 64, 3), np.uint8),
        np.zeros(count, bool),
    )


def resize(source: Path, target: Path, size: tuple[int, int] | None, most: int) -> None:
    """The first `most` frames, enlarged to fit into `size` with black beside them."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        video = read.streams.video[0]
        width, height = size or (video.width, video.height)
        stream = written.add_stream("libx264", rate=video.average_rate, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        scale = min(width / video.width, height / video.height)
        w, h = (round(side * scale / 2) * 2 for side in (video.width, video.height))
        for number, frame in enumerate(read.decode(video=0)):
            if number == most:
                break
            canvas = np.zeros((height, width, 3), np.uint8)
            top, left = (height - h) // 2, (width - w) // 2
            canvas[top : top + h, left : left + w] = frame.reformat(w, h, "rgb24").to_ndarray()
            written.mux(stream.encode(av.VideoFrame.from_ndarray(canvas)))
        written.mux(stream.encode())


def read_levels(path: Path, count: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The first frames, `[count, H, W, 3]`."""
    with av.open(str(path)) as read:
        frames = [
            f.to_ndarray(format="rgb24")
            for _, f in zip(range(count), read.decode(video=0), strict=False)
        ]
    return np.stack(frames).astype(np.int16)


def len_of(span: str) -> int:
    first, last = map(int, span.split(":"))
    return last - first


def _last_json(done: subprocess.CompletedProcess[str]) -> Row:
    """What a command told last; raises RuntimeError with its words where it failed."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError((done.stdout + done.stderr)[-300:])
    told: Row = json.loads(lines[-1])
    return told


if __name__ == "__main__":
    raise SystemExit(run_app(app, PROGRAM, sys.argv[1:] or ["--device", "cuda"]))
