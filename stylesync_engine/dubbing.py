"""dub(): the table of contents of the engine.

1. prepare: follow the speaker, read the style reference, predict the lips -> a plan
2. render: window by window, rendered crops that stay on disk
3. assemble: composite into the source's frames, new sound, one file

`dub` does the second and third together, frame by frame, and keeps the same windows: a farm's
chunks equal one run, and a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from stylesync_engine.assembling.delivery import deliver
from stylesync_engine.assembling.frames import Face
from stylesync_engine.failures import want_memory
from stylesync_engine.files import locked
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.plan.clock import Clock
from stylesync_engine.plan.faces import check_apart, plans_beside
from stylesync_engine.plan.identity import (
    check_inputs,
    describe_inputs,
    describe_surroundings,
    fingerprint,
)
from stylesync_engine.plan.pipeline import one_thread_each
from stylesync_engine.plan.places import remove_work, work_folders
from stylesync_engine.plan.plan import Plan, note_request
from stylesync_engine.plan.windows import remove_other_windows
from stylesync_engine.preparing.checks import Checked, check_request
from stylesync_engine.preparing.late_sound import measure_sync
from stylesync_engine.preparing.lip_curve import OnGlance, predict_curve
from stylesync_engine.preparing.preparing import prepare_plan
from stylesync_engine.preparing.probing import probe as probe
from stylesync_engine.rendering.latent_networks import load_samplers
from stylesync_engine.rendering.windows import Rendering, render_windows
from stylesync_engine.request import (
    DubRequest,
    DubResult,
    FrameRange,
    LipCurve,
    OnProgress,
    Progress,
    RequestError,
)
from stylesync_engine.threads import Workers
from stylesync_engine.weights.loading import Models, load_lip_reader, load_models

_LEAST = 128 * 2**20
"""Bytes that following a speaker and writing a file take at least, beside the models. Half way, a
codec or a network that is refused memory may end the process without a sentence."""


@one_thread_each()
def dub(
    request: DubRequest,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
    *,
    wait: bool = False,
) -> DubResult:
    """Dub one shot. Goes on where an interrupted run of the same request stopped.

    `on_progress` may raise `Cancelled`; finished windows stay on disk. Raises a DubError, one
    sentence, for whatever is wrong with the request or the media, and where another dub uses its
    output or work folder, unless it is to `wait` for that one's end.
    """
    checked, works = check_request(request), work_folders(request)
    with ExitStack() as held:
        for place in (Path(request.output), *works):
            held.enter_context(locked(place, wait))
        return _dub(checked, works, models, on_progress)


def _dub(
    checked: Checked, works: Sequence[Path], models: Models | None, on_progress: OnProgress | None
) -> DubResult:
    request = checked.request
    started = time.monotonic()
    models = models or load_models(request.options.models, request.options.device)
    loaded = time.monotonic() - started
    plans = _plans(checked, works, models, on_progress)
    faces = [Face(p, at, Rendering(p, at, models)) for p, at in zip(plans, works, strict=True)]
    result = _assemble(faces, checked, on_progress)
    result = replace(result, seconds={"load": round(loaded, 3), **result.seconds})
    for face, work in zip(request.faces[::-1], works[::-1], strict=True):
        if face.work is None and request.work is None:
            remove_work(work)
    return result


@one_thread_each()
def prepare(
    request: DubRequest,
    work: Path,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the plan into `work`; a plan of the same inputs, options and models is kept."""
    checked = check_request(request)
    models = models or load_models(request.options.models, request.options.device)
    _plans(checked, work_folders(request, work), models, on_progress)
    return work


def predict_lips(
    request: DubRequest,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
    on_glance: OnGlance | None = None,
) -> LipCurve:
    """What a dub's lips will do, before anything is rendered: `predict_curve`."""
    checked = check_request(request)
    models = models or load_models(request.options.models, request.options.device)
    return predict_curve(checked, models, on_progress or (lambda _: None), on_glance)


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


@one_thread_each()
def render_plan(
    plan: Plan,
    work: Path,
    frames: FrameRange | None = None,
    models: Models | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """`render`, of a plan that was read."""
    faces = plans_beside(plan, work)
    for face, _ in faces:
        check_consent(face.request)
    options = plan.request.options
    models = models or load_models(options.models, options.device)
    for face, place in faces:
        check_inputs(face.facts.inputs, place, describe_inputs(face.request, models))
        _render(face, place, models, frames, on_progress)


@one_thread_each()
def assemble_plan(plan: Plan, work: Path, on_progress: OnProgress | None = None) -> DubResult:
    """`assemble`, of a plan that was read."""
    checked, plans = check_request(plan.request), plans_beside(plan, work)
    for face, place in plans:
        check_inputs(face.facts.inputs, place, describe_surroundings(face.request))
    with locked(Path(plan.request.output), wait=True):
        return _assemble([Face(*found) for found in plans], checked, on_progress)


@one_thread_each()
def sync(
    path: str, models: str = "starter", on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """How late a clip's sound is against its speaker's lips, as plain data: `measure_sync`."""
    return measure_sync(path, load_lip_reader(models), on_progress or (lambda _: None))


def _plans(
    checked: Checked, works: Sequence[Path], models: Models, on_progress: OnProgress | None
) -> list[Plan]:
    """The plan of each face, this request's own first; it is made last: where it is, all are."""
    faces = list(zip(checked.faces, works, strict=True))
    others = [_plan(face, work, models, on_progress) for face, work in faces[1:]]
    plans = [_plan(*faces[0], models, on_progress), *others]
    check_apart(plans)
    return plans


def _plan(checked: Checked, work: Path, models: Models, on_progress: OnProgress | None) -> Plan:
    """The plan that is kept in `work`, made where there is none of these inputs."""
    request = checked.request
    kept = _kept_plan(work, request, fingerprint(describe_inputs(request, models)))
    if kept is not None:
        return kept
    want_memory(_LEAST)
    clock = Clock(on_progress)
    with Workers(1) as beside:
        beside.submit(partial(load_samplers, request.options, models))
        plan, bank, correction = prepare_plan(checked, models, clock)
    # Another worker may have come first: its plan stays, and what was rendered for it.
    found = _kept_plan(work, request, plan.fingerprint)
    if found is None:
        found = plan.save(work, bank, correction)
        remove_other_windows(work, found.names)
    clock.keep(work)
    return found


def _kept_plan(work: Path, request: DubRequest, wanted: str) -> Plan | None:
    """The whole plan of these inputs in `work`; where and how the result is written may have
    changed, and is noted in it."""
    try:
        plan = Plan.load(work)
    except RequestError:
        return None
    if plan.fingerprint != wanted:
        return None
    if plan.request != request:
        note_request(work, request)
    return replace(plan, request=request)


def _render(
    plan: Plan, work: Path, models: Models, frames: FrameRange | None, say: OnProgress | None
) -> None:
    clock, wanted = Clock(say), frames and _within(frames, plan.frames)
    for done, total in render_windows(plan, work, models, wanted):
        clock(Progress("render", done, total))
    clock.keep(work)


def _assemble(faces: Sequence[Face], checked: Checked, on_progress: OnProgress | None) -> DubResult:
    want_memory(_LEAST)
    consents = [face.consent for face in checked.faces]
    return deliver(faces, checked.info, consents, checked.signer, on_progress)


def _within(frames: FrameRange, range_: FrameRange) -> FrameRange:
    if frames.start < range_.start or frames.end > range_.end:
        raise RequestError(
            f"Frames {frames} lie outside of the dub's {range_}; give a range within it.", "frames"
        )
    return FrameRange(frames.start - range_.start, frames.end - range_.start)
