"""Clips made for a dub: the frames that a retimed clip shows, at the timeline's rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.request import FrameRange
from stylesync_plugin.planning.plan import Conform, PlannedDub
from stylesync_plugin.planning.recordings import record

if TYPE_CHECKING:
    from stylesync_engine.media import Frame


def make_media(dub: PlannedDub) -> None:
    """Make the recordings and the conformed clip that a dub needs and that are not there yet.

    Their names come from their content, and they appear whole or not at all.
    """
    for recording in dub.recordings:
        if not Path(recording.path).exists():
            record(recording)
    if dub.conform is not None and not Path(dub.conform.output).exists():
        conform(dub.conform)


def conform(wish: Conform) -> None:
    """Write the clip, lossless and in the source's own pixels; raises MediaError, DiskError."""
    from stylesync_engine.media import Clip, Reading, VideoWriter, probe_video

    # Numbered images need a rate, whichever: they are taken by their frames.
    clip = Clip(wish.video, Reading(wish.rate))
    info = probe_video(clip)
    count = len(wish.frames)
    like = dataclasses.replace(
        info, rate=wish.rate, frames=count, time_base=1 / wish.rate, duration=count / wish.rate,
        timecode=None, audio=(), variable_rate=False, missing_frames=0,
    )  # fmt: skip
    Path(wish.output).parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(wish.output, like, "ffv1") as writer:
        for frame in _retimed(wish):
            writer.write(frame)


def _retimed(wish: Conform) -> Iterator[Frame]:
    """The wanted frames, each as often as it is shown; they come in rising order."""
    from stylesync_engine.media import Clip, Frame, Reading, read_frames

    counts = {number: len(list(same)) for number, same in groupby(wish.frames)}
    index, step = 0, Fraction(1) / wish.rate
    wanted = FrameRange(wish.frames[0], wish.frames[-1] + 1)
    for frame in read_frames(Clip(wish.video, Reading(wish.rate)), wanted):
        for _ in range(counts.get(frame.index, 0)):
            yield Frame(index, index * step, step, frame.image)
            index += 1
