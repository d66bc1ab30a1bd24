"""`stylesync host`: what an editor's loader hands over is dubbed and handed back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stylesync_engine.reporting import reporting
from stylesync_engine.request import RequestError
from stylesync_plugin.batch_command import Display
from stylesync_plugin.dub_timeline import dub_timeline
from stylesync_plugin.engine_process import EngineProcess
from stylesync_plugin.hosts.base import Selection
from stylesync_plugin.hosts.blender import BlenderStrips
from stylesync_plugin.jobs import Job, Speech, Style, job_from
from stylesync_plugin.plan import PlanSettings

HOSTS = {"blender": BlenderStrips}


def run_host(editor: str, source: Path, output: Path, as_json: bool) -> int:
    """Dub the selection in `source` and write the changes; any failure changes nothing."""
    with reporting(as_json) as report:
        if editor not in HOSTS:
            raise RequestError(f"'{editor}' has no loader; choose one of {', '.join(HOSTS)}.")
        host = HOSTS[editor](source, output)
        wishes = host.snapshot()
        timeline, selection = host.read()
        settings = PlanSettings(Path(wishes["media"]), (source.absolute().parent,))
        with EngineProcess() as engine, Display(report, as_json) as display:
            job = make_job(selection, wishes)
            batch = dub_timeline(timeline, (job,), settings, engine, None, display.show)
        for _, error in batch.failures:
            raise error
        host.write(batch.timeline)
        number = len(batch.outcomes)
        report.result({"output": str(output), "dubs": number}, f"{number} dubs are in {output}")
    return 0


def make_job(selection: Selection, wishes: dict[str, Any]) -> Job:
    """The job that a selection means; raises RequestError naming what is still to be chosen."""
    if not selection.dub:
        raise RequestError("Nothing is selected; select the strips to dub.")
    file = wishes.get("speech")
    if not selection.speech and not file:
        raise RequestError("There is no new speech; mark a sound strip or name a sound file.")
    plain = {"clip": "-", "speech": "-"}
    options = job_from(plain, "dub", wishes.get("options", {})).options
    speech = Speech(pick=selection.speech) if selection.speech else Speech(file=file)
    return Job("dub", selection.dub, speech, Style(pick=selection.style), options=options)
