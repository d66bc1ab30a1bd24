"""`stylesync submit` and `stylesync collect`: from flags to a job bundle, and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stylesync_engine.reporting import reporting
from stylesync_engine.request import RequestError
from stylesync_plugin.batch_command import Asked, finish, prepare_work, say_failures
from stylesync_plugin.farm import Submission, collect, read_submission, submit
from stylesync_plugin.formats import WRITABLE
from stylesync_plugin.write_back import TrackNames


def run_submit(asked: Asked, names: TrackNames, folder: Path, gpus: int, as_json: bool) -> None:
    """Write the bundle of what is asked."""
    with reporting(as_json) as report:
        work = prepare_work(asked)
        if not work.jobs:
            raise RequestError("Nothing is selected; give --jobs or --markers.")
        submission = Submission(work.timeline, work.jobs, work.settings, work.output, names)
        planned = submit(submission, folder, gpus)
        frames = sum(dub.place.frames for dub in planned.dubs)
        warnings = [warning for dub in planned.dubs for warning in dub.warnings]
        report.result(
            {
                "bundle": str(folder), "dubs": len(planned.dubs), "frames": frames,
                "warnings": warnings,
            },
            f"A job of {len(planned.dubs)} dubs, {frames} frames, lies in {folder}",
        )  # fmt: skip


def run_collect(folder: Path, output: Path | None, with_report: bool, as_json: bool) -> int:
    """Put the farm's dubs on the timeline; returns the exit code."""
    with reporting(as_json) as report:
        submission = read_submission(folder)
        if output is not None and output.suffix.lower() not in WRITABLE:
            raise RequestError(
                f"'{output.name}' is no timeline we write; choose {', '.join(WRITABLE)}."
            )
        submission = dataclasses.replace(submission, output=output or submission.output)
        batch = collect(folder, submission)
        finish(batch, submission.output, with_report, report)
    return say_failures(batch)
