"""What a panel shows of its media: facts, small pictures, faces, and the sound."""

from __future__ import annotations

import os
import re
import wave
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import soundfile

from stylesync_engine.faces.landmarker import MediaPipeLandmarker
from stylesync_engine.faces.tracking import THUMBNAIL, is_cut
from stylesync_engine.files import Written, appearing, refuse_overwriting
from stylesync_engine.media import files_of, probe_video, read_audio, read_audio_blocks, read_frames
from stylesync_engine.media.sound import fit_blocks
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.request import FrameRange, MediaError, RequestError

HEIGHTS = range(8, 2161)
BINS = range(1, 200_001)
# An hour then takes 58 MB while it is read, and the loudness is still that of the ear.
WAVEFORM_HZ = 4000
# Frames nearer than this are decoded in one go: that is quicker than to seek again.
SEEK_FRAMES = 50
PLAYBACK_HZ = 48000
SAMPLES_OF_A_SURVEY = range(1, 101)


def facts(path: str) -> dict[str, Any]:
    """What a file holds: `picture` and `sound`, each null where there is none.

    The rate is a ratio such as `"30000/1001"`. Raises MediaError where the file holds neither.
    """
    sound = None
    try:
        info = probe_video(path)
        picture = {
            "rate": f"{info.rate.numerator}/{info.rate.denominator}",
            "frames": info.frames,
            "width": info.width,
            "height": info.height,
            "timecode": info.timecode,
            "variable": info.variable_rate,
        }
    except MediaError:
        return {"picture": None, "sound": _sound_facts(path)}
    if info.audio:
        sound = _sound_facts(path, info.audio[0].sample_rate)
    return {"picture": picture, "sound": sound}


def survey(video: str, frames: FrameRange, samples: int) -> dict[str, Any]:
    """Faces in `samples` frames spread over a range, and the first frames after a cut in it.

    Boxes are `[x0, y0, x1, y1]` in px of the upright picture. Raises MediaError, RequestError.
    """
    if samples not in SAMPLES_OF_A_SURVEY:
        raise RequestError("Ask for 1 to 100 samples.")
    spread = np.linspace(frames.start, frames.end - 1, min(samples, len(frames)))
    wanted = {round(float(frame)) for frame in spread}
    landmarker = MediaPipeLandmarker()
    found: list[dict[str, Any]] = []
    cuts: list[int] = []
    before: npt.NDArray[np.uint8] | None = None
    for frame in read_frames(video, frames):
        small = frame.image.shrink(*THUMBNAIL)
        if before is not None and is_cut(before, small):
            cuts.append(frame.index)
        before = small
        if frame.index in wanted:
            boxes = [[round(float(v), 1) for v in d.box] for d in landmarker.detect(frame.image)]
            found.append({"frame": frame.index, "boxes": boxes})
    info = probe_video(video)
    return {"size": [info.width, info.height], "faces": found, "cuts": cuts}


def write_playback_sound(path: str, output: Path) -> None:
    """Write a file's sound as 48 kHz stereo WAV, 16 bit; it appears whole or not at all.

    Sample 0 is heard with the first frame of the picture. Raises MediaError and DiskError.
    """
    refuse_overwriting({"clip": files_of(path)}, [Written.one(output)])
    blocks = read_audio_blocks(path, PLAYBACK_HZ)
    first = next(blocks)  # what is wrong with the input is said before there is a folder
    with (
        appearing(output) as draft,
        draft.open("wb") as place,  # which says what is wrong with it as the system does
        wave.open(place, "wb") as file,
    ):
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(PLAYBACK_HZ)
        for block in chain((first,), blocks):
            stereo = block[:2] if len(block) > 1 else np.repeat(block, 2, axis=0)
            rounded = np.rint(np.clip(stereo.T, -1, 1) * 32767).astype("<i2")
            file.writeframesraw(rounded.tobytes())


def thumbnails(
    video: str, frames: Sequence[int], height: int, folder: Path
) -> Iterator[tuple[int, Path]]:
    """Write `frame_000012.png` of each wanted frame into `folder`, `height` px high.

    Yields (frame, file) as soon as the file is whole, in the order of time. Frames behind the
    end of the video are left out. Raises MediaError, RequestError and DiskError.
    """
    if height not in HEIGHTS or any(frame < 0 for frame in frames):
        raise RequestError("Ask for frames from 0 on and for a height of 8 to 2160 px.")
    refuse_overwriting({"clip": files_of(video)}, [_thumbnails_in(folder)])
    count = probe_video(video).frames
    for stretch in _stretches(sorted({frame for frame in frames if frame < count})):
        wanted = set(stretch)
        for frame in read_frames(video, FrameRange(stretch[0], stretch[-1] + 1)):
            if frame.index in wanted:
                path = folder / f"frame_{frame.index:06d}.png"
                write_png(path, reduce_to_height(frame.to_rgb(), height))
                yield frame.index, path


