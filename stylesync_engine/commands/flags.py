"""The flags of `stylesync-engine`: a `DubRequest` field by field, and where a plan lies."""

from __future__ import annotations

from typing import Annotated

import typer

RequestFile = Annotated[str, typer.Argument(metavar="REQUEST.json", help="A request, as data.")]
Work = Annotated[str, typer.Option("--work", metavar="DIR", help="The plan's folder.")]
Models = Annotated[
    str | None,
    typer.Option("--models", metavar="starter|paper|DIR", help="Which weights (default: starter)."),
]
Quality = Annotated[
    str | None,
    typer.Option(
        "--quality",
        metavar="draft|good|best",
        help="draft: aligned reference alone; good: few steps (default); best: all steps.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="auto|cuda[:N]|mps|cpu", help="Where to compute (default: auto)."
    ),
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="Sampling steps (default: the models').")
]
Sampler = Annotated[
    str | None,
    typer.Option("--sampler", metavar="dpmpp|ddim", help="Sampler (default: the models')."),
]
OptionalWork = Annotated[
    str | None,
    typer.Option("--work", metavar="DIR", help="Keep finished windows here (default: beside OUT)."),
]
Video = Annotated[str | None, typer.Option("--video", metavar="V", help="The shot to dub.")]
Frames = Annotated[
    str | None,
    typer.Option(
        "--frames", metavar="A:B", help="Source frames from 0, B excluded (default: all)."
    ),
]
Speech = Annotated[
    str | None,
    typer.Option("--speech", metavar="S", help="The new speech: sound, or a clip's own."),
]
SpeechSamples = Annotated[
    str | None,
    typer.Option("--speech-samples", metavar="A:B", help="Samples of the speech file, B excluded."),
]
Style = Annotated[
    str | None,
    typer.Option(
        "--style", metavar="R", help="A clip of how this person speaks (default: the shot itself)."
    ),
]
StyleFrames = Annotated[
    str | None, typer.Option("--style-frames", metavar="A:B", help="Frames of the style clip.")
]
Output = Annotated[str | None, typer.Option("--output", metavar="OUT", help="The dub's file.")]
Strength = Annotated[
    float | None,
    typer.Option(
        "--strength",
        metavar="X",
        help="How much of the noise sampling starts from, above 0 to 1 (default: the models').",
    ),
]
StyleReading = Annotated[
    str | None,
    typer.Option(
        "--style-reading",
        metavar="network|closed-form|none",
        help="How the style clip is read (default: the models').",
    ),
]
StyleOffset = Annotated[
    str | None,
    typer.Option(
        "--style-offset",
        metavar="auto|S",
        help="How late the style's sound is against its lips, s (default: auto, measured).",
    ),
]
Articulation = Annotated[
    float | None,
    typer.Option(
        "--articulation",
        metavar="X",
        help="How wide the mouth opens, 0 to 1.5 (default: 1, as wide as the person's own).",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Noise (default: 0).")]
Speaker = Annotated[
    str | None,
    typer.Option("--speaker", metavar="FRAME:X,Y", help="A point on the speaker's face, px."),
]
Appearance = Annotated[
    str | None,
    typer.Option(
        "--appearance",
        metavar="shot|style|FILE[:A:B]",
        help="Whose frames show what the person looks like (default: the shot's and style clip's).",
    ),
]
Delivery = Annotated[
    str | None,
    typer.Option(
        "--delivery",
        metavar="composite|overlay|vfx",
        help="Full frames (default), the change alone, or layers for compositing.",
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="prores4444|prores422hq|dnxhr|ffv1|h264|h265|exr|png",
        help="How OUT is encoded (default: prores4444).",
    ),
]
Length = Annotated[
    str | None,
    typer.Option(
        "--length",
        metavar="trim|hold|silence",
        help="Speech longer or shorter than the shot: trim (default), hold, silence.",
    ),
]
Landmarks = Annotated[
    str | None,
    typer.Option(
        "--landmarks",
        metavar="mediapipe|face-alignment",
        help="What finds the face (default: mediapipe; the other fetches its own weights).",
    ),
]
Person = Annotated[str | None, typer.Option("--person", metavar="NAME", help="Who is dubbed.")]
Consent = Annotated[
    str | None, typer.Option("--consent", metavar="FILE", help="The person's consent, on record.")
]
Credentials = Annotated[
    str | None,
    typer.Option(
        "--credentials",
        metavar="auto|off|test",
        help="Proof of origin: auto signs with the configured certificate (default: auto).",
    ),
]
Mark = Annotated[
    str | None,
    typer.Option(
        "--mark",
        metavar="none|metadata",
        help="Say in the file's metadata that a model took part (default: none).",
    ),
]

Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="R", help="Rate of image sequences that do not say it."),
]
ColourSpace = Annotated[
    str | None,
    typer.Option(
        "--colour-space",
        metavar="NAME",
        help="The shot's: bt709, pq, hlg, linear, acescg, or a camera log (default: by its tags).",
    ),
]
Deinterlace = Annotated[
    bool | None,
    typer.Option("--deinterlace", help="Make frames of an interlaced clip's fields."),
]

KeepSound = Annotated[
    bool | None,
    typer.Option("--keep-sound", help="Keep the shot's other sound beside the new speech."),
]
MatchLoudness = Annotated[
    bool | None,
    typer.Option("--match-loudness", help="Make the speech as loud as the shot's own sound."),
]
BurnIn = Annotated[
    bool | None,
    typer.Option("--burn-in", help="Show clip, time code and frame in a review encode."),
]
