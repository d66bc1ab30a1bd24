"""One training loop for every network: EMA, checkpoints, resume, curves as lines of JSON.

Checkpoints are safetensors only, the optimiser's state included. The same command goes on where
the last checkpoint stood, and ends where an uninterrupted run would (on GPUs up to rounding):
everything random in a step comes from the run's seed, the step's number and the process's. On
several GPUs, started by `accelerate launch`, each process draws batches of its own and gradients
are averaged. Batches are drawn ahead, and checkpoints looked at, beside the steps.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import functools
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylesync_engine.plan.pipeline import ahead
from stylesync_engine.request import ModelError
from stylesync_engine.weights.loading import compute_dtype
from stylesync_training.fitting.looks import Looks

Figures = dict[str, float]
N = TypeVar("N", bound=nn.Module)
B = TypeVar("B")

CURVE = "curve.jsonl"
_LOG_EVERY = 50  # steps
_SEED_STRIDE = 1_000_003  # a prime: the steps of two seeds share no random numbers


@functools.cache
def accelerator() -> Accelerator:
    """This process's GPU, or the processor, and the processes beside it."""
    made = Accelerator()
    if made.num_processes > 1:
        # Left open, the processes' connections keep the interpreter from ending.
        atexit.register(made.end_training)
    return made


def half_precision() -> torch.autocast:
    """bf16 on the device that trains; GPUs that only emulate it compute in float32, since float16
    would want its gradients scaled."""
    device = accelerator().device
    emulated = device.type == "cuda" and compute_dtype(device) != torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=not emulated)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`steps` in all; the rate warms up over `warm_up` steps and falls to 0 as a cosine over the
    last `decay` share of them."""

    steps: int
    rate: float
    warm_up: int = 100
    decay: float = 0.4
    ema: float = 0.999

    def rate_at(self, step: int) -> float:
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        start = self.steps * (1 - self.decay)
        if step < start:
            return self.rate
        share = min(1.0, (step - start) / (self.steps - start))
        return self.rate * 0.5 * (1 + math.cos(math.pi * share))


class Ema(Generic[N]):
    """Exponential mean of a network's weights, with the usual warm-up of its decay."""

    def __init__(self, network: N, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        mine = [p for p in self.network.state_dict().values() if p.is_floating_point()]
        theirs = [p for p in network.state_dict().values() if p.is_floating_point()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)


@dataclass(slots=True)
class _Means:
    """Means of logged figures since the last line, and the pace."""

    sums: Figures = field(default_factory=dict)
    count: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, figures: Figures) -> None:
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1

    def take(self) -> Figures:
        pace = self.count / max(1e-6, time.monotonic() - self.since)
        means = {name: value / self.count for name, value in self.sums.items()}
        self.sums, self.count, self.since = {}, 0, time.monotonic()
        return {**means, "steps_per_s": pace}


