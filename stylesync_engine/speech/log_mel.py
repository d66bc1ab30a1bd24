"""Log-mel rows, levelled locally, and the front end that is nothing else."""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylesync_engine.speech.features import (
    CPU,
    FFT_SIZE,
    MEL_BANDS,
    MEL_HOP,
    ROW_RATE,
    ROWS_PER_STEP,
    SAMPLE_RATE,
    TOKENS_PER_STEP,
    OnBlock,
    Samples,
    by_blocks,
    excerpt,
)

LOG_RANGE: Final = 8.0  # log10 of power kept below the level, as Whisper keeps it


SPEECH_LEVEL: Final = 1.0  # log10 mel power to which the level is brought: speech at a usual volume


MOST_GAIN: Final = 3.0  # log10 of power (30 dB): fainter sound stays faint, silence stays silent


LEVEL_REACH: Final = 2 * ROW_RATE  # rows to either side that set the level


LEVEL_EASE: Final = ROW_RATE // 2  # rows to either side over which the level glides


LEVEL_MARGIN: Final = LEVEL_REACH + LEVEL_EASE


_HERTZ: Final = 200 / 3  # of a mel, up to
_LINEAR_TO: Final = 1000.0  # Hz, and above
_LOG_STEP: Final = math.log(6.4) / 27  # of the frequency's logarithm


class LogMelFrontEnd:
    """The plain baseline: 80 mel bands, two rows of 20 ms a step, D = 160."""

    name: Final = "log-mel"
    dim: Final = TOKENS_PER_STEP * MEL_BANDS

    def __init__(self, device: torch.device = CPU) -> None:
        self._device = device

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        return by_blocks(audio, self.dim, self._read_block, on_block)

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        rows = levelled_mel(audio, first * ROWS_PER_STEP, last * ROWS_PER_STEP, self._device)
        pairs = rows.view(-1, 2, MEL_BANDS).mean(1)  # [2 steps, 80]
        return pairs.reshape(last - first, self.dim)


def levelled_mel(audio: Samples, first: int, last: int, device: torch.device) -> Tensor:
    """Log-mel rows `[first, last)` -> [rows, 80], scaled as Whisper's; row r lies at sample 160 r.

    The level is the loudest band within 2 s, gliding; it is brought to that of usual speech by at
    most 30 dB up (any amount down), so quiet recordings read like loud ones and noise floors
    do not.
    """
    rows = _log_mel(audio, first - LEVEL_MARGIN, last + LEVEL_MARGIN, device)
    peaks = rows.amax(1)[None, None]  # [1, 1, rows + 2 margins]
    loudest = F.max_pool1d(peaks.clamp_min(SPEECH_LEVEL - MOST_GAIN), 2 * LEVEL_REACH + 1, 1)
    ease = torch.hann_window(2 * LEVEL_EASE + 3, periodic=False, device=device)[1:-1]
    level = F.conv1d(loudest, (ease / ease.sum())[None, None])[0, 0]  # [rows]
    relative = rows[LEVEL_MARGIN : LEVEL_MARGIN + last - first] - level[:, None]
    return (relative.clamp_min(-LOG_RANGE) + SPEECH_LEVEL + 4.0) / 4.0


def _log_mel(audio: Samples, first: int, last: int, device: torch.device) -> Tensor:
    """log10 of mel power, rows `[first, last)` -> [rows, 80]; 1e-10 is the least power."""
    half = FFT_SIZE // 2
    sound = excerpt(audio, first * MEL_HOP - half, (last - 1) * MEL_HOP + half)
    frames = torch.from_numpy(sound).to(device).unfold(0, FFT_SIZE, MEL_HOP)
    spectrum = torch.fft.rfft(frames * torch.hann_window(FFT_SIZE, device=device))
    power = spectrum.real.square() + spectrum.imag.square()  # [rows, 201]
    mel: Tensor = power @ _mel_filters().to(device).T
    return mel.clamp_min(1e-10).log10()


@functools.cache
def _mel_filters() -> Tensor:
    """Slaney's mel filters [80, 201], which are Whisper's too: triangles of one area between bands
    that are even in mels (Auditory Toolbox, 1998). The library that has them takes longer to load
    than to hear a minute."""
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
    least, most = _LINEAR_TO / _HERTZ, np.log(SAMPLE_RATE / 2 / _LINEAR_TO) / _LOG_STEP
    mels = np.linspace(0, least + most, MEL_BANDS + 2)
    edges = np.where(mels < least, mels * _HERTZ, _LINEAR_TO * np.exp(_LOG_STEP * (mels - least)))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return torch.from_numpy((triangles * (2 / (high - low))).astype(np.float32))
