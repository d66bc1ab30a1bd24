"""Measure models by the real way of a dub: rebuild clips from their own speech, follow others'.

Rebuild: a clip is dubbed with its own speech, another clip of the speaker gives style and looks.
Of who has a single clip, its first part gives style and looks and the rest is rebuilt.
Follow: a clip is dubbed with another clip's speech. Rows that are measured stay in
`report/evaluation/`, so the same command goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.dubbing import dub
from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.mouth.crop import CROP
from stylesync_engine.request import DubOptions, DubRequest, FrameRange, Quality, RequestError
from stylesync_engine.review.contact_sheet import CELL, lay_out
from stylesync_engine.review.previews import write_png
from stylesync_engine.weights.loading import Models, load_models
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.workspace import read_json, write_json
from stylesync_training.fitting.sync_expert import SyncJudge
from stylesync_training.measures.published import Published
from stylesync_training.measures.videos import MEANINGS, TRACKER, Judge, crop_matrix, mean_rows
from stylesync_training.tables import markdown_table

Say = Callable[[str, int, int], None]
Row = dict[str, Any]

_SHOWN = 8  # columns of the sheet
_STYLE_PART = 0.55  # of a person's only clip
_LEAST_ALONE = 5  # s
_PANELS = 4  # figures side by side
_TITLES = {
    "rebuild": "Rebuilt from its own speech, style and looks from another clip",
    "follow": "Dubbed with another clip's speech",
}
_NO_OWN_SYNC = "OwnSync is left out: run stylesync-train sync-expert with the same --work."


@dataclass(frozen=True, slots=True)
class Pair:
    """One dub to measure; `spoken` is the video's own clip when it is rebuilt. From frame `first`
    on it is dubbed; where that is not 0, the frames before are the style."""

    kind: str
    video: SourceClip
    spoken: SourceClip
    style: SourceClip
    first: int = 0

    def key(self, quality: str) -> str:
        names = (self.video.name, self.spoken.name, self.style.name)
        return "/".join((self.kind, quality, self.video.speaker, *names))


def choose_pairs(clips: Sequence[SourceClip], count: int) -> list[Pair]:
    """`count` rebuild and `count` follow pairs of each speaker, spread over the clips; for who has
    one clip alone, one pair of its first part and its rest.

    Raises RequestError for a speaker without a whole clip, or whose only one is too short.
    """
    pairs = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker and clip.seconds is None]
        if not own:
            raise RequestError(f"{speaker} has no whole clip; measure other speakers.")
        if len(own) == 1:
            pairs.append(Pair("rebuild", own[0], own[0], own[0], style_frames(own[0])))
            continue
        for index in range(min(count, len(own))):
            video = own[index * len(own) // min(count, len(own))]
            at = own.index(video)
            other, style = own[(at + 1) % len(own)], own[(at + 2) % len(own)]
            style = other if style is video else style
            pairs.append(Pair("rebuild", video, video, style))
            pairs.append(Pair("follow", video, other, style))
    return pairs


def style_frames(clip: SourceClip) -> int:
    """How many frames of a person's only clip are style. Raises RequestError for a short one."""
    info = probe_video(clip.path)
    if info.frames / info.rate < _LEAST_ALONE:
        raise RequestError(
            f"{clip.label} is {clip.speaker}'s only clip, and too short to be style and test;"
            f" give a second one, or one of at least {_LEAST_ALONE} s."
        )
    return round(info.frames * _STYLE_PART)


def evaluate_models(
    models_name: str,
    clips: Sequence[SourceClip],
    qualities: Sequence[str],
    count: int,
    folder: Path,
    published: Published,
    say: Say,
    own_sync: SyncJudge | None = None,
) -> dict[str, Any]:
    """Dub and measure; writes `evaluation.json`, `.md`, `.png` and the contact sheet into
    `folder` and returns what the JSON holds."""
    check_qualities(qualities)
    models = load_models(models_name)
    judge = Judge(published, own_sync)
    pairs = choose_pairs(clips, count)
    place = folder / "evaluation" / models.fingerprint[:12]
    rows: list[Row] = []
    for quality in qualities:
        for pair in pairs:
            rows.append(_measured(pair, quality, models, models_name, judge, place))
            say("evaluate", len(rows), len(pairs) * len(qualities))
    data: dict[str, Any] = {
        "models": models.name,
        "fingerprint": models.fingerprint,
        "faces_by": TRACKER,
        "left_out": [*published.missing(), *([] if own_sync else [_NO_OWN_SYNC])],
        "means": summarise_rows(rows),
        "rows": rows,
    }
    write_json(folder / "evaluation.json", data)
    (folder / "evaluation.md").write_text(describe(data), encoding="utf-8")
    draw_means(data["means"], folder / "evaluation.png")
    draw_sheet(pairs, qualities, place, folder / "evaluation-sheet.png", judge)
    return data


def check_qualities(qualities: Sequence[str]) -> None:
    wrong = [quality for quality in qualities if quality not in get_args(Quality)]
    if wrong or not qualities:
        choices = ", ".join(get_args(Quality))
        raise RequestError(f"There is no quality '{''.join(wrong[:1])}'; choose from {choices}.")


def summarise_rows(rows: Sequence[Row]) -> list[Row]:
    """One row of means for each kind and quality, and the ratio to the mean mouth's LipLMD."""
    means = []
    for kind, quality in dict.fromkeys((row["kind"], row["quality"]) for row in rows):
        own = [row for row in rows if (row["kind"], row["quality"]) == (kind, quality)]
        figures = mean_rows([row["figures"] for row in own])
        if "LipLMD" in figures:
            figures["LipLMD_ratio"] = figures["LipLMD"] / figures["LipLMD_mean_mouth"]
        means.append({"kind": kind, "quality": quality, "clips": len(own), **figures})
    return means


