"""What can be asked: long methods with warm models, and short ones for a panel's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stylesync_engine.records import as_data, check_path
from stylesync_engine.request import (
    DubRequest,
    FrameRange,
    LipCurve,
    RequestError,
)
from stylesync_engine.serve.jobs import Job
from stylesync_engine.threads import IMPORTS
from stylesync_engine.weights.warm import WarmModels


class Engine:
    """The long methods, with the last models kept warm."""

    def __init__(self) -> None:
        self._models = WarmModels()

    def answer(self, job: Job) -> dict[str, Any]:
        methods = {
            "dub": self._dub,
            "prepare": self._prepare,
            "render": self._render,
            "assemble": self._assemble,
            "probe": self._probe,
            "models": self._list_models,
        }
        return methods[job.method](job)

    def _dub(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine import dubbing

        request = DubRequest.from_dict(job.params)
        models = self._models(request.options)
        return dubbing.dub(request, models, on_progress=job.progress).to_dict()

    def _prepare(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine import dubbing

        request = DubRequest.from_dict(_param(job, "request", dict))
        folder = Path(_param(job, "work", str))
        models = self._models(request.options)
        return {"work": str(dubbing.prepare(request, folder, models, on_progress=job.progress))}

    def _render(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine import dubbing

        work = Path(_param(job, "work", str))
        frames = FrameRange.parse(_param(job, "frames", str)) if "frames" in job.params else None
        plan = dubbing.read_plan(work)
        models = self._models(plan.request.options)
        dubbing.render_plan(plan, work, frames, models, on_progress=job.progress)
        return {"work": str(work)}

    def _assemble(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine import dubbing

        work = Path(_param(job, "work", str))
        return dubbing.assemble(work, on_progress=job.progress).to_dict()

    def _probe(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine import dubbing

        return dubbing.probe(_param(job, "path", str), on_progress=job.progress)

    def predict_lips(self, job: Job) -> dict[str, Any]:
        """A dub's lips and the envelope of its speech, while another dub is rendered. What the
        speech alone says comes on the way."""
        with IMPORTS:
            from stylesync_engine import dubbing
            from stylesync_engine.plan.sources import speech_track
            from stylesync_engine.review import previews

        request = DubRequest.from_dict(_param(job, "request", dict))
        bins = _param(job, "bins", int) if "bins" in job.params else 1000

        def told(curve: LipCurve) -> dict[str, Any]:
            seconds = float(len(curve.frames) / curve.rate)
            part, track = request.speech_samples, speech_track(request)
            heard = previews.waveform(request.speech, bins, part, seconds, track)
            return {**as_data(curve), "peaks": heard["peaks"]}

        def say(glance: LipCurve) -> None:
            step = {"stage": "lips", "done": 0, "total": len(glance.frames)}
            job.say({"event": "progress", **step, "curve": told(glance)})

        models = self._models(request.options)
        return {"curve": told(dubbing.predict_lips(request, models, job.progress, say))}

    def _list_models(self, job: Job) -> dict[str, Any]:
        with IMPORTS:
            from stylesync_engine.origin.people import list_names
            from stylesync_engine.weights import loading

        return {"models": loading.list_models(), "people": list_names()}


def show_media(job: Job) -> dict[str, Any]:
    """The short methods: what a panel needs of the media, while a dub runs."""
    with IMPORTS:
        from stylesync_engine.review import previews

    if job.method == "facts":
        return previews.facts(_param(job, "path", str))
    if job.method == "waveform":
        return previews.waveform(_param(job, "path", str), _param(job, "bins", int))
    if job.method == "survey":
        frames = FrameRange.parse(_param(job, "frames", str))
        return previews.survey(_param(job, "video", str), frames, _param(job, "samples", int))
    if job.method == "sound":
        output = _param(job, "output", str)
        previews.write_playback_sound(_param(job, "path", str), Path(output))
        return {"output": output}
    return _show_thumbnails(job)


def make_proxy(job: Job) -> dict[str, Any]:
    """A clip's frames as small pictures in one file, made beside everything else."""
    with IMPORTS:
        from stylesync_engine.review.proxies import write_proxy

    output = Path(_param(job, "output", str))
    frames = FrameRange.parse(_param(job, "frames", str))

    def tell(done: int, total: int) -> None:
        job.say({"event": "progress", "stage": "proxy", "done": done, "total": total})

    height = _param(job, "height", int)
    count = write_proxy(_param(job, "video", str), frames, height, output, tell)
    return {"output": str(output), "frames": count}


def _show_thumbnails(job: Job) -> dict[str, Any]:
    with IMPORTS:
        from stylesync_engine.review import previews

    files: list[str] = []
    frames = [_checked("frames", frame, int) for frame in _param(job, "frames", list)]
    height, folder = _param(job, "height", int), Path(_param(job, "folder", str))
    if job.method == "rendered":
        shown = previews.rendered(Path(_param(job, "work", str)), frames, height, folder)
    else:
        shown = previews.thumbnails(_param(job, "video", str), frames, height, folder)
    for frame, path in shown:
        files.append(str(path))
        step = {"stage": "thumbnails", "done": len(files), "total": len(frames)}
        job.say({"event": "progress", **step, "frame": frame, "file": str(path)})
    return {"files": files}


LONG_METHODS = ("dub", "prepare", "render", "assemble", "probe", "models")


# Who moves a slider waits for its answer, whatever is rendered meanwhile.
REFINING_METHODS = ("lips",)


SHORT_METHODS = ("facts", "thumbnails", "rendered", "waveform", "survey", "sound")


# What only makes later work quicker yields to everything else.
BACKGROUND_METHODS = ("proxy",)


def _param(job: Job, name: str, kind: type) -> Any:
    if name not in job.params:
        raise RequestError(f"{job.method} needs the parameter {name}.")
    return _checked(name, job.params[name], kind)


def _checked(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RequestError(f"The parameter {name} must be {kind.__name__}.")
    if isinstance(value, str):  # all of them are paths, or say less
        if not value:
            raise RequestError(f"The parameter {name} is empty; give it.")
        check_path(name, value)
    return value
