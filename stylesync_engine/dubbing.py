"""dub(): the table of contents of the engine.

1. prepare: follow the speaker, read the style reference, predict the lips -> a plan
2. render: window by window, rendered crops that stay on disk
3. assemble: composite into the source's frames, new sound, one file

`dub` is the three in a row, so that a farm's chunks equal one run and a run that was cut off goes
on where it stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stylesync_engine.assembling.delivered_lips import measure_lips
from stylesync_engine.assembling.frames import delivered_frames, excerpt_info
from stylesync_engine.assembling.overlay import overlay_layout
from stylesync_engine.assembling.proof import delivering
from stylesync_engine.assembling.soundtrack import lay_sound
from stylesync_engine.media import (
    VideoInfo,
    VideoWriter,
    probe_video,
)
from stylesync_engine.models.diffusion import load_schedulers
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.plan.clock import Clock, kept_seconds
from stylesync_engine.plan.identity import (
    describe_inputs,
    describe_surroundings,
    fingerprint,
    name_difference,
)
from stylesync_engine.plan.places import remove_work, work_folder
from stylesync_engine.plan.plan import Plan, note_request
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.plan.windows import remove_other_windows, window_device
from stylesync_engine.preparing.checks import check_request
from stylesync_engine.preparing.late_sound import measure_sync, offset_of_faces
from stylesync_engine.preparing.preparing import prepare_plan
from stylesync_engine.preparing.probing import media_facts, speaker_facts
from stylesync_engine.preparing.shots import watch
from stylesync_engine.rendering.windows import render_windows
from stylesync_engine.request import (
    DubRequest,
    DubResult,
    FrameRange,
    OnProgress,
    Progress,
    RequestError,
)
from stylesync_engine.weights.loading import Models, load_lip_reader, load_models


def dub(
    request: DubRequest, models: Models | None = None, on_progress: OnProgress | None = None
) -> DubResult:
    """Dub one shot. Goes on where an interrupted run of the same request stopped.

    `on_progress` may raise `Cancelled`; finished windows stay on disk. Raises a DubError, one
    sentence, for whatever is wrong with the request or the media.
    """
    check_request(request)
    work = work_folder(request)
    started = time.monotonic()
    models = models or load_models(request.options.models, request.options.device)
    loaded = time.monotonic() - started
    prepare(request, work, models, on_progress)
    render(work, None, models, on_progress)
    result = assemble(work, on_progress)
    result = replace(result, seconds={"load": round(loaded, 3), **result.seconds})
    if request.work is None:
        remove_work(work)
    return result


def prepare(
    request: DubRequest,
    work: Path,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the plan into `work`; a plan of the same inputs, options and models is kept."""
    check_request(request)
    models = models or load_models(request.options.models, request.options.device)
    if _keeps_plan(work, request, fingerprint(describe_inputs(request, models))):
        return work
    if request.options.quality != "draft":
        threading.Thread(target=load_schedulers).start()
    clock = Clock(on_progress)
    plan, bank = prepare_plan(request, models, clock)
    # Another worker may have come first: its plan stays, and what was rendered for it.
    if not _keeps_plan(work, request, plan.fingerprint):
        plan.save(work, bank)
        remove_other_windows(work, Plan.load(work).identity)
    clock.keep(work)
    return work


