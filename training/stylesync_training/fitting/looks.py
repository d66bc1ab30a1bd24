"""Sheets and measures of a run's checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from stylesync_training.fitting.loop import Figures

N = TypeVar("N", bound=nn.Module)


class Looks(Generic[N]):
    """What is drawn and measured of a run's checkpoints, one after the other, beside its steps."""

    def __init__(
        self, look: Callable[[N, int], Figures] | None, log: Callable[[Figures], None]
    ) -> None:
        self._look, self._log = look, log
        self._last: Future[None] | None = None

    def __enter__(self) -> Looks[N]:
        self._pool = ThreadPoolExecutor(1, initializer=torch.get_num_threads)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if self._last and kind is None:
            self._last.result()

    def take(self, network: N, step: int) -> None:
        """Look at the network as it is now; raises what the look before raised."""
        if self._last:
            self._last.result()
        if self._look:
            copied = copy.deepcopy(network).cpu()
            self._last = self._pool.submit(self._figures, self._look, copied, step)

    def _figures(self, look: Callable[[N, int], Figures], network: N, step: int) -> None:
        if figures := look(network, step):
            self._log({"step": step, **figures})
