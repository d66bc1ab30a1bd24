"""What is seen of a request before any work is done: that it fits its media and can be written."""

from __future__ import annotations

from stylesync_engine.media import VideoInfo, probe_sound, probe_video
from stylesync_engine.media.codecs import check_output
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.origin.mark import check_mark
from stylesync_engine.origin.signers import choose_signer
from stylesync_engine.pictures.colour import check_space, is_ambiguous
from stylesync_engine.plan.places import check_places
from stylesync_engine.plan.sources import appearance_clip, check_range, clip_of, resolve_range
from stylesync_engine.request import DubRequest, MediaError, RequestError


def check_request(request: DubRequest) -> None:
    """See before any work is done that the request fits its media and can be written.

    Raises a DubError, one sentence, for the first thing that does not.
    """
    options = request.options
    check_consent(request)
    choose_signer(request)
    check_mark(request)
    check_output(request.output, options.codec)
    check_places(request)
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


def _usable(request: DubRequest, path: str) -> VideoInfo:
    """Raises MediaError for fields, which would tear the mouth, and for unclear colours."""
    info = probe_video(clip_of(request, path))
    if info.interlaced:
        raise MediaError(f"'{path}' is interlaced; give --deinterlace to make its fields frames.")
    tags = info.colour
    if not info.reading.colour_space and is_ambiguous(tags.primaries, tags.transfer, tags.matrix):
        raise MediaError(
            f"'{path}' is BT.2020 and does not say whether it is PQ, HLG or SDR; tag it, or give"
            " --colour-space pq, hlg or bt709 (SDR) with the shot."
        )
    return info
