"""Clips and sound in and out, streaming; the only package that knows PyAV.

Time is exact: rates and times are fractions, frames count from 0 in presentation order, and
sound is addressed by sample from the moment of the clip's first frame.
"""

from stylesync_engine.media.clips import (
    PLAIN,
    AudioTrack,
    Clip,
    ColourTags,
    Frame,
    Reading,
    VideoInfo,
)
from stylesync_engine.media.codecs import check_output
from stylesync_engine.media.exr import ExrPart
from stylesync_engine.media.hearing import (
    note_on_track,
    probe_sound,
    read_audio,
    read_audio_blocks,
    sounds_alone,
    spoken_track,
)
from stylesync_engine.media.probing import duration_of, probe_video, snap_rate
from stylesync_engine.media.reading import read_frames
from stylesync_engine.media.sequences import files_of
from stylesync_engine.media.sound import write_audio
from stylesync_engine.media.stretching import stretch
from stylesync_engine.media.writing import VideoWriter

__all__ = [
    "PLAIN",
    "AudioTrack",
    "Clip",
    "ColourTags",
    "ExrPart",
    "Frame",
    "Reading",
    "VideoInfo",
    "VideoWriter",
    "check_output",
    "duration_of",
    "files_of",
    "note_on_track",
    "probe_sound",
    "probe_video",
    "read_audio",
    "read_audio_blocks",
    "read_frames",
    "snap_rate",
    "sounds_alone",
    "spoken_track",
    "stretch",
    "write_audio",
]
