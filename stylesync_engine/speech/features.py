"""Speech features: their clock, their protocol, and reading a sound block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Samples = NDArray[np.float32]


OnBlock = Callable[[int, int], None]


CPU: Final = torch.device("cpu")


def exact_div(whole: int, part: int) -> int:
    quotient, rest = divmod(whole, part)
    if rest:
        raise ValueError(f"{whole} is not a multiple of {part}")
    return quotient


SAMPLE_RATE: Final = 16000  # Hz


FEATURE_RATE: Final = 25  # Hz, stage 1's clock


STEP: Final = exact_div(SAMPLE_RATE, FEATURE_RATE)  # samples of one feature row


MEL_BANDS: Final = 80


FFT_SIZE: Final = 400  # samples: 25 ms


MEL_HOP: Final = 160  # samples: 10 ms


ROWS_PER_STEP: Final = exact_div(STEP, MEL_HOP)


TOKENS_PER_STEP: Final = exact_div(ROWS_PER_STEP, 2)  # the stem's second convolution strides by 2


ROW_RATE: Final = exact_div(SAMPLE_RATE, MEL_HOP)  # Hz


BLOCK_STEPS: Final = 8 * FEATURE_RATE  # steps whose sound and rows are in memory together


BATCH_STEPS: Final = 25  # windows per pass of a network


class SpeechFrontEnd(Protocol):
    """`name` travels in checkpoints; `dim` is D."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        """Mono sound [S] at 16 kHz in [-1, 1] -> float32 [T25, D], T25 = ceil(S / 640).

        Row t belongs to the samples [640 t, 640 (t + 1)). `on_block(done, total)` counts steps
        and may raise to stop.
        """
        ...


def count_steps(samples: int) -> int:
    """Feature rows of a sound of `samples` samples; the last one may be partly silence."""
    return -(-samples // STEP)


def by_blocks(
    audio: Samples,
    dim: int,
    read_block: Callable[[Samples, int, int], Tensor],
    on_block: OnBlock | None,
) -> Samples:
    """[S] -> [T25, dim], with the rows of `read_block(audio, first, last)` for a block of steps."""
    if audio.ndim != 1:
        raise ValueError(f"audio must be mono, [S]; its shape is {audio.shape}")
    total = count_steps(len(audio))
    features = np.empty((total, dim), np.float32)
    for first in range(0, total, BLOCK_STEPS):
        last = min(first + BLOCK_STEPS, total)
        with torch.inference_mode():
            features[first:last] = read_block(audio, first, last).cpu().numpy()
        if on_block is not None:
            on_block(last, total)
    return features


def excerpt(audio: Samples, start: int, end: int) -> Samples:
    """Samples `[start, end)`; silence beyond the ends and where a sample is not a number."""
    inside = np.asarray(audio[max(start, 0) : max(end, 0)], np.float32)
    left = max(0, min(-start, end - start))
    padded = np.pad(inside, (left, end - start - left - len(inside)))
    return np.nan_to_num(padded, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
