"""A marker on the timeline that says what to dub, as panel and command line read it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.times import Span, rational_time


def with_marker(
    timeline: Any, name: str, span: Span, job: Mapping[str, Any], rate: Fraction
) -> Any:
    """A copy of a timeline with one more marker over a span (s) at `rate` frames/s; it says what to
    dub where `job` does."""
    copy = timeline.deepcopy()
    start, length = (rational_time(moment, rate) for moment in (span.start, span.duration))
    marked = otio.opentime.TimeRange(start, length)
    metadata = {METADATA: dict(job)} if job else {}
    copy.tracks.markers.append(otio.schema.Marker(name, marked, metadata=metadata))
    return copy
