"""What a dub is made of: checked before any work is done, and known again afterwards."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

from stylesync_engine import __version__
from stylesync_engine.checkpoints import Models
from stylesync_engine.colour import check_space, is_ambiguous
from stylesync_engine.consent import check_consent
from stylesync_engine.delivery import check_output
from stylesync_engine.marking import check_mark
from stylesync_engine.media import Reading, VideoInfo, files_of, probe_sound, probe_video
from stylesync_engine.request import DubRequest, FrameRange, MediaError, RequestError
from stylesync_engine.shots import check_range
from stylesync_engine.studio import choose_signer

_PLACES = ("output", "work", "person", "consent")
_WRITING = ("device", "codec", "delivery", "credentials", "mark")


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
        rate=Fraction(options.rate) if options.rate else None,
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


def fingerprint(request: DubRequest, models: Models) -> str:
    """What the pixels depend on: inputs, options, models, engine."""
    # By way of the text, so that a request that was read from a plan gives the same.
    data = json.loads(DubRequest.from_json(request.to_json()).to_json())
    for name in _PLACES:
        data.pop(name, None)
    for name in _WRITING:
        data["options"].pop(name, None)
    data["files"] = identify_files(request)
    data["models"], data["engine"] = models.fingerprint, __version__
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def identify_files(request: DubRequest) -> dict[str, str]:
    """Each file that the request reads, and by what it is known again."""
    paths = [request.video, request.speech, request.style, request.style_speech]
    paths.append(appearance_clip(request.options.appearance)[0])
    return {path: _identity(path) for path in paths if path}


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


def _identity(path: str) -> str:
    """A file by size and by its first and last MiB, an image sequence by its images' sizes and its
    ends: enough to see that it was exchanged."""
    digest, size = hashlib.sha256(), 0
    try:
        files = files_of(path)
        for image in files:
            size += image.stat().st_size
            digest.update(b"" if len(files) == 1 else f"{image.stat().st_size} ".encode())
        for image, end in ((files[0], 0), (files[-1], 2)):
            with image.open("rb") as file:
                file.seek(max(0, file.seek(0, end) - 2**20) if end else 0)
                digest.update(file.read(2**20))
    except OSError as error:
        raise MediaError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    return f"{size}:{digest.hexdigest()}"