def rendered(
    work: Path, frames: Sequence[int], height: int, folder: Path
) -> Iterator[tuple[int, Path]]:
    """The same pictures of a dub that is still being rendered, as far as its windows are done.

    Frames count from the start of the dub's range. Raises RequestError where there is no plan yet,
    or no consent that the dub needs.
    """
    from stylesync_engine.assembling.frames import CropPlacer
    from stylesync_engine.plan.plan import Plan
    from stylesync_engine.plan.sources import shot_of
    from stylesync_engine.plan.warps import Warps
    from stylesync_engine.plan.windows import load_window

    plan = Plan.load(work)
    check_consent(plan.request)
    refuse_overwriting({"clip": files_of(plan.request.video)}, [_thumbnails_in(folder)])
    place = CropPlacer(plan, Warps(plan, work))
    positions = {int(frame): position for position, frame in enumerate(plan.shown)}
    start, shot = plan.frames.start, shot_of(plan.request)
    for stretch in _stretches(sorted({f for f in frames if 0 <= f < len(plan.frames)})):
        for frame in read_frames(shot, FrameRange(start + stretch[0], start + stretch[-1] + 1)):
            index = frame.index - start
            if index not in stretch:
                continue
            if index in positions:
                i = positions[index]
                name, window = plan.window_at(i)
                crops = load_window(work, name)
                if crops is None:
                    continue
                crop = place(frame.image, crops[i - window.start].astype(np.float32), i)
                image = frame.image.lay_over(*crop)
                frame = frame.with_image(image)
            path = folder / f"frame_{index:06d}.png"
            write_png(path, reduce_to_height(frame.to_rgb(), height))
            yield index, path


def waveform(
    path: str,
    bins: int,
    samples: tuple[int, int] | None = None,
    seconds: float | None = None,
    track: int | None = None,
) -> dict[str, Any]:
    """The loudest sample of each of `bins` equal parts of the sound, [0, 1], and its length in s.

    Of a part of the sound where `samples` of the file, the end excluded, are given; cut off or
    filled up with silence to `seconds`. All channels count. Parts without a sample are 0. Raises
    MediaError and RequestError.
    """
    if bins not in BINS:
        raise RequestError(f"Ask for {BINS.start} to {BINS.stop - 1} bins.")
    first, last = samples or (None, None)
    read = read_audio_blocks(path, WAVEFORM_HZ, first, last, track=track)
    wanted = None if seconds is None else round(seconds * WAVEFORM_HZ)
    blocks = read if wanted is None else fit_blocks(read, wanted)
    parts = [np.abs(block).max(axis=0) for block in blocks if block.shape[1]]
    loudness = np.concatenate([np.zeros(0, np.float32), *parts])
    peaks = np.zeros(bins, np.float32)
    np.maximum.at(peaks, np.arange(len(loudness)) * bins // max(len(loudness), 1), loudness)
    return {
        "peaks": [round(float(peak), 4) for peak in np.minimum(peaks, 1.0)],
        "seconds": len(loudness) / WAVEFORM_HZ,
    }


def reduce_to_height(picture: npt.NDArray[np.uint8], height: int) -> npt.NDArray[np.uint8]:
    """[H, W, 3] -> [height, W', 3], the same shape of picture."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    method = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def write_png(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write an RGB picture [H, W, 3]; the file appears when it is whole. Raises DiskError."""
    with appearing(path) as draft:
        _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        draft.write_bytes(data.tobytes())


def _thumbnails_in(folder: Path) -> Written:
    return Written(folder, re.compile(r"frame_\d{6,}\.png"))


def _sound_facts(path: str, rate: int | None = None) -> dict[str, Any]:
    """Rate in Hz and samples, counted from the picture's first frame."""
    try:
        known = soundfile.info(os.fsencode(path))
        return {"sample_rate": known.samplerate, "samples": known.frames}
    except (soundfile.LibsndfileError, OSError):
        pass
    if rate is None:
        sound, rate = read_audio(path)
        return {"sample_rate": rate, "samples": sound.shape[1]}
    samples = sum(block.shape[1] for block in read_audio_blocks(path))
    return {"sample_rate": rate, "samples": samples}


def _stretches(frames: list[int]) -> Iterator[list[int]]:
    """Split rising frame numbers where a seek is worth it."""
    leaps = np.cumsum(np.diff(frames, prepend=frames[:1]) > SEEK_FRAMES)
    for _, stretch in groupby(zip(leaps, frames, strict=True), key=lambda pair: int(pair[0])):
        yield [frame for _, frame in stretch]
