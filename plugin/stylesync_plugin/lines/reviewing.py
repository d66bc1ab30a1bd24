"""The dubs of a timeline as scenes of a review movie: frames of files, and what is said in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylesync_engine.request import FrameRange
from stylesync_plugin.lines.document import Lines
from stylesync_plugin.timeline.items import METADATA, own_start, remembered
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.paths import path_of
from stylesync_plugin.times import exact_rate, seconds, time_code

if TYPE_CHECKING:
    from stylesync_engine.review.review_movie import Scene


def media_of(timeline: Any) -> list[Path]:
    """Every file that a timeline names, whatever lies beneath its dubs."""
    references = (clip.clip.media_reference for clip in lay_out(timeline).clips)
    urls = (str(getattr(media, "target_url", None) or "") for media in references)
    return [Path(path_of(url)) for url in urls if url]


def scenes_of(timeline: Any, lines: Lines | None = None) -> list[Scene]:
    """Every dub that lies on a timeline, in time order; with the lines, what each one says."""
    from stylesync_engine.review.review_movie import Scene

    layout, scenes = lay_out(timeline), []
    said = {line.number: line for line in lines.lines} if lines else {}
    placed = [clip for clip in layout.clips if remembered(clip.clip, METADATA).get("role") == "dub"]
    for clip in sorted(placed, key=lambda clip: clip.root_span.start):
        media = clip.clip.media_reference
        job = str(remembered(clip.clip, METADATA).get("job", ""))
        rate = exact_rate(media.available_range.duration.rate)
        first = round((own_start(clip.clip) - seconds(media.available_range.start_time)) * rate)
        count = max(1, round(clip.root_span.duration * rate))
        line = said.get(job)
        words = (job, line.character if line else "", line.text if line else clip.clip.name)
        code = time_code(clip.root_span.start, layout.rate, layout.zero, layout.drop)
        path = str(Path(path_of(str(getattr(media, "target_url", "")))))
        title = "  ".join(word for word in words if word)
        scenes.append(Scene(path, FrameRange(first, first + count), title, code))
    return scenes
