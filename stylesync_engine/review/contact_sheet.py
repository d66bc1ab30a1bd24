"""Before and after on one sheet: the changed part of some frames, the source above the dub."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from stylesync_engine.files import Written, refuse_overwriting
from stylesync_engine.media import files_of, probe_video, read_frames
from stylesync_engine.request import DubError, FrameRange, MediaError
from stylesync_engine.review.previews import write_png

Picture = npt.NDArray[np.uint8]

CELL = 240
MARGIN = 20
GAP = 4
# The crop is this much larger than what changed: the mouth and the face around it.
CONTEXT = 1.5
# Re-encoding moves pixels by a few code values; a new mouth moves whole patches by more.
CHANGE = 12
PATCH = 7
BACKGROUND, INK = (24, 24, 24), (220, 220, 220)


@dataclass(frozen=True)
class Change:
    """Where one frame of the dub differs: frame of the dub, centre and side of a square, px."""

    frame: int
    x: float
    y: float
    side: float


def draw_contact_sheet(
    before: str, after: str, output: Path, first_frame: int = 0, columns: int = 8
) -> None:
    """Write a PNG: `columns` frames of the source over the same frames of the dub.

    `first_frame` is the source frame that the dub begins with. The crops follow the changed
    region and share one scale. Raises MediaError where nothing was changed.
    """
    refuse_overwriting({"clip": [*files_of(before), *files_of(after)]}, [Written.one(output)])
    changes = list(find_changes(before, after, first_frame))
    if not changes:
        raise MediaError(f"{after} shows no change from {before}; dub it again.")
    picks = np.linspace(0, len(changes) - 1, min(columns, len(changes))).round().astype(int)
    chosen = [changes[pick] for pick in picks]
    side = float(np.median([change.side for change in changes])) * CONTEXT
    rows = [
        _crops(before, chosen, side, first_frame),
        _crops(after, chosen, side, 0),
    ]
    labels = [f"frame {change.frame + first_frame}" for change in chosen]
    write_png(output, lay_out(rows, labels, ["before", "after"]))


def find_changes(before: str, after: str, first_frame: int) -> Iterator[Change]:
    """The changed frames of the dub, in order; no picture is kept longer than it is compared."""
    last = first_frame + probe_video(after).frames
    source = read_frames(before, FrameRange(first_frame, last))
    for old, new in zip(source, read_frames(after), strict=True):
        square = changed_square(old.to_rgb(), new.to_rgb())
        if square is not None:
            yield Change(new.index, *square)


def changed_square(old: Picture, new: Picture) -> tuple[float, float, float] | None:
    """Centre x, y and side of what differs between two pictures [H, W, 3], px; None where alike."""
    if old.shape != new.shape:
        raise MediaError("The dub has another size than the source; they cannot be compared.")
    difference = cv2.blur(cv2.absdiff(old, new).max(axis=2), (PATCH, PATCH))
    rows, columns = np.nonzero(difference > CHANGE)
    if len(rows) < PATCH * PATCH:
        return None
    left, right = np.percentile(columns, (1, 99))
    top, bottom = np.percentile(rows, (1, 99))
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)


def lay_out(rows: list[list[Picture]], labels: list[str], names: list[str]) -> Picture:
    """Cells [CELL, CELL, 3] in rows, frame labels on top, each row's name at its left edge."""
    step = CELL + GAP
    width, height = len(labels) * step + GAP, len(rows) * step + GAP + MARGIN
    sheet = np.full((height, width, 3), BACKGROUND, np.uint8)
    for column, label in enumerate(labels):
        _write(sheet, label, GAP + column * step + 4, MARGIN - 5)
        for row, cells in enumerate(rows):
            top, left = MARGIN + GAP + row * step, GAP + column * step
            sheet[top : top + CELL, left : left + CELL] = cells[column]
    for row, name in enumerate(names):
        _write(sheet, name, GAP + 6, MARGIN + GAP + row * step + CELL - 8)
    return sheet


def _crops(video: str, changes: list[Change], side: float, offset: int) -> list[Picture]:
    scale = CELL / side
    crops = []
    for change in changes:
        frame = change.frame + offset
        picture = next(iter(read_frames(video, FrameRange(frame, frame + 1)))).to_rgb()
        corner = CELL / 2 - scale * change.x, CELL / 2 - scale * change.y
        matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        crops.append(
            np.asarray(cv2.warpAffine(picture, matrix, (CELL, CELL), flags=method), np.uint8)
        )
    return crops


def _write(sheet: Picture, text: str, x: int, y: int) -> None:
    face, size = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    (width, height), below = cv2.getTextSize(text, face, size, 1)
    cv2.rectangle(sheet, (x - 3, y - height - 3), (x + width + 3, y + below), BACKGROUND, -1)
    cv2.putText(sheet, text, (x, y), face, size, INK, 1, cv2.LINE_AA)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stylesync_engine.review.contact_sheet", description=__doc__
    )
    parser.add_argument("before", help="the source video")
    parser.add_argument("after", help="the dub")
    parser.add_argument("output", type=Path, help="the PNG to write")
    parser.add_argument(
        "--first-frame", type=int, default=0, help="source frame of the dub's first"
    )
    chosen = parser.parse_args(arguments)
    try:
        draw_contact_sheet(chosen.before, chosen.after, chosen.output, chosen.first_frame)
    except DubError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
