"""What `prepare` kept and dropped, in numbers and in a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.request import DubError, FrameRange
from stylesync_engine.review.contact_sheet import CELL, lay_out
from stylesync_engine.review.previews import write_png
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.dataset import describe_clips, load_clips
from stylesync_training.data.prepare import read_dropped
from stylesync_training.data.workspace import Choices, Workspace, write_json
from stylesync_training.tables import markdown_table

_COLUMNS, _MOST_SHOWN = 6, 36


def summarise(clips: Sequence[SourceClip], choices: Choices) -> list[dict[str, Any]]:
    """One row a speaker: how many clips were found, and what they are for."""
    return [
        {"speaker": name, "clips": count, "use": choices.use_of(name)}
        for name, count in sorted(Counter(clip.speaker for clip in clips).items())
    ]


def write_prepare_report(space: Workspace, clips: Sequence[SourceClip]) -> dict[str, Any]:
    """`report/prepare.json`, `prepare.md`, `dropped.png`; returns the facts."""
    dropped = {**read_dropped(space.tracks), **read_dropped(space.clips)}
    own = {clip.label: clip for clip in clips}
    dropped = {label: why for label, why in dropped.items() if label in own}
    kept = describe_clips(
        load_clips(space.clips, sorted({c.speaker for c in clips}), pictures=False)
    )
    for row in kept:
        row["use"] = space.choices.use_of(row["speaker"])
    reasons = [
        {"reason": reason, "clips": count}
        for reason, count in Counter(map(_kind_of, dropped.values())).most_common()
    ]
    facts: dict[str, Any] = {
        "work": str(space.folder),
        "found": len(clips),
        "dropped": dropped,
        "reasons": reasons,
        "speakers": kept,
    }
    write_json(space.report / "prepare.json", facts)
    lines = ["# Prepared clips", "", *markdown_table(kept), ""]
    lines += ["## Dropped", "", *(markdown_table(reasons) or ["None."]), ""]
    lines += [f"- {label}: {why}" for label, why in dropped.items()]
    (space.report / "prepare.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _draw_dropped([own[label] for label in dropped], list(dropped.values()), space)
    return facts


def _kind_of(reason: str) -> str:
    """A reason without the path and the numbers that are the clip's own."""
    words = reason.split("'")
    plain = "…".join(words[::2]) if len(words) > 2 else reason
    return " ".join("N" if word.strip("(%).,").isdecimal() else word for word in plain.split())


def _draw_dropped(clips: Sequence[SourceClip], reasons: Sequence[str], space: Workspace) -> None:
    """The middle frames of dropped clips, each under the beginning of its reason."""
    path = space.report / "dropped.png"
    path.unlink(missing_ok=True)
    shown = list(zip(clips, reasons, strict=True))[:_MOST_SHOWN]
    if not shown:
        return
    blank = np.zeros((CELL, CELL, 3), np.uint8)
    sheets = []
    for first in range(0, len(shown), _COLUMNS):
        part = shown[first : first + _COLUMNS]
        cells = [_middle_frame(clip) for clip, _ in part]
        cells += [blank] * (_COLUMNS - len(part))
        labels = [f"{clip.speaker} {clip.name}"[:28] for clip, _ in part]
        labels += [""] * (_COLUMNS - len(part))
        named = [_write_reason(cell, why) for cell, (_, why) in zip(cells, part, strict=False)]
        sheets.append(lay_out([[*named, *cells[len(part) :]]], labels, []))
    write_png(path, np.concatenate(sheets))


def _middle_frame(clip: SourceClip) -> NDArray[np.uint8]:
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    try:
        info = probe_video(clip.path)
        at = float(sum(clip.seconds) / 2 * info.rate) if clip.seconds else info.frames // 2
        middle = min(int(at), info.frames - 1)
        frames = read_frames(str(clip.path), FrameRange(middle, middle + 1))
        picture = next(iter(frames)).to_rgb()
    except (DubError, StopIteration):
        return cell
    scale = CELL / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = small[:CELL, :CELL]
    cell[: small.shape[0], : small.shape[1]] = small
    return cell


def _write_reason(cell: NDArray[np.uint8], why: str) -> NDArray[np.uint8]:
    out = cell.copy()
    for line in range(3):
        text = why[line * 34 : (line + 1) * 34]
        place = (4, CELL - 34 + 13 * line)
        cv2.putText(
            out, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 220, 80), 1, cv2.LINE_AA
        )
    return out
