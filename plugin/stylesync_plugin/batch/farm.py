"""A timeline for a render farm: a job bundle of all its dubs, and the way back onto the timeline.

    DIR/timeline.otio    the timeline as it was when it was submitted
    DIR/submission.json  the jobs, where media lie and where the new timeline goes

beside the engine's own files (`stylesync_engine.farm.bundles`). What `collect` puts on the
timeline is planned again from these two, so that it lies exactly where a local batch would put it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylesync_engine.files import read_bounded
from stylesync_engine.records import strict_json
from stylesync_engine.request import DubError, DubRequest, DubResult, RequestError
from stylesync_plugin.batch.dub_timeline import Batch, OnProgress, dub_timeline
from stylesync_plugin.batch.records import write_json
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import Job, Pick, job_from
from stylesync_plugin.planning.conform import make_media
from stylesync_plugin.planning.planner import Plan, PlanSettings, plan
from stylesync_plugin.times import number_of
from stylesync_plugin.writing.write_back import TrackNames

if TYPE_CHECKING:
    from stylesync_engine.farm.path_mapping import PathMapping
    from stylesync_engine.farm.template import FarmOptions

FORMAT = 1
_DOCUMENTS = ("timeline.otio", "submission.json")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a bundle was made from."""

    timeline: Any
    jobs: tuple[Job, ...]
    settings: PlanSettings
    output: Path
    names: TrackNames


def submit(submission: Submission, folder: Path, options: FarmOptions | None = None) -> Plan:
    """Write the bundle; conformed clips and recordings are made here, before anything is sent.

    Raises the error of the first job that is refused: a farm should not start on half a wish.
    """
    from stylesync_engine.farm.bundles import write_bundle

    planned = plan(submission.timeline, submission.jobs, submission.settings)
    for refusal in planned.refused:
        raise refusal.error
    _refuse_other_submission(folder)
    planned.check_places([folder / name for name in _DOCUMENTS])
    for dub in planned.dubs:
        make_media(dub)
    write_bundle(_requests(planned), folder, options, _write_back_step())
    write_timeline(submission.timeline, folder / _DOCUMENTS[0])
    write_json(folder / _DOCUMENTS[1], _submission_data(submission))
    return planned


def _refuse_other_submission(folder: Path) -> None:
    there = next((name for name in _DOCUMENTS if (folder / name).exists()), None)
    if there is not None:
        raise RequestError(f"There is a '{there}' in '{folder}' already; choose another folder.")


def read_submission(folder: Path) -> Submission:
    """Raises RequestError where there is none or it is damaged."""
    path = folder / "submission.json"
    try:
        data = strict_json(read_bounded(path, 2**26))
        if data["format"] != FORMAT:
            raise RequestError(f"The bundle in '{folder}' is of another version; submit again.")
        settings = PlanSettings(
            Path(data["media"]), tuple(map(Path, data["folders"])), data["handles"],
            number_of(data["rate"]) if data["rate"] else None,
        )  # fmt: skip
        jobs = tuple(job_from(entry, f"job {i}") for i, entry in enumerate(data["jobs"], 1))
        names, output = TrackNames(**data["names"]), Path(data["output"])
    except OSError as error:
        raise RequestError(
            f"There is no submitted timeline in '{folder}'; run stylesync submit first."
        ) from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The bundle in '{folder}' is damaged; submit again.") from error
    timeline = read_timeline(folder / "timeline.otio")
    return Submission(timeline, jobs, settings, output, names)


def check_outputs(folder: Path, mapping: PathMapping) -> list[tuple[str, DubError]]:
    """Whose file, by its submitter's name, is not what was assembled, or could not be made; for
    a worker that sees the dubs elsewhere than the timeline's owner does."""
    from stylesync_engine.farm.bundles import read_bundle, read_outcome

    failed: list[tuple[str, DubError]] = []
    for entry in read_bundle(folder, mapping):
        try:
            read_outcome(folder, entry)
        except DubError as error:
            failed.append((Path(entry.output).name, error))
    return failed


def collect(folder: Path, submission: Submission) -> Batch:
    """Check every output of the farm and put those that are right on a copy of the timeline."""
    finished = _Finished(folder)
    finished.forget_damaged(submission.settings.media)
    return dub_timeline(
        submission.timeline, submission.jobs, submission.settings, finished, submission.names
    )


class _Finished:
    """Stands in for the engine: a request's result is what the farm has made of it."""

    def __init__(self, folder: Path) -> None:
        from stylesync_engine.farm.bundles import read_bundle, read_outcome

        self._outcomes: dict[str, DubResult | DubError] = {}
        for entry in read_bundle(folder):
            try:
                self._outcomes[entry.request.output] = read_outcome(folder, entry)
            except DubError as error:
                self._outcomes[entry.request.output] = error

    def __call__(self, request: DubRequest, on_progress: OnProgress) -> DubResult:
        outcome = self._outcomes.get(request.output)
        if outcome is None:
            raise RequestError(
                f"'{Path(request.video).name}' has changed since it was submitted; submit again."
            )
        if isinstance(outcome, DubError):
            raise outcome
        return outcome

    def forget_damaged(self, media: Path) -> None:
        """A record of an earlier collection must not vouch for files that have changed since."""
        for output, outcome in self._outcomes.items():
            if isinstance(outcome, DubError):
                stem = Path(output).name.split(".")[0]
                (media / "done" / f"{stem}.json").unlink(missing_ok=True)


def job_data(job: Job) -> dict[str, Any]:
    """A job as its file would say it: `job_from` reads it back."""
    speech, style = job.speech, job.style
    data = {
        "name": job.name, **_pick_data(job.selection),
        "speech": {
            "file": speech.file, "range": speech.range, "samples": speech.samples,
            **_pick_data(speech.pick),
        },
        "style": {
            "file": style.file, "frames": style.frames, "sound": style.sound,
            **_pick_data(style.pick),
        },
        "speaker": job.speaker, "person": job.person, "consent": job.consent,
        "second": job.second, "keys": list(map(str, job.keys)) or None,
        "named": job.named, "face": job.face, "handles": job.handles,
        "beside": [job_data(other) for other in job.beside] or None,
        "options": _present(dataclasses.asdict(job.options)),
    }  # fmt: skip
    data["speech"], data["style"] = _present(data["speech"]), _present(data["style"]) or None
    return _present(data)


def _pick_data(pick: Pick) -> dict[str, Any]:
    return _present(dataclasses.asdict(pick))


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in data.items()
        if value is not None
    }


def _requests(planned: Plan) -> list[DubRequest]:
    """Every request once, second deliveries included, each with a work folder of its own: workers
    render them at once."""
    asked = {request.output: request for request in planned.requests}
    return [
        dataclasses.replace(request, work=f"{request.work}_{Path(output).name.split('.')[0][-12:]}")
        for output, request in asked.items()
    ]


def _submission_data(submission: Submission) -> dict[str, Any]:
    settings = submission.settings
    return {
        "format": FORMAT,
        "output": str(submission.output.absolute()),
        "media": str(settings.media),
        "folders": [str(folder) for folder in settings.folders],
        "handles": settings.handles,
        "rate": str(settings.rate) if settings.rate is not None else None,
        "names": dataclasses.asdict(submission.names),
        "jobs": [job_data(job) for job in submission.jobs],
    }


def _write_back_step() -> dict[str, Any]:
    rules = ["--path-rules", "{{Session.PathMappingRulesFile}}"]
    collecting = {"command": "stylesync", "args": ["collect", "{{Param.Bundle}}", *rules]}
    return {"name": "write_back", "script": {"actions": {"onRun": collecting}}}
