"""Media as hosts name them: one path, for image sequences with the number of the first image."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.files import NumberedName
from stylesync_plugin.timeline.paths import path_of, url_of
from stylesync_plugin.times import TimeRange


def reference_to(path: str, number: int | None, available: TimeRange, rate: Fraction) -> Any:
    """A file, or with a `number` the images `path % number` and those that follow."""
    named = NumberedName.of(Path(path).name)
    if number is None or named is None:
        return otio.schema.ExternalReference(url_of(path), available)
    return otio.schema.ImageSequenceReference(
        target_url_base=url_of(Path(path).parent) + "/",
        name_prefix=named.head, name_suffix=named.tail,
        start_frame=number, frame_zero_padding=named.digits, rate=float(rate),
        available_range=available,
    )  # fmt: skip


def file_of(reference: Any) -> tuple[str, int | None]:
    """The path of a reference, and the number of a sequence's first image."""
    if not isinstance(reference, otio.schema.ImageSequenceReference):
        return path_of(reference.target_url), None
    name = f"%0{reference.frame_zero_padding}d".join((reference.name_prefix, reference.name_suffix))
    return str(Path(path_of(reference.target_url_base)) / name), reference.start_frame