def describe(data: dict[str, Any]) -> str:
    """The means as Markdown."""
    lines = [
        f"Models {data['models']} ({data['fingerprint'][:12]}); faces by {data['faces_by']}.",
        "",
    ]
    for kind in dict.fromkeys(row["kind"] for row in data["means"]):
        own = [row for row in data["means"] if row["kind"] == kind]
        names = dict.fromkeys(n for row in own for n in row if n not in ("kind", "quality"))
        shown = [
            {
                "figure": n,
                **{row["quality"]: row.get(n) for row in own},
                "meaning": MEANINGS.get(n, ""),
            }
            for n in names
        ]
        lines += [f"### {_TITLES[kind]}", "", *markdown_table(shown), ""]
    return "\n".join([*lines, *(f"- {line}" for line in data["left_out"])]) + "\n"


def draw_means(means: Sequence[Row], path: Path) -> None:
    """A panel of bars for each figure, a bar for each kind and quality that has it."""
    from matplotlib.figure import Figure

    skipped = ("kind", "quality", "clips", "LipLMD_mean_mouth")
    names = [n for n in dict.fromkeys(n for row in means for n in row) if n not in skipped]
    lines = -(-len(names) // _PANELS)
    figure = Figure(figsize=(3.0 * _PANELS, 2.4 * lines), layout="constrained")
    for number, name in enumerate(names, start=1):
        own = [row for row in means if name in row]
        axes = figure.add_subplot(lines, _PANELS, number)
        bars = axes.bar(
            [f"{row['quality']}\n{row['kind']}" for row in own], [row[name] for row in own]
        )
        axes.bar_label(bars, fmt="%.3g", fontsize=8)
        axes.margins(y=0.15)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def draw_sheet(
    pairs: Sequence[Pair], qualities: Sequence[str], place: Path, path: Path, judge: Judge
) -> None:
    """The truth above each quality's rebuilding, frames spread over all rebuilt clips."""
    rebuilt = [pair for pair in pairs if pair.kind == "rebuild"]
    picks = [rebuilt[i * len(rebuilt) // _SHOWN] for i in range(_SHOWN)]
    frames = []
    for i, pair in enumerate(picks):
        seen = np.flatnonzero(np.isfinite(judge.look(pair.video.path).since(pair.first).gap))
        frames.append(int(seen[(2 * i + 1) * len(seen) // (2 * _SHOWN)]))
    sources = [[pair.video.path for pair in picks]]
    sources += [[_output(place, pair, quality) for pair in picks] for quality in qualities]
    rows = []
    for videos in sources:
        cells = []
        for video, frame, pair in zip(videos, frames, picks, strict=True):
            matrix = crop_matrix(judge.look(pair.video.path).landmarks[pair.first + frame])
            cells.append(_cell(video, frame + pair.first * (video == pair.video.path), matrix))
        rows.append(cells)
    labels = [f"{pair.video.speaker} {frame}" for pair, frame in zip(picks, frames, strict=True)]
    write_png(path, lay_out(rows, labels, ["truth", *qualities]))


def _measured(
    pair: Pair, quality: str, models: Models, name: str, judge: Judge, place: Path
) -> Row:
    """The row of one dub, from its file where it was measured before."""
    output = _output(place, pair, quality)
    kept = output.with_suffix(".json")
    if kept.exists() and output.exists():
        return dict(read_json(kept))
    output.parent.mkdir(parents=True, exist_ok=True)
    appearance = "style" if pair.kind == "rebuild" else "auto"
    options = DubOptions(
        models=name, quality=_quality(quality), codec="ffv1", appearance=appearance
    )
    result = dub(_request(pair, output, options), models)
    figures = (
        judge.rebuild(output, pair.video.path, pair.first)
        if pair.kind == "rebuild"
        else judge.follow(output, pair.spoken.path, pair.video.path)
    )
    row: Row = {
        "key": pair.key(quality),
        "kind": pair.kind,
        "quality": quality,
        "speaker": pair.video.speaker,
        "seconds": round(sum(result.seconds.values()), 2),
        "figures": figures,
    }
    write_json(kept, row)
    return row


def _request(pair: Pair, output: Path, options: DubOptions) -> DubRequest:
    request = DubRequest(
        str(pair.video.path),
        str(pair.spoken.path),
        str(output),
        style=str(pair.style.path),
        options=options,
    )
    if not pair.first:
        return request
    info = probe_video(pair.video.path)
    if not info.audio:
        raise RequestError(f"'{pair.video.path}' has no sound; measure another clip.")
    rate = info.audio[0].sample_rate
    first, last = (round(frame / info.rate * rate) for frame in (pair.first, info.frames))
    return replace(
        request,
        frames=FrameRange(pair.first, info.frames),
        speech_samples=(first, last),
        style_frames=FrameRange(0, pair.first),
    )


def _output(place: Path, pair: Pair, quality: str) -> Path:
    return place / f"{pair.key(quality).replace('/', '_')}.mkv"


def _quality(name: str) -> Quality:
    found: Quality = next(quality for quality in get_args(Quality) if quality == name)
    return found


def _cell(video: Path, frame: int, matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The aligned crop of one frame, at the sheet's size."""
    picture = next(iter(read_frames(str(video), FrameRange(frame, frame + 1)))).to_rgb()
    scaled = matrix * (CELL / CROP)
    return np.asarray(cv2.warpAffine(picture, scaled, (CELL, CELL)), np.uint8)
