"""What a dub is made of: checked before any work is done, and known again afterwards."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stylesync_engine import __version__
from stylesync_engine.media import Reading, VideoInfo, files_of, probe_sound, probe_video
from stylesync_engine.media.codecs import check_output
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.origin.mark import check_mark
from stylesync_engine.origin.studio import choose_signer
from stylesync_engine.pictures.colour import check_space, is_ambiguous
from stylesync_engine.preparing.shots import check_range
from stylesync_engine.request import DubRequest, FrameRange, MediaError, RequestError, parse_rate
from stylesync_engine.weights.loading import Models

_PLACES = ("output", "work", "person", "consent")
_FILES = ("video", "speech", "style", "style_speech")
_WRITING = (
    *("device", "codec", "delivery", "credentials", "mark", "models"),
    *("keep_sound", "match_loudness", "burn_in"),
)
_COMPUTING = ("torch", "numpy", "scipy", "opencv-python", "av", "librosa", "ai-edge-litert")
_WHOLE, _BLOCK, _BLOCKS = 2**30, 2**20, 1024


def check_request(request: DubRequest) -> None:
    """See before any work is done that the request fits its media and can be written.

    Raises a DubError, one sentence, for the first thing that does not.
    """
    options = request.options
    check_consent(request)
    choose_signer(request)
    check_mark(request)
    check_output(request.output, options.codec)
    if options.colour_space is not None:
        check_space(options.colour_space)
    resolve_range(request, _usable(request, request.video))
    probe_sound(request.speech)
    if request.style:
        check_range(request.style, request.style_frames, _usable(request, request.style))
    elif options.appearance == "style":
        raise RequestError("--appearance style needs a style clip; give one with --style.")
    appearance, frames = appearance_clip(options.appearance)
    if appearance:
        check_range(appearance, frames, _usable(request, appearance))


def reading_of(request: DubRequest, path: str) -> Reading:
    """How a clip of the request is to be read; the colour space is that of the shot alone."""
    options = request.options
    return Reading(
        rate=parse_rate(options.rate) if options.rate else None,
        colour_space=options.colour_space if path == request.video else None,
        deinterlace=options.deinterlace,
    )


def probe_clip(request: DubRequest, path: str) -> VideoInfo:
    """What a clip of the request is, read as the request wants it."""
    return probe_video(path, reading_of(request, path))


def resolve_range(request: DubRequest, info: VideoInfo) -> FrameRange:
    """The frames to dub. Raises RequestError where the range or the click leaves the clip."""
    frames = check_range(request.video, request.frames, info)
    if request.speaker is not None and request.speaker.frame not in frames:
        raise RequestError(
            f"The speaker point lies in frame {request.speaker.frame}, outside of {frames};"
            " click in a frame of the range."
        )
    return frames


def appearance_clip(appearance: str) -> tuple[str | None, FrameRange | None]:
    """`FILE[:A:B]` -> the file and its frames; no file where the shot or the style serves."""
    if appearance in ("auto", "shot", "style"):
        return None, None
    head, _, last = appearance.rpartition(":")
    name, _, first = head.rpartition(":")
    if name and first.isdecimal() and last.isdecimal():
        return name, FrameRange(int(first), int(last))
    return appearance, None


def describe_inputs(request: DubRequest, models: Models) -> dict[str, Any]:
    """What the pixels depend on: files by their contents, options, models, engine, packages.

    Names are left out: on another machine the same files may lie elsewhere.
    """
    # By way of the text, so that a request that was read from a plan gives the same.
    data = json.loads(DubRequest.from_json(request.to_json()).to_json())
    for name in (*_PLACES, *_FILES):
        data.pop(name, None)
    for name in _WRITING:
        data["options"].pop(name, None)
    clip, frames = appearance_clip(request.options.appearance)
    if clip:
        data["options"]["appearance"] = f"file {frames}"
    return {**describe_surroundings(request), "options": data, "models": models.fingerprint}


def describe_surroundings(request: DubRequest) -> dict[str, Any]:
    """The part of the inputs that is known without loading models."""
    return {"files": identify_files(request), "packages": _packages(), "engine": __version__}


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """sha256 of the inputs that `describe_inputs` has found."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def name_difference(planned: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """With what a plan was made that is not what is `here`; None where nothing differs."""
    for name, value in here.items():
        before = planned.get(name)
        if before == value:
            continue
        if name not in ("files", "packages") or not isinstance(before, dict):
            return f"other {name}"
        other = next(key for key in {**before, **value} if before.get(key) != value.get(key))
        if name == "files":
            return f"another {other} file"
        return f"{other} {before.get(other)}, and here is {value.get(other)}"
    return None


def identify_files(request: DubRequest) -> dict[str, str]:
    """Each file that the request reads, by its role, and by what its contents are known again."""
    paths = {name: getattr(request, name) for name in _FILES}
    paths["appearance"] = appearance_clip(request.options.appearance)[0]
    return {name: identify_file(path) for name, path in paths.items() if path}


def identify_file(path: str) -> str:
    """A file, or the images of a sequence, by size and the sha256 of the contents, all of them up
    to 1 GiB a file.

    Of a larger file a thousand blocks are read that are spread over the whole of it, first and
    last bytes included: what took seconds once must not take minutes for each of a film's dubs.
    A file is read once a process and again only when it has changed.
    """
    try:
        found = [_identify_one(file) for file in files_of(path)]
    except OSError as error:
        raise MediaError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def _identify_one(path: Path) -> str:
    status = path.stat()
    mark = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return f"{status.st_size}:{_hash_contents(str(path), mark)}"


@functools.lru_cache(maxsize=2**16)
def _hash_contents(path: str, mark: tuple[int, int, int, int]) -> str:
    size, digest = mark[0], hashlib.sha256()
    with Path(path).open("rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        for block in range(_BLOCKS):
            file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


@functools.cache
def _packages() -> dict[str, str]:
    """Versions of what computes pixels; builds of one version for several devices are one."""
    return {name: version(name).partition("+")[0] for name in _COMPUTING}


def _usable(request: DubRequest, path: str) -> VideoInfo:
    """Raises MediaError for fields, which would tear the mouth, and for unclear colours."""
    info = probe_clip(request, path)
    if info.interlaced:
        raise MediaError(f"'{path}' is interlaced; give --deinterlace to make its fields frames.")
    tags = info.colour
    if not info.reading.colour_space and is_ambiguous(tags.primaries, tags.transfer, tags.matrix):
        raise MediaError(
            f"'{path}' is BT.2020 and does not say whether it is PQ, HLG or SDR; tag it, or give"
            " --colour-space pq, hlg or bt709 (SDR) with the shot."
        )
    return info
