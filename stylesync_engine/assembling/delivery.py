"""A dub's rendered windows, its source's frames and its sound joined into what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.assembling.delivered_lips import LipsWatch
from stylesync_engine.assembling.frames import Rendering, delivered_frames, excerpt_info
from stylesync_engine.assembling.overlay import overlay_layout
from stylesync_engine.assembling.proof import delivering
from stylesync_engine.assembling.soundtrack import lay_sound
from stylesync_engine.media import VideoInfo, VideoWriter
from stylesync_engine.media.loudness import measure_loudness
from stylesync_engine.origin.consent import Consent
from stylesync_engine.origin.people import name_of
from stylesync_engine.plan.clock import Clock, kept_seconds
from stylesync_engine.plan.identity import check_inputs, describe_surroundings
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.windows import window_device
from stylesync_engine.request import DubResult, OnProgress, Progress, RequestError
from stylesync_engine.threads import Workers

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer


def deliver(
    plan: Plan,
    work: Path,
    info: VideoInfo,
    consent: Consent | None,
    signer: Signer | None,
    on_progress: OnProgress | None,
    rendering: Rendering | None = None,
) -> DubResult:
    """Write the delivery; `info` is the shot's. Raises RequestError where windows are missing and
    there is no `rendering`, or where a source has changed since the plan was made."""
    request, clock, lips = plan.request, Clock(on_progress), LipsWatch(plan)
    if rendering is None:
        _devices(plan, work)
    else:
        clock(Progress("render", *rendering.state))
    sound = lay_sound(request, info, plan.frames)
    like = excerpt_info(info, plan.frames)
    if request.options.delivery == "overlay":
        like = replace(like, layout=overlay_layout(info.layout, info.height), overscan=False)
    codec, tracks = request.options.codec, (sound.speech, sound.others)
    with (
        Workers(1) as beside,
        delivering(plan, consent, signer) as delivery,
        VideoWriter(delivery.place, like, codec, *tracks) as writer,
    ):
        loudness = beside.submit(lambda: measure_loudness(sound.said))
        known = rendering and rendering.state
        delivered = delivered_frames(plan, work, like, writer.layout, rendering, lips.look)
        for done, parts in enumerate(delivered, start=1):
            if rendering and rendering.state != known:
                known = rendering.state
                clock(Progress("render", *known))
            writer.write(*parts)
            clock(Progress("assemble", done, len(plan.frames)))
        check_inputs(plan.facts.inputs, work, describe_surroundings(request))
    seconds, devices = {**kept_seconds(work), **clock.seconds}, _devices(plan, work)
    return DubResult(
        output=request.output,
        rate=info.rate,
        frames=len(plan.frames),
        changed=len(plan.shown),
        passed_through=plan.facts.passed_through,
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        models=plan.facts.models,
        device=", ".join(devices),
        seed=request.options.seed,
        warnings=(*plan.facts.warnings, *_of_devices(devices), *sound.warnings),
        signed_by=delivery.signed_by,
        loudness=loudness.result(),
        sound_offsets=plan.facts.sound_offsets,
        lips=lips.measure(float(info.rate)),
        fit=plan.facts.fit,
        person=name_of(request.person),
    )


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