def render(
    work: Path,
    frames: FrameRange | None = None,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Render the missing windows that touch `frames`, counted in source frames as `--frames` is."""
    render_plan(Plan.load(work), work, frames, models, on_progress)


def assemble(work: Path, on_progress: OnProgress | None = None) -> DubResult:
    """Join what was rendered into the output. Raises RequestError where windows are missing."""
    return assemble_plan(Plan.load(work), work, on_progress)


def read_plan(work: Path, request: DubRequest | None = None) -> Plan:
    """The plan in `work`; with a request, for a machine that finds its files where that says."""
    plan = Plan.load(work)
    return plan if request is None else replace(plan, request=request)


def render_plan(
    plan: Plan,
    work: Path,
    frames: FrameRange | None = None,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """`render`, of a plan that was read."""
    check_consent(plan.request)
    options = plan.request.options
    models = models or load_models(options.models, options.device)
    _check_inputs(plan, work, describe_inputs(plan.request, models))
    wanted = None if frames is None else _within(frames, plan.frames)
    clock = Clock(on_progress)
    for done, total in render_windows(plan, work, models, wanted):
        clock(Progress("render", done, total))
    clock.keep(work)


def assemble_plan(plan: Plan, work: Path, on_progress: OnProgress | None = None) -> DubResult:
    """`assemble`, of a plan that was read."""
    request = plan.request
    check_request(request)
    _check_inputs(plan, work, describe_surroundings(request))
    devices = [window_device(work, window, plan.identity) for window in plan.windows]
    missing = sum(len(w) for w, by in zip(plan.windows, devices, strict=True) if by is None)
    if missing:
        raise RequestError(
            f"{missing} of {len(plan.shown)} frames are not rendered yet;"
            f" run stylesync-engine render --work '{work}'."
        )
    info = probe_video(shot_of(request))
    clock = Clock(on_progress)
    sound = lay_sound(request, info, plan.frames)
    like = excerpt_info(info, plan.frames)
    if request.options.delivery == "overlay":
        like = replace(like, layout=overlay_layout(info.layout, info.height))
    with (
        delivering(plan, check_consent(request)) as delivery,
        VideoWriter(
            delivery.place,
            like,
            request.options.codec,
            sound.speech,
            sound.others,
        ) as writer,
    ):
        delivered = delivered_frames(plan, work, like, writer.layout)
        for done, parts in enumerate(delivered, start=1):
            writer.write(*parts)
            clock(Progress("assemble", done, len(plan.frames)))
        _check_inputs(plan, work, describe_surroundings(request))
    made_on = tuple(sorted({device for device in devices if device}))
    result = _result(plan, info, made_on, {**kept_seconds(work), **clock.seconds})
    return replace(
        result,
        signed_by=delivery.signed_by,
        lips=measure_lips(plan),
        loudness=sound.loudness,
        warnings=(*result.warnings, *sound.warnings),
    )


def probe(path: str, on_progress: OnProgress | None = None) -> dict[str, Any]:
    """What a clip is and who is seen where, as plain data."""
    info = probe_video(path)
    whole = FrameRange(0, info.frames)
    faces, spans = watch(info, whole, "track", on_progress or (lambda _: None))
    return {
        **media_facts(info),
        "cuts": list(faces.cuts),
        "speakers": [speaker_facts(s) for s in faces.speakers],
        "sound_offset": offset_of_faces(info, faces, spans, load_lip_reader()),
    }


def sync(
    path: str, models: str = "starter", on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """How late a clip's sound is against its speaker's lips, as plain data: `measure_sync`."""
    return measure_sync(path, load_lip_reader(models), on_progress or (lambda _: None))


def _keeps_plan(work: Path, request: DubRequest, wanted: str) -> bool:
    """Whether `work` holds a whole plan of these inputs; where and how the result is written may
    have changed, and is noted in it."""
    try:
        plan = Plan.load(work)
    except RequestError:
        return False
    if plan.fingerprint != wanted:
        return False
    if plan.request != request:
        note_request(work, request)
    return True


def _check_inputs(plan: Plan, work: Path, here: Mapping[str, Any]) -> None:
    """Raises RequestError, naming what, where the plan was made with something else."""
    other = name_difference(plan.facts.get("inputs") or {}, here)
    if other is not None:
        raise RequestError(
            f"The plan in '{work}' was made with {other}; run stylesync-engine prepare again."
        )


def _within(frames: FrameRange, range_: FrameRange) -> FrameRange:
    if frames.start < range_.start or frames.end > range_.end:
        raise RequestError(
            f"Frames {frames} lie outside of the dub's {range_}; give a range within it."
        )
    return FrameRange(frames.start - range_.start, frames.end - range_.start)


def _result(
    plan: Plan, info: VideoInfo, devices: Sequence[str], seconds: dict[str, float]
) -> DubResult:
    options, warnings = plan.request.options, list(plan.facts["warnings"])
    if len(devices) > 1:
        warnings.append(
            f"{' and '.join(devices)} have rendered parts of this dub, which may differ in their"
            " last bits; give the farm workers of one kind where that matters."
        )
    return DubResult(
        output=plan.request.output,
        rate=info.rate,
        frames=len(plan.frames),
        changed=len(plan.shown),
        passed_through=tuple((a, b) for a, b in plan.facts["passed_through"]),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        models=plan.facts["models"],
        device=", ".join(devices),
        seed=options.seed,
        warnings=tuple(warnings),
        sound_offsets=plan.facts.get("sound_offsets") or None,
    )
