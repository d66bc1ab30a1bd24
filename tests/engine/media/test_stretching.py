"""Longer and shorter sound: length, pitch and moments, measured on made-up sound."""

from __future__ import annotations

import numpy as np
import pytest

from stylesync_engine.media import stretch
from stylesync_engine.media.sound import Sound
from stylesync_engine.request import RequestError

RATE = 48_000


def bursts(moments: list[float], seconds: float) -> Sound:
    """Noise of 10 ms at each moment."""
    rng = np.random.default_rng(0)
    sound = 1e-4 * rng.standard_normal(round(seconds * RATE)).astype(np.float32)
    for moment in moments:
        first = round(moment * RATE)
        sound[first : first + 480] += rng.standard_normal(480).astype(np.float32)
    return sound[None]


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.05, 1.1])
def test_pitch_stays_and_moments_follow(factor: float) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(3 * RATE) / RATE).astype(np.float32)[None]
    longer = stretch(tone, RATE, factor)
    assert longer.shape == (1, round(3 * RATE * factor))
    middle = longer[0, RATE : 2 * RATE] * np.hanning(RATE)
    assert abs(int(np.abs(np.fft.rfft(middle)).argmax()) - 220) <= 1
    moments = [0.5, 1.25, 2.0, 2.75]
    heard = stretch(bursts(moments, 3), RATE, factor)[0]
    energy = np.convolve(np.square(heard), np.ones(480), "same")
    for moment in moments:
        first = round((moment * factor - 0.05) * RATE)
        found = (first + int(energy[first : first + RATE // 10].argmax()) - 240) / RATE
        assert abs(found - moment * factor) < 0.025


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_channels_stay_together(channels: int) -> None:
    sound = np.repeat(bursts([0.1, 0.4], 0.6), channels, axis=0)
    longer = stretch(sound, RATE, 1.05)
    assert longer.shape == (channels, round(0.6 * RATE * 1.05))
    assert (longer == longer[:1]).all()


def test_one_is_the_same_sound_and_nonsense_is_refused() -> None:
    sound = bursts([0.1], 0.2)
    assert stretch(sound, RATE, 1) is sound
    for factor in (0, 0.4, 2.5, float("nan")):
        with pytest.raises(RequestError, match="cannot become"):
            stretch(sound, RATE, factor)
