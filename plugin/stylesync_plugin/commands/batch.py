"""`stylesync dub` and `stylesync plan`: from flags to a batch and its words."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from stylesync_engine.commands.reporting import STAGE_TITLES, Report, format_rows, reporting
from stylesync_engine.files import Written, locked, refuse_overwriting
from stylesync_engine.request import DubOptions, RequestError
from stylesync_plugin.batch.dub_timeline import Batch, BatchProgress, dub_timeline
from stylesync_plugin.batch.engine_process import EngineProcess
from stylesync_plugin.batch.report import check_page, draw_sheet, write_report
from stylesync_plugin.formats.files import WRITABLE, keep_copy, read_timeline, write_timeline
from stylesync_plugin.jobs import Job, JobsFile, job_from, read_jobs
from stylesync_plugin.planning.planner import Plan, PlanSettings, plan
from stylesync_plugin.timeline.layout import PlacedClip, lay_out
from stylesync_plugin.timeline.selecting import jobs_from_markers
from stylesync_plugin.writing.write_back import TrackNames

Asked = dict[str, Any]

_OPTIONS = tuple(entry.name for entry in dataclasses.fields(DubOptions))
_JOB = ("clip", "track", "index", "range", "speaker", "person", "consent", "second")


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A command's timeline, its jobs and where everything goes."""

    timeline: Any
    jobs: tuple[Job, ...]
    settings: PlanSettings
    output: Path


def run_batch(asked: Asked, names: TrackNames, with_report: bool, as_json: bool) -> int:
    """Dub, write the timeline and the report; returns the exit code."""
    with reporting(as_json) as report, _held(asked):
        work = prepare_work(asked)
        if not work.jobs:
            raise RequestError(
                "Nothing is selected; give --clip, --range, --marker, --jobs or --markers."
            )
        with EngineProcess() as engine, Display(report, as_json) as display:
            batch = dub_timeline(
                work.timeline, work.jobs, work.settings, engine, names, display.show,
                (work.output, _page_of(work.output)),
            )  # fmt: skip
        if asked.get("in_place"):
            keep_copy(work.output)
        finish(batch, work.output, with_report, report)
    return say_failures(batch)


def _held(asked: Asked) -> contextlib.AbstractContextManager[None]:
    """A timeline that will be written over is nobody else's from before it is read."""
    held = asked.get("in_place") and asked["timeline"].is_file()
    return locked(asked["timeline"]) if held else contextlib.nullcontext()


def finish(batch: Batch, output: Path, with_report: bool, report: Report) -> None:
    """Write the new timeline and the page about it, and say what came of the dubs."""
    write_timeline(batch.timeline, output)
    page = _page_of(output)
    if with_report:
        write_report(batch, page, f"StyleSync: {output.name}", draw_sheet)
    report.result(_summary(batch, output, page if with_report else None), _said(batch, output))


def say_failures(batch: Batch) -> int:
    """Name on standard error what failed; returns the exit code."""
    for job, error in batch.failures:
        print(f"{job}: {error}", file=sys.stderr)
    return batch.exit_code


def run_plan(asked: Asked, as_json: bool) -> int:
    """Print the plan, or the clips of the timeline where nothing is selected."""
    with reporting(as_json) as report:
        work = prepare_work(asked)
        if not work.jobs:
            rows = _clips(work)
            if not rows:
                raise RequestError(f"'{asked['timeline'].name}' holds no clips; export it again.")
            report.result({"clips": rows}, format_rows(rows))
            return 0
        planned = plan(work.timeline, work.jobs, work.settings)
        rows = _rows(planned)
        if rows or as_json:
            report.result(planned.to_dict(), format_rows(rows))
    nothing = "" if rows or as_json else "Nothing can be dubbed: "
    for refusal in planned.refused:
        print(f"{nothing}{refusal.job}: {refusal.error}", file=sys.stderr)
    for dub in planned.dubs:
        for warning in dub.warnings:
            print(f"Note: {warning}", file=sys.stderr)
    return next((refusal.error.exit_code for refusal in planned.refused), 0)


def _page_of(output: Path) -> Path:
    """Where the report about a batch goes."""
    return output.with_name(f"{output.stem}.report.html")


def prepare_work(asked: Asked) -> Work:
    source: Path = asked["timeline"]
    in_place = bool(asked.get("in_place"))
    if in_place and asked.get("output"):
        raise RequestError("Give --in-place or --output, not both.")
    output: Path = asked.get("output") or source.with_name(f"{source.stem}.dubbed.otio")
    output = source if in_place else output
    if output.suffix.lower() not in WRITABLE:
        raise RequestError(
            f"'{output.name}' is no timeline we write; choose {', '.join(WRITABLE)}."
        )
    read = {
        "timeline": [] if in_place else [source],
        "jobs file": [Path(asked["jobs"])] if "jobs" in asked else [],
    }
    written = (output.absolute(), _page_of(output.absolute()))
    refuse_overwriting(read, map(Written.one, written))
    check_page(_page_of(output))
    media: Path = asked.get("media") or output.with_name(f"{output.stem}.stylesync")
    media = media.absolute()
    timeline = read_timeline(source, asked.get("rate"), asked.get("name"), media / "bundle")
    listed = _jobs(asked, timeline)
    folders = (
        source.absolute().parent, *listed.search_folders, Path.cwd(),
        *(Path(folder).absolute() for folder in asked.get("search", ())),
    )  # fmt: skip
    settings = PlanSettings(
        media, tuple(dict.fromkeys(folders)), asked.get("handles", 0), asked.get("rate")
    )
    return Work(timeline, listed.jobs, settings, output)


