"""Loudness of a track after ITU-R BS.1770."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stylesync_engine.media.sound import Track, even_blocks, fit_blocks

_BLOCK: Final = 0.4  # s that a measurement of loudness needs (ITU-R BS.1770)


_STEPS: Final = 4  # per block: blocks overlap by three quarters


_SAMPLES_AT_ONCE: Final = 1 << 18


_GAINS: Final = (1.0, 1.0, 1.0, 1.41, 1.41)  # left, right, centre and the surrounds


_OFFSET: Final = -0.691  # LU


_GATE: Final = -70.0  # LUFS, below which a block counts as silence


def measure_loudness(track: Track) -> float | None:
    """Integrated loudness in LUFS (BS.1770-4); None for silence and below 0.4 s."""
    if track.length < math.ceil(_BLOCK * track.rate):
        return None
    if track.channels > len(_GAINS):
        track = _as_mono(track)
    energies = np.array(_GAINS[: track.channels]) @ _step_energies(track)
    powers = sliding_window_view(energies, _STEPS).sum(axis=1) / (_BLOCK * track.rate)
    powers = powers[powers > 10 ** ((_GATE - _OFFSET) / 10)]
    if not powers.size:
        return None
    powers = powers[powers > powers.mean() / 10]  # the relative gate, 10 LU below
    return round(_OFFSET + 10 * math.log10(powers.mean()), 2)


def _as_mono(track: Track) -> Track:
    return track.through(lambda block: block.mean(axis=0, keepdims=True), channels=1)


def _step_energies(track: Track) -> NDArray[np.float64]:
    """What each 0.1 s of each channel holds after K-weighting, `[C, steps]`."""
    from pyloudnorm import IIRfilter  # all of SciPy's signal processing, for half a second
    from scipy.signal import lfilter

    rate = track.rate
    filters = (
        IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf"),
        IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"),
    )
    steps = int(track.length * _STEPS / (_BLOCK * rate) + 1e-6)
    bounds = np.round(np.arange(steps + 1) * _BLOCK * rate / _STEPS).astype(int)
    sums = np.zeros((track.channels, steps))
    states = [np.zeros((track.channels, 2)) for _ in filters]
    start = 0
    for block in even_blocks(fit_blocks(track.blocks(), int(bounds[-1])), _SAMPLES_AT_ONCE):
        part = block.astype(np.float64)
        for number, weighting in enumerate(filters):
            part, states[number] = lfilter(weighting.b, weighting.a, part, zi=states[number])
            part *= weighting.passband_gain
        end = start + block.shape[1]
        first, last = np.searchsorted(bounds, (start, end - 1), side="right") - 1
        edges = np.maximum(bounds[first : last + 1] - start, 0)
        sums[:, first : last + 1] += np.add.reduceat(np.square(part), edges, axis=1)
        start = end
    return sums
