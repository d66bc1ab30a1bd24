"""What is seen of a request before any work is done: that it fits its media and can be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stylesync_engine.errors import about
from stylesync_engine.media import VideoInfo, probe_sound, probe_video
from stylesync_engine.media.codecs import check_output
from stylesync_engine.origin.consent import Consent, check_consent
from stylesync_engine.origin.mark import check_mark
from stylesync_engine.origin.people import find_person
from stylesync_engine.origin.signers import choose_signer
from stylesync_engine.pictures.colour import check_space, is_ambiguous
from stylesync_engine.plan.places import check_places
from stylesync_engine.plan.sources import (
    appearance_clip,
    check_range,
    clip_of,
    resolve_range,
    speech_track,
)
from stylesync_engine.preparing.mouth_keys import check_keys
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, MediaError, RequestError

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer

_SHARED = ("models", "device", "images_rate", "colour_space", "deinterlace")
_WRITTEN = ("codec", "delivery", "burn_in", "mark", "credentials")


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that fits its media, and what was found: the shot as it is read, the frames to
    dub, the consent that holds today, and who signs."""

    request: DubRequest
    info: VideoInfo
    frames: FrameRange
    consent: Consent | None
    signer: Signer | None
    beside: tuple[Checked, ...] = ()

    @property
    def faces(self) -> tuple[Checked, ...]:
        """What was found for each face, this request's own first."""
        return (self, *self.beside)


def check_request(request: DubRequest) -> Checked:
    """See before any work is done that the request fits its media and can be written.

    Raises a DubError, one sentence, for the first thing that does not.
    """
    options, beside = request.options, request.faces[1:]
    _check_beside(request)
    consent, signer = check_consent(request), choose_signer(request)
    check_mark(request)
    with about("output"):
        check_output(request.output, options.codec)
    check_places(request)
    if options.colour_space is not None:
        with about("colour_space"):
            check_space(options.colour_space)
    with about("video"):
        info = _usable(request, request.video)
    frames = resolve_range(request, info)
    check_keys(request.mouth_keys, frames)
    with about("speech"):
        probe_sound(request.speech, speech_track(request))
    if request.style:
        with about("style"):
            check_range(request.style, request.style_frames, _usable(request, request.style))
    elif find_person(request.person) is None and options.appearance == "style":
        raise RequestError("The appearance of the style needs a style clip; give one.", "style")
    appearance, shown = appearance_clip(options.appearance)
    if appearance:
        with about("appearance"):
            check_range(appearance, shown, _usable(request, appearance))
    others = (replace(o, output=request.output, options=_written_as(o, request)) for o in beside)
    return Checked(request, info, frames, consent, signer, tuple(map(check_request, others)))


def _check_beside(request: DubRequest) -> None:
    """Raises RequestError where faces cannot be put into one picture."""
    for other in request.faces[1:]:
        if other.beside:
            raise RequestError("A dub beside another has none itself; list all in one.", "beside")
        if (other.video, other.frames) != (request.video, request.frames):
            raise RequestError(
                "Faces of one picture are dubbed in the same frames of one video; give all both.",
                "beside",
            )
        for name in _SHARED:
            if getattr(other.options, name) != getattr(request.options, name):
                said = f"The {name} differs between faces of one picture; give all the same."
                raise RequestError(said, "beside")
    if request.beside and request.options.delivery != "composite":
        raise RequestError(
            "Several faces are delivered as full frames; dub one at a time for an overlay or"
            " layers.",
            "delivery",
        )


def _written_as(request: DubRequest, main: DubRequest) -> DubOptions:
    """The options of a face whose picture another request writes."""
    told = {name: getattr(main.options, name) for name in _WRITTEN}
    return replace(request.options, **told)


def _usable(request: DubRequest, path: str) -> VideoInfo:
    """Raises MediaError for fields, which would tear the mouth, and for unclear colours."""
    info = probe_video(clip_of(request, path))
    if info.interlaced:
        raise MediaError(f"'{path}' is interlaced; make its fields frames.", "deinterlace")
    tags = info.colour
    if not info.reading.colour_space and is_ambiguous(tags.primaries, tags.transfer, tags.matrix):
        raise MediaError(
            f"'{path}' is BT.2020 and does not say whether it is PQ, HLG or SDR; tag it, or say"
            " that the shot is pq, hlg or bt709 (SDR).",
            "colour_space",
        )
    return info