def _jobs(asked: Asked, timeline: Any) -> JobsFile:
    options = {key: asked[key] for key in _OPTIONS if key in asked}
    selected = {key: asked[key] for key in _JOB if key in asked}
    single = bool(selected or {"speech", "marker"} & asked.keys())
    ways = sum((single, "jobs" in asked, bool(asked.get("markers"))))
    if ways > 1:
        raise RequestError("Give one of --jobs, --markers, or a single selection.")
    if "jobs" in asked:
        listed = read_jobs(asked["jobs"])
        return dataclasses.replace(listed, jobs=_overridden(listed.jobs, options))
    if asked.get("markers"):
        return JobsFile(_overridden(jobs_from_markers(timeline), options))
    if not ways:
        return JobsFile(())
    if "speech" not in asked:
        raise RequestError("A dub needs new speech; give a sound file with --speech.")
    data = {**selected, "speech": asked["speech"], "style": _style(asked.get("style"))}
    if "marker" in asked:
        marked = jobs_from_markers(timeline, asked["marker"], None, data)
        return JobsFile(_overridden(marked, options))
    counted = f"clip {asked['index']}" if "index" in asked else f"track {asked.get('track')}"
    name = str(asked.get("clip") or asked.get("range") or counted)
    return JobsFile((job_from({"name": name, **data}, name, options),))


def _overridden(jobs: Sequence[Job], options: dict[str, Any]) -> tuple[Job, ...]:
    """Flags win over what the jobs say."""
    return tuple(
        dataclasses.replace(job, options=dataclasses.replace(job.options, **options))
        for job in jobs
    )


def _style(text: str | None) -> Any:
    for key in ("clip", "range"):
        if text is not None and text.startswith(f"{key}:"):
            return {key: text.removeprefix(f"{key}:")}
    return text


def _rows(planned: Plan) -> list[dict[str, Any]]:
    rows = []
    for dub in planned.dubs:
        request = dub.request
        made = "made for it" if dub.recordings else Path(request.speech).name
        rows.append({
            "job": dub.job, "clip": dub.place.clip, "track": dub.place.label,
            "range": planned.where(dub), "rate": f"{float(dub.place.rate):g}",
            "frames": str(request.frames) if request.frames else f"{dub.place.frames} conformed",
            "speech": made, "style": Path(request.style).name if request.style else "the shot",
        })  # fmt: skip
    return rows


def _clips(work: Work) -> list[dict[str, Any]]:
    layout = lay_out(work.timeline, work.settings.rate)
    counts: dict[str, int] = {}
    rows = []
    for placed in layout.clips:
        if placed.is_ours:
            continue
        counts[placed.label] = counts.get(placed.label, 0) + 1
        ends = [
            layout.time_code(moment) for moment in (placed.root_span.start, placed.root_span.end)
        ]
        rows.append({
            "track": placed.label, "index": counts[placed.label], "clip": placed.clip.name,
            "range": "-".join(ends), "note": "; ".join(_notes(placed)) or None,
        })  # fmt: skip
    return rows


def _notes(placed: PlacedClip) -> list[str]:
    disabled = [] if placed.enabled else ["is disabled"]
    titles = [] if placed.has_picture else ["is a title or generator"]
    return [*placed.obstacles, *disabled, *titles]


def _summary(batch: Batch, output: Path, page: Path | None) -> dict[str, Any]:
    return {
        "output": str(output),
        "report": str(page) if page else None,
        "dubs": [
            {
                "job": outcome.dub.job, "clip": outcome.dub.place.clip, "state": outcome.state,
                "output": outcome.result.output if outcome.result else None,
                "error": str(outcome.error) if outcome.error else None,
            }
            for outcome in batch.outcomes
        ],
        "refused": [refusal.to_dict() for refusal in batch.plan.refused],
    }  # fmt: skip


def _said(batch: Batch, output: Path) -> str:
    good = sum(outcome.result is not None for outcome in batch.outcomes)
    total = len(batch.outcomes) + len(batch.plan.refused)
    return f"{good} of {total} dubs are on {output}"


class Display:
    """Per-clip progress: bars on a terminal, events for a program, nothing in a pipe."""

    def __init__(self, report: Report, as_json: bool) -> None:
        self._write = getattr(report, "write", None) if as_json else None
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"),
            console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(),
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: BatchProgress) -> None:
        if self._write is not None:
            self._write(_event(progress))
            return
        if progress.number not in self._tasks:
            text = f"{progress.number}/{progress.total} {progress.dub.place.clip}"
            self._tasks[progress.number] = self._bars.add_task(text, total=None, note="")
        task, stage = self._tasks[progress.number], progress.stage
        note = STAGE_TITLES.get(stage.stage, stage.stage) if stage else progress.state
        if progress.remaining is not None:
            note += f", {progress.remaining / 60:.0f} min left"
        if progress.state != "running":
            self._bars.update(task, completed=1, total=1, note=note)
        elif stage is not None:
            self._bars.update(task, completed=stage.done, total=stage.total, note=note)


def _event(progress: BatchProgress) -> dict[str, Any]:
    data: dict[str, Any] = {
        "event": "dub", "number": progress.number, "count": progress.total,
        "job": progress.dub.job, "clip": progress.dub.place.clip, "state": progress.state,
    }  # fmt: skip
    if progress.stage is not None:
        step = progress.stage
        data |= {"event": "progress", "stage": step.stage, "done": step.done, "total": step.total}
    if progress.remaining is not None:
        data["remaining"] = round(progress.remaining, 1)
    return data
