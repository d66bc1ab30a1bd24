"""The flags of `stylesync`, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TimelineFile = Annotated[
    Path,
    typer.Argument(metavar="TIMELINE", help="OTIO, FCP XML, EDL, AAF, Kdenlive or MLT."),
]
Jobs = Annotated[
    Path | None, typer.Option("--jobs", metavar="JOBS.json", help="What to dub, as data.")
]
Markers = Annotated[
    bool, typer.Option("--markers", help='Take the jobs from markers with metadata["stylesync"].')
]
Clip = Annotated[str | None, typer.Option("--clip", metavar="NAME", help="The clip to dub.")]
Track = Annotated[
    str | None, typer.Option("--track", metavar="V1|NAME", help="Its track, where names repeat.")
]
Index = Annotated[
    int | None, typer.Option("--index", metavar="N", help="The N-th clip of the track, from 1.")
]
Range = Annotated[
    str | None,
    typer.Option(
        "--range", metavar="A-B",
        help="A range of the timeline: time codes, seconds (12.5s) or frames; B excluded.",
    ),
]  # fmt: skip
Marker = Annotated[
    str | None,
    typer.Option(
        "--marker", metavar="NAME",
        help="What a marker or guide of that name marks: its range, or the clip under it."
        " `zone` is the zone of a Kdenlive project.",
    ),
]  # fmt: skip
Speech = Annotated[
    str | None, typer.Option("--speech", metavar="S", help="The new speech: a sound or clip.")
]
Style = Annotated[
    str | None,
    typer.Option(
        "--style", metavar="R|clip:NAME|range:A-B",
        help="How this person speaks: a file, a clip or a range (default: the shot itself).",
    ),
]  # fmt: skip
Speaker = Annotated[
    str | None,
    typer.Option("--speaker", metavar="FRAME:X,Y", help="A click on the speaker, source frame."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="OUT", help="The new timeline (default: beside)."),
]
Media = Annotated[
    Path | None,
    typer.Option("--media", metavar="DIR", help="Where the dubs go (default: OUT.stylesync)."),
]
Search = Annotated[
    list[Path] | None,
    typer.Option("--search", metavar="DIR", help="Where else media lie; may be repeated."),
]
Rate = Annotated[
    str | None, typer.Option("--rate", metavar="FPS", help="The timeline's rate (EDLs need it).")
]
Name = Annotated[
    str | None, typer.Option("--timeline", metavar="NAME", help="Which one, in files with several.")
]
Handles = Annotated[
    int, typer.Option("--handles", metavar="N", min=0, help="Extra source frames at both ends.")
]
TrackName = Annotated[str, typer.Option("--track-name", help="What the new track is called.")]
Models = Annotated[str | None, typer.Option("--models", metavar="starter|paper|DIR")]
Quality = Annotated[str | None, typer.Option("--quality", metavar="draft|good|best")]
Device = Annotated[str | None, typer.Option("--device", metavar="auto|cuda[:N]|mps|cpu")]
Codec = Annotated[
    str | None, typer.Option("--codec", metavar="prores4444|prores422hq|dnxhr|ffv1|h264|png")
]
Delivery = Annotated[str | None, typer.Option("--delivery", metavar="composite|overlay|vfx")]
Second = Annotated[
    str | None,
    typer.Option(
        "--second", metavar="overlay|vfx",
        help="A second delivery, as a further media reference of the dubbed clip.",
    ),
]  # fmt: skip
Length = Annotated[str | None, typer.Option("--length", metavar="trim|hold|silence")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N")]
Editor = Annotated[
    str, typer.Argument(metavar="HOST", help="blender, kdenlive, nuke, resolve or shotcut.")
]
Loader = Annotated[str, typer.Argument(metavar="HOST", help="blender, nuke or resolve.")]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Where (default: the editor's own).")
]
