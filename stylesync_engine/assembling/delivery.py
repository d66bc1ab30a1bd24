"""A dub's rendered windows, its source's frames and its sound joined into what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.assembling.delivered_lips import LipsWatch
from stylesync_engine.assembling.frames import Face, delivered_frames, excerpt_info
from stylesync_engine.assembling.overlay import overlay_layout
from stylesync_engine.assembling.proof import delivering
from stylesync_engine.assembling.soundtrack import lay_sound
from stylesync_engine.media import VideoInfo, VideoWriter
from stylesync_engine.media.loudness import measure_loudness
from stylesync_engine.origin.consent import Consent
from stylesync_engine.origin.people import name_of
from stylesync_engine.plan.clock import Clock, kept_seconds
from stylesync_engine.plan.faces import gaps_between, shown_in
from stylesync_engine.plan.identity import check_inputs, describe_surroundings
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.windows import window_device
from stylesync_engine.request import DubRequest, DubResult, OnProgress, Progress, RequestError
from stylesync_engine.threads import Workers

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer


def deliver(
    faces: Sequence[Face],
    info: VideoInfo,
    consents: Sequence[Consent | None],
    signer: Signer | None,
    on_progress: OnProgress | None,
) -> DubResult:
    """Write the delivery, as the first of the `faces` says; `info` is the shot's, `consents` are
    one a face. Raises RequestError where windows are missing and nothing renders them, or where a
    source has changed since its plan was made."""
    main, watches = faces[0], [LipsWatch(face.plan) for face in faces]
    plan, request, clock = main.plan, main.plan.request, Clock(on_progress)
    faces = [f._replace(look=w.look) for f, w in zip(faces, watches, strict=True)]
    for face in faces:
        if face.rendering is None:
            _devices(face.plan, face.work)
    known = _state(faces)
    if main.rendering:
        clock(Progress("render", *known))
    sound = lay_sound(request, info, plan.frames)
    like = _as_written(info, plan)
    codec, tracks = request.options.codec, (sound.speech, sound.others)
    with (
        Workers(1) as beside,
        delivering([face.plan for face in faces], consents, signer) as delivery,
        VideoWriter(delivery.place, like, codec, *tracks) as writer,
    ):
        loudness = beside.submit(lambda: measure_loudness(sound.said))
        delivered = delivered_frames(faces, like, writer.layout)
        for done, parts in enumerate(delivered, start=1):
            if known != (state := _state(faces)):
                known = state
                clock(Progress("render", *known))
            writer.write(*parts)
            clock(Progress("assemble", done, len(plan.frames)))
        for face in faces:
            here = describe_surroundings(face.plan.request)
            check_inputs(face.plan.facts.inputs, face.work, here)
    seconds = {**kept_seconds(main.work), **clock.seconds}
    devices = sorted({d for face in faces for d in _devices(face.plan, face.work)})
    shown, lips = shown_in([f.plan for f in faces]), [w.measure(float(info.rate)) for w in watches]
    people = [name_of(face.plan.request.person) for face in faces]
    return DubResult(
        output=request.output,
        rate=info.rate,
        frames=len(plan.frames),
        changed=len(shown),
        passed_through=gaps_between(shown, len(plan.frames)),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        models=plan.facts.models,
        device=", ".join(devices),
        seed=request.options.seed,
        warnings=(*_warnings(faces), *_of_devices(devices), *sound.warnings),
        signed_by=delivery.signed_by,
        loudness=loudness.result(),
        sound_offsets=plan.facts.sound_offsets,
        lips=min(filter(None, lips), key=lambda found: found["follows"], default=None),
        fit=plan.facts.fit,
        person=", ".join(filter(None, people)) or None,
    )


def _as_written(info: VideoInfo, plan: Plan) -> VideoInfo:
    """The range of the shot, in the layout of what is delivered of it."""
    like = excerpt_info(info, plan.frames)
    if plan.request.options.delivery == "overlay":
        return replace(like, layout=overlay_layout(info.layout, info.height), overscan=False)
    return like


def _state(faces: Sequence[Face]) -> tuple[int, int]:
    """How many frames of all windows are rendered, and how many there are."""
    states = [face.rendering.state for face in faces if face.rendering]
    return sum(done for done, _ in states), sum(total for _, total in states)


def _warnings(faces: Sequence[Face]) -> list[str]:
    """What is to be said of each face, with whose it is where there are several."""
    told: dict[str, list[str]] = {}
    for face in faces:
        for text in face.plan.facts.warnings:
            told.setdefault(text, []).append(_called(face.plan.request))
    alone = len(faces) == 1
    common = {text for text, whose in told.items() if len(whose) == len(faces)}
    return [
        text if alone or text in common else f"{' and '.join(whose)}: {text}"
        for text, whose in told.items()
    ]


def _called(request: DubRequest) -> str:
    """A face in words."""
    at = request.speaker
    return name_of(request.person) or (f"The face at {at}" if at else "The speaker")


def _devices(plan: Plan, work: Path) -> list[str]:
    """What has rendered the windows, each once."""
    made = [window_device(work, name) for name in plan.names]
    missing = sum(len(w) for w, by in zip(plan.windows, made, strict=True) if by is None)
    if missing:
        raise RequestError(
            f"{missing} of {len(plan.shown)} frames are not rendered yet;"
            f" run stylesync-engine render for '{work}'."
        )
    return sorted({device for device in made if device})


def _of_devices(devices: Sequence[str]) -> tuple[str, ...]:
    if len(devices) < 2:
        return ()
    return (
        f"{' and '.join(devices)} have rendered parts of this dub, which may differ in their"
        " last bits; give the farm workers of one kind where that matters.",
    )
