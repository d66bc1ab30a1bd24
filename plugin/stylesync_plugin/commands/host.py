"""`stylesync host`: what an editor has selected is dubbed or shown in the panel, and goes back."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stylesync_engine.commands.reporting import reporting
from stylesync_engine.request import RequestError
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.batch.engine_process import EngineProcess
from stylesync_plugin.commands.batch import Display
from stylesync_plugin.commands.panel import open_panel
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.hosts.base import Host, Selection, Wishes
from stylesync_plugin.jobs import Job, Speech, Style, job_from
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.writing.original_sound import check_original_sound
from stylesync_plugin.writing.write_back import TrackNames

HOSTS = {
    "blender": ("blender", "BlenderStrips"),
    "kdenlive": ("mlt", "MltProject"),
    "nuke": ("hiero", "HieroItems"),
    "resolve": ("resolve", "connect"),
    "shotcut": ("mlt", "MltProject"),
}
"""Module of `hosts` and what opens the editor there."""
LIVE = {"resolve"}
"""They are asked themselves; the others give a file and take one."""


def run_host(
    editor: str, files: tuple[Path | None, Path | None], given: dict[str, Any], as_json: bool
) -> None:
    """Dub the selection and write the changes; any failure changes nothing in the host.

    `files` are what the loader has written and what it will apply; `given` are the flags.
    """
    with reporting(as_json) as report:
        host = open_host(editor, *files)
        wishes = _overlaid(host.wishes(), given)
        timeline, selection = host.read()
        if given.get("panel"):
            dubbed, text = in_panel(timeline, wishes, open_panel), "The panel's timeline is back."
        else:
            job = make_job(selection, wishes)
            settings = PlanSettings(wishes.media, (wishes.media.absolute().parent,))
            names = TrackNames(original_sound=check_original_sound(wishes.original_sound))
            with EngineProcess() as engine, Display(report, as_json) as display:
                batch = dub_timeline(timeline, (job,), settings, engine, names, display.show)
            for _, error in batch.failures:
                raise error
            dubbed, text = batch.timeline, f"{len(batch.outcomes)} dubs are in {host.name}."
        notes = host.write(dubbed)
        report.result({"host": editor, "notes": list(notes)}, "\n".join([text, *notes]))


def open_host(editor: str, source: Path | None, target: Path | None) -> Host:
    """The adapter of an editor; raises RequestError where it needs files and has none."""
    if editor not in HOSTS:
        raise RequestError(f"'{editor}' has no loader; choose one of {', '.join(HOSTS)}.")
    module, name = HOSTS[editor]
    opened: Callable[..., Host] = getattr(
        importlib.import_module(f"stylesync_plugin.hosts.{module}"), name
    )
    if editor in LIVE:
        return opened()
    if source is None or target is None:
        raise RequestError(
            f"{editor} is dubbed by way of files; its loader, or you, give FILE and --output."
        )
    return opened(source, target)


def in_panel(timeline: Any, wishes: Wishes, show: Callable[[Path], int]) -> Any:
    """The timeline as the panel has saved it; unchanged where nothing was saved."""
    opened = wishes.media / "timeline.otio"
    saved = opened.with_name("timeline.dubbed.otio")
    saved.unlink(missing_ok=True)
    write_timeline(timeline, opened)
    show(opened)
    return read_timeline(saved) if saved.exists() else timeline


def make_job(selection: Selection, wishes: Wishes) -> Job:
    """The job that a selection means; raises RequestError naming what is still to be chosen."""
    if not selection.dub:
        raise RequestError("Nothing is selected; select the clips to dub.")
    if not selection.speech and not wishes.speech:
        raise RequestError("There is no new speech; mark a sound or name a sound file.")
    plain = {"clip": "-", "speech": "-"}
    options = job_from(plain, "dub", dict(wishes.options)).options
    speech = Speech(pick=selection.speech) if selection.speech else Speech(file=wishes.speech)
    return Job("dub", selection.dub, speech, Style(pick=selection.style), options=options)


def _overlaid(wishes: Wishes, given: dict[str, Any]) -> Wishes:
    """What flags say goes over what the host says."""
    options = {key: given[key] for key in ("quality", "models", "device") if given.get(key)}
    return Wishes(
        given.get("media") or wishes.media,
        given.get("speech") or wishes.speech,
        {**wishes.options, **options},
        given.get("original_sound") or wishes.original_sound,
    )
