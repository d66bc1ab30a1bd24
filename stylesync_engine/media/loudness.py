"""Loudness of a track after ITU-R BS.1770-4, measured by FFmpeg's `ebur128`, and who speaks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.filter import Graph

from stylesync_engine.media.sound import Sound, Track, even_blocks
from stylesync_engine.request import MediaError

_SHORTEST: Final = 0.4
"""Seconds that a measurement needs: BS.1770's block."""

_SILENCE: Final = -70.0
"""LUFS, below which a block counts as silence."""

_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Where a track's channels stand, by their number: the surrounds weigh more."""

_SAMPLES_AT_ONCE: Final = 1 << 16

_SURVEYED: Final = 600
"""Seconds of sound in which it is looked who speaks."""
_STEPS: Final = 50
"""Parts of a second whose energies are looked at."""
_RESTS: Final = 0.3
"""Share of its time in which speech rests at least."""
_COMES_AND_GOES: Final = 0.1
"""Share of a sound's energy above its floor from which it is no hum, noise or tone."""
HUMS: Final = 0.001
"""Share of the others' speech below which a channel's own is none."""


def measure_loudness(track: Track) -> float | None:
    """Integrated loudness in LUFS; None for silence and for less than 0.4 s."""
    if track.length < _SHORTEST * track.rate:
        return None
    if track.channels not in _LAYOUTS:
        track = track.as_mono()
    graph, told = _meter(track), _SILENCE
    for block in even_blocks(track.blocks(), _SAMPLES_AT_ONCE):
        frame = av.AudioFrame.from_ndarray(block.copy(), "fltp", _LAYOUTS[track.channels])
        frame.sample_rate = track.rate
        graph.push(frame)
        told = _told(graph, told)
    graph.push(None)
    told = _told(graph, told)
    return None if told <= _SILENCE else round(told, 2)


def _meter(track: Track) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=track.rate,
        format="fltp",
        layout=_LAYOUTS[track.channels],
        time_base=Fraction(1, track.rate),
    )
    meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph


def _told(graph: Graph, before: float) -> float:
    """The loudness of all that was heard until now, LUFS."""
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            frame: Any = graph.pull()
            before = float(frame.metadata.get("lavfi.r128.I", before))
    return before


@dataclass(frozen=True, slots=True)
class Powers:
    """Energies of a mono mix and of each channel: `mixed` and `voices` of what comes and goes as
    speech does, `totals` of all but a constant offset."""

    mixed: float
    voices: tuple[float, ...]
    totals: tuple[float, ...]


def measure_powers(blocks: Iterable[Sound], weights: Sound, rate: int) -> Powers:
    """Of the first minutes of `[C, S]`, mixed by `weights` `[C]`; 0 where nothing decodes."""
    found = [np.zeros((1 + len(weights), 1))]
    with suppress(MediaError):
        for block in even_blocks(blocks, rate):
            whole = np.concatenate([(weights @ block)[None], block]).astype(np.float64)
            steps = max(1, whole.shape[1] * _STEPS // rate)
            parts = np.array_split(whole, steps, axis=1)
            found.append(np.stack([part.var(axis=1) * part.shape[1] for part in parts], axis=1))
            if len(found) > _SURVEYED:
                break
    energies = np.concatenate(found, axis=1)
    totals = energies.sum(axis=1)
    floor = 2 * np.quantile(energies, _RESTS, axis=1, keepdims=True)
    voices = np.maximum(energies - floor, 0).sum(axis=1)
    voices = np.where(voices > _COMES_AND_GOES * totals, voices, HUMS**2 * totals)
    return Powers(float(voices[0]), tuple(voices[1:]), tuple(totals[1:]))
