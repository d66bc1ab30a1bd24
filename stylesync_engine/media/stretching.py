"""Sound made longer or shorter with its pitch kept, by FFmpeg's `atempo`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.filter import Graph

from stylesync_engine.media.sound import Sound
from stylesync_engine.request import RequestError

LEAST: Final = 0.5
MOST: Final = 2.0
"""Between these `atempo` leaves nothing of the sound out."""
_BLOCK: Final = 1 << 12
"""Samples that go into the filter at a time."""


def stretch(sound: Sound, rate: int, factor: float) -> Sound:
    """Sound `[C, S]` at `rate` Hz -> `[C, round(S * factor)]`; its moments lie within 20 ms of
    `factor` times where they were. All channels are cut at the same samples.

    Raises RequestError for a factor outside of 0.5 to 2.
    """
    if not LEAST <= factor <= MOST:
        said = f"A sound cannot become {factor:g} times as long; give {LEAST:g} to {MOST:g}."
        raise RequestError(said, "stretch")
    if factor == 1 or not sound.shape[1]:
        return sound
    stretched = np.zeros((len(sound), round(sound.shape[1] * factor)), np.float32)
    given = 0
    for block in _filtered(sound, rate, factor):
        room = stretched[:, given : given + block.shape[1]]
        room[:] = block[:, : room.shape[1]]
        given += block.shape[1]
    return stretched


def _filtered(sound: Sound, rate: int, factor: float) -> Iterator[Sound]:
    layout, tick = f"{len(sound)}C", Fraction(1, rate)
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout=layout, time_base=tick)
    tempo, sink = graph.add("atempo", f"{1 / factor:.9f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    for first in range(0, sound.shape[1], _BLOCK):
        block = np.ascontiguousarray(sound[:, first : first + _BLOCK].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, tick
        graph.push(frame)
        yield from _waiting(graph, len(sound))
    graph.push(None)
    yield from _waiting(graph, len(sound))


def _waiting(graph: Graph, channels: int) -> Iterator[Sound]:
    """What the filter has ready."""
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield np.asarray(graph.pull().to_ndarray(), np.float32).reshape(-1, channels).T
