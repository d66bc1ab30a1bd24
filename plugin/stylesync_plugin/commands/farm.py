"""`stylesync submit` and `stylesync collect`: from flags to a job bundle, and back."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from stylesync_engine.commands.reporting import reporting
from stylesync_engine.farm.path_mapping import PathMapping, read_path_mapping
from stylesync_engine.request import RequestError
from stylesync_plugin.batch.farm import Submission, check_outputs, collect, read_submission, submit
from stylesync_plugin.commands.batch import Asked, finish, prepare_work, say_failures
from stylesync_plugin.formats.files import WRITABLE
from stylesync_plugin.writing.write_back import TrackNames


def run_submit(
    asked: Asked, names: TrackNames, folder: Path, farm: dict[str, Any], as_json: bool
) -> None:
    """Write the bundle of what is asked; `farm` holds gpus, workers and the file of costs."""
    with reporting(as_json) as report:
        from stylesync_engine.farm.costs import Costs, read_costs
        from stylesync_engine.farm.template import FarmOptions

        bench: Path | None = farm["bench"]
        options = FarmOptions(
            gpus=farm["gpus"], workers=farm["workers"],
            costs=read_costs(bench) if bench else Costs(),
        )  # fmt: skip
        work = prepare_work(asked)
        if not work.jobs:
            raise RequestError(
                "Nothing is selected; give --clip, --range, --marker, --jobs or --markers."
            )
        submission = Submission(work.timeline, work.jobs, work.settings, work.output, names)
        planned = submit(submission, folder, options)
        frames = sum(dub.place.frames for dub in planned.dubs)
        warnings = [warning for dub in planned.dubs for warning in dub.warnings]
        report.result(
            {
                "bundle": str(folder), "dubs": len(planned.dubs), "frames": frames,
                "warnings": warnings,
            },
            f"A job of {len(planned.dubs)} dubs, {frames} frames, lies in {folder}",
        )  # fmt: skip


def run_collect(
    folder: Path, output: Path | None, path_rules: Path | None, with_report: bool, as_json: bool
) -> int:
    """Put the farm's dubs on the timeline; returns the exit code.

    Where path mapping rules say that this is a worker which sees other paths than the timeline
    names, the dubs are checked and the timeline is left to its owner.
    """
    mapping = read_path_mapping(path_rules)
    if mapping.rules:
        return _check(folder, mapping, as_json)
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


def _check(folder: Path, mapping: PathMapping, as_json: bool) -> int:
    with reporting(as_json) as report:
        failed = check_outputs(folder, mapping)
        report.result(
            {"bundle": str(folder), "failed": [name for name, _ in failed]},
            "The dubs are checked; run stylesync collect where the timeline lies.",
        )
    for name, error in failed:
        print(f"{name}: {error}", file=sys.stderr)
    return next((error.exit_code for _, error in failed), 0)
