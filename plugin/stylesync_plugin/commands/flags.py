"""The flags of `stylesync`, each once; those of a dub's options are the engine's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine.commands.flags import request_flags
from stylesync_engine.request import DubOptions, DubRequest


def _path(name: str, written: str, what: str) -> Any:
    return Annotated[Path | None, typer.Option(*name.split(), metavar=written, help=what)]


def _text(name: str, written: str, what: str) -> Any:
    return Annotated[str | None, typer.Option(name, metavar=written, help=what)]


_JOBS_HELP = (
    "What to dub, as JSON: a list of jobs, or {jobs, options, search}. A job says what (clip, track"
    " and index, range), speech (a file, or {file, range, samples} or {clip, track, index, range}),"
    " and may say name, style (the same, with frames and sound), speaker, person, consent, second,"
    " options (as the flags of stylesync-engine dub are named), keys (closed@A:B or original@A:B,"
    " frames of the timeline from its start), handles (frames), beside (jobs of other faces in the"
    " same shot; jobs with speakers that overlap are put into one picture in any case)."
)


TimelineFile = Annotated[
    Path,
    typer.Argument(metavar="TIMELINE", help="OTIO, FCP XML, EDL, AAF, Kdenlive or MLT."),
]
OutputPath = _path("-o --output", "OUT", "The new timeline (default: beside).")
LISTS: dict[str, Any] = {
    "jobs": _path("--jobs", "JOBS.json", _JOBS_HELP),
    "markers": Annotated[
        bool | None,
        typer.Option("--markers", help='Take the jobs from markers with metadata["stylesync"].'),
    ],
}
PLACES: dict[str, Any] = {
    "output": OutputPath,
    "in_place": Annotated[
        bool | None,
        typer.Option("--in-place", help="Into TIMELINE itself; a copy of it is kept beside."),
    ],
    "media": _path("--media", "DIR", "Where the dubs go (default: OUT.stylesync)."),
    "search": Annotated[
        list[Path] | None,
        typer.Option("--search", metavar="DIR", help="Where else media lie; may be repeated."),
    ],
    "rate": _text("--rate", "FPS", "The timeline's rate (EDLs need it)."),
    "name": _text("--timeline", "NAME", "Which one, in files with several."),
    "handles": Annotated[
        int | None,
        typer.Option("--handles", metavar="N", min=0, help="Extra source frames at both ends."),
    ],
}
_REQUEST = request_flags(DubRequest)
SELECTION: dict[str, Any] = {
    "clip": _text("--clip", "NAME", "The clip to dub."),
    "track": _text("--track", "V1|NAME", "Its track, where names repeat."),
    "index": Annotated[
        int | None, typer.Option("--index", metavar="N", help="The N-th clip of the track, from 1.")
    ],
    "range": _text(
        "--range",
        "A-B",
        "A range of the timeline: time codes, seconds (12.5s) or frames; B excluded.",
    ),
    "marker": _text(
        "--marker",
        "NAME",
        "What a marker or guide of that name marks: its range, or the clip under it."
        " `zone` is the zone of a Kdenlive project.",
    ),
    "speech": _REQUEST["speech"],
    "style": _text(
        "--style",
        "R|clip:NAME|range:A-B",
        "How this person speaks: a file, a clip or a range (default: the shot itself).",
    ),
    **{name: _REQUEST[name] for name in ("speaker", "person", "consent")},
    "second": _text(
        "--second",
        "overlay|vfx",
        "A second delivery, as a further media reference of the dubbed clip.",
    ),
}
OPTIONS = request_flags(DubOptions, earlier=False)  # `--rate` is the timeline's
ONE_DUB = {**LISTS, **SELECTION, **PLACES, **OPTIONS}
TrackName = Annotated[str, typer.Option("--track-name", help="What the new track is called.")]
OriginalSound = Annotated[
    str,
    typer.Option(
        "--original-sound",
        metavar="off|-20dB|keep",
        help="What becomes of the shot's own sound under a dub.",
    ),
]
Editor = Annotated[
    str, typer.Argument(metavar="HOST", help="blender, kdenlive, nuke, resolve or shotcut.")
]
Loader = Annotated[str, typer.Argument(metavar="HOST", help="blender, nuke or resolve.")]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Where (default: the editor's own).")
]