@dataclass(slots=True)
class Run:
    """A folder with `last.safetensors`, `ema.safetensors`, `optimiser.safetensors`, `curve.jsonl`.

    `on_figures` hears every line of the curve.
    """

    folder: Path
    save_every: float = 180.0  # s
    seed: int = 0
    on_figures: Callable[[Figures], None] | None = None
    _steps: int = 0  # in all

    def train(
        self,
        network: N,
        schedule: Schedule,
        draw: Callable[[int], B],
        loss_of: Callable[[N, B, int], tuple[Tensor, Figures]],
        on_save: Callable[[N, int], Figures] | None = None,
        weight_decay: float = 0.0,
    ) -> N:
        """Train to `schedule.steps` and return the EMA network, on the processor.

        `draw(number)` -> batch, a number for each step and process, of which alone it depends;
        `loss_of(network, batch, step)` -> loss and figures to log; `on_save(ema, step)` -> figures,
        on the processor while training goes on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._steps = schedule.steps
        network.to(accelerator().device)
        ema = Ema(network, schedule.ema)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=schedule.rate, weight_decay=weight_decay, fused=True
        )
        first = self._resume(network, ema, optimiser)
        saved, means = time.monotonic(), _Means()
        batches = ahead(_batches(draw, range(first, schedule.steps)))
        with contextlib.closing(batches), Looks(on_save, self._log) as looks:
            for step, batch in enumerate(batches, first):
                for group in optimiser.param_groups:
                    group["lr"] = schedule.rate_at(step)
                means.add(self._step(network, ema, optimiser, batch, loss_of, step))
                done = step + 1
                if done % _LOG_EVERY == 0 or done == schedule.steps:
                    self._log({"step": done, **means.take()})
                if done == schedule.steps or time.monotonic() - saved > self.save_every:
                    if accelerator().is_main_process:
                        self._save(network, ema, optimiser, done)
                        looks.take(ema.network, done)
                    saved, means = time.monotonic(), _Means()
        accelerator().wait_for_everyone()
        return ema.network.cpu()

    def _step(
        self,
        network: N,
        ema: Ema[N],
        optimiser: torch.optim.Optimizer,
        batch: B,
        loss_of: Callable[[N, B, int], tuple[Tensor, Figures]],
        step: int,
    ) -> Figures:
        torch.manual_seed(self.seed * _SEED_STRIDE + _number(step))
        loss, figures = loss_of(network, batch, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _average_gradients(network)
        norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        if torch.isfinite(norm):
            optimiser.step()
            ema.update(network, step)
        return {"loss": float(loss.detach()), **figures}

    def _log(self, figures: Figures) -> None:
        if not accelerator().is_main_process:
            return
        rounded = {name: round(value, 6) for name, value in figures.items()}
        with (self.folder / CURVE).open("a") as log:
            log.write(json.dumps(rounded) + "\n")
        print(f"{self.folder.name}: {describe_figures(figures, self._steps)}", flush=True)
        if self.on_figures:
            self.on_figures(rounded)

    def _save(self, network: N, ema: Ema[N], optimiser: torch.optim.Optimizer, step: int) -> None:
        state = {
            f"{index}.{name}": value
            for index, entry in optimiser.state_dict()["state"].items()
            for name, value in entry.items()
        }
        written = (
            ("last", network.state_dict()),
            ("ema", ema.network.state_dict()),
            ("optimiser", state),
        )
        for name, tensors in written:
            partial = self.folder / f"{name}.part"
            contiguous = {k: v.contiguous() for k, v in tensors.items()}
            save_file(contiguous, partial, metadata={"step": str(step)})
        # The optimiser last: its file says that the checkpoint is whole.
        for name, _ in written:
            (self.folder / f"{name}.part").replace(self.folder / f"{name}.safetensors")

    def _resume(self, network: N, ema: Ema[N], optimiser: torch.optim.Optimizer) -> int:
        if not (self.folder / "optimiser.safetensors").exists():
            return 0
        try:
            network.load_state_dict(load_file(self.folder / "last.safetensors"))
            ema.network.load_state_dict(load_file(self.folder / "ema.safetensors"))
            entries: dict[int, dict[str, Tensor]] = {}
            for key, value in load_file(self.folder / "optimiser.safetensors").items():
                index, name = key.split(".", 1)
                entries.setdefault(int(index), {})[name] = value
            step = trained_steps(self.folder)
        except (OSError, SafetensorError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(
                f"The run in {self.folder} cannot go on ({first}); it is damaged or was started"
                " with other sizes: delete it or name another work folder."
            ) from error
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": entries, "param_groups": groups})
        self._log({"resumed": step})
        return step


def _number(step: int) -> int:
    """That of this process's part of a step."""
    return step * accelerator().num_processes + accelerator().process_index


def _batches(draw: Callable[[int], B], steps: range) -> Iterator[B]:
    """This process's batches of some steps, on its device."""
    for step in steps:
        yield send_to_device(draw(_number(step)), accelerator().device)


def _average_gradients(network: nn.Module) -> None:
    """The mean over all processes. By hand: a wrapper would hear of `forward` alone, and losses
    ask networks for more than that."""
    if accelerator().num_processes == 1:
        return
    trained = [p for p in network.parameters() if p.requires_grad]
    # A parameter that this process's batch left out still takes part in the others' mean.
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    # One message for all: each has its price.
    mean = accelerator().reduce(torch.cat([g.flatten() for g in own]), reduction="mean")
    for parameter, part in zip(trained, mean.split([p.numel() for p in trained]), strict=True):
        # As it lies in memory too: the optimiser goes through both side by side.
        parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))


def frozen_on_device(network: N) -> N:
    """A network that losses only look through, on the device that trains."""
    frozen, device = network.eval().requires_grad_(False), accelerator().device
    return frozen if device.type == "cpu" else copy.deepcopy(frozen).to(device)


def channels_last(network: N) -> N:
    """The network with the memory layout in which convolutions are fastest."""
    moved: Any = network
    moved.to(memory_format=torch.channels_last)
    return network


def describe_figures(figures: Figures, steps: int) -> str:
    """A line of the curve of a run of `steps`, for a person."""
    if "resumed" in figures:
        return f"goes on from step {figures['resumed']:.0f} of {steps}"
    step = figures["step"]
    shown = [f"{k} {v:.4g}" for k, v in figures.items() if k not in ("step", "steps_per_s")]
    if pace := figures.get("steps_per_s"):
        shown += [f"{pace:.3g} steps/s"]
        shown += [f"{_spell_seconds((steps - step) / pace)} left"] if step < steps else []
    return ", ".join([f"step {step:.0f} of {steps}", *shown])


def _spell_seconds(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"


def trained_steps(folder: Path) -> int:
    """Steps of a run's last checkpoint; 0 where there is none."""
    path = folder / "optimiser.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        return int((file.metadata() or {}).get("step", 0))


def read_curve(folder: Path) -> list[Figures]:
    """The lines of a run's curve, in order; a line cut off by a crash is left out."""
    path = folder / CURVE
    lines = path.read_text().splitlines() if path.exists() else []
    curve = []
    for line in lines:
        try:
            curve.append(json.loads(line))
        except ValueError:
            continue
    return curve
