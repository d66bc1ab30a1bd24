"""Loudness of a track after ITU-R BS.1770-4, measured by FFmpeg's `ebur128`."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

import av
from av.filter import Graph

from stylesync_engine.media.sound import Track, even_blocks

_SHORTEST: Final = 0.4
"""Seconds that a measurement needs: BS.1770's block."""

_SILENCE: Final = -70.0
"""LUFS, below which a block counts as silence."""

_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Where a track's channels stand, by their number: the surrounds weigh more."""

_SAMPLES_AT_ONCE: Final = 1 << 16


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
