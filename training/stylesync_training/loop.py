"""One training loop for every network: EMA, checkpoints, resume, curves as lines of JSON.

Checkpoints are safetensors only, the optimiser's state included. The same command goes on where
the last checkpoint stood.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


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
        return self.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / (self.steps - start))))


class Ema:
    """Exponential mean of a network's weights, with the usual warm-up of its decay."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        mine = [p for p in self.network.state_dict().values() if p.is_floating_point()]
        theirs = [p for p in network.state_dict().values() if p.is_floating_point()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)


@dataclass(slots=True)
class Run:
    """A folder with `last.safetensors`, `ema.safetensors`, `optimiser.safetensors`, `curve.jsonl`."""

    folder: Path
    save_every: float = 180.0  # s

    def train(
        self,
        network: nn.Module,
        schedule: Schedule,
        batches: Iterator[object],
        loss_of: Callable[[nn.Module, object, int], tuple[Tensor, dict[str, float]]],
        on_save: Callable[[nn.Module, int], dict[str, float]] | None = None,
        weight_decay: float = 0.0,
    ) -> nn.Module:
        """Train to `schedule.steps` and return the EMA network.

        `loss_of(network, batch, step)` -> loss and figures to log; `on_save(ema, step)` -> figures.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        ema = Ema(network, schedule.ema)
        optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.rate, weight_decay=weight_decay, fused=True)
        step = self._resume(network, ema, optimiser)
        saved, sums, count, since = time.monotonic(), {}, 0, time.monotonic()
        while step < schedule.steps:
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate_at(step)
            loss, figures = loss_of(network, next(batches), step)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            if torch.isfinite(norm):
                optimiser.step()
                ema.update(network, step)
            step += 1
            for name, value in {"loss": float(loss.detach()), **figures}.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            if step % 50 == 0:
                pace = count / (time.monotonic() - since)
                self._log({"step": step, **{k: v / count for k, v in sums.items()}, "steps_per_s": pace})
                sums, count, since = {}, 0, time.monotonic()
            if step == schedule.steps or time.monotonic() - saved > self.save_every:
                self._save(network, ema, optimiser, step)
                if on_save:
                    self._log({"step": step, **on_save(ema.network, step)})
                saved = since = time.monotonic()
                sums, count = {}, 0
        return ema.network

    def _log(self, figures: dict[str, float]) -> None:
        line = json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in figures.items()})
        with (self.folder / "curve.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def _save(self, network: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer, step: int) -> None:
        state = {
            f"{index}.{name}": value
            for index, entry in optimiser.state_dict()["state"].items()
            for name, value in entry.items()
        }
        metadata = {"step": str(step)}
        for name, tensors in (("last", network.state_dict()), ("ema", ema.network.state_dict()), ("optimiser", state)):
            partial = self.folder / f"{name}.part"
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata=metadata)
            os.replace(partial, self.folder / f"{name}.safetensors")

    def _resume(self, network: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer) -> int:
        if not (self.folder / "optimiser.safetensors").exists():
            return 0
        network.load_state_dict(load_file(self.folder / "last.safetensors"))
        ema.network.load_state_dict(load_file(self.folder / "ema.safetensors"))
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(self.folder / "optimiser.safetensors").items():
            index, name = key.split(".", 1)
            entries.setdefault(int(index), {})[name] = value
        optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})
        step = int(max((float(entry["step"]) for entry in entries.values()), default=0.0))
        self._log({"resumed": step})
        return step
