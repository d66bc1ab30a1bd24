"""Edit decision lists (CMX 3600), set right for their adapter, and what they do not say: the rate.

The adapter loses changes of speed between equal lengths, takes cuts of one event for a transition,
and refuses a list for one event that it does not know. Here each event is first told plainly: its
times as frame numbers, a number of its own for each channel, and its speed as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.files import decoded, read_bounded
from stylesync_engine.request import RequestError
from stylesync_plugin.formats.otio_files import MOST_BYTES
from stylesync_plugin.timeline.items import count_as, remembered
from stylesync_plugin.times import RationalTime, TimeRange, frames_of_time_code, number_of, seconds

_TIME = r"\d{1,3}:\d{2}:\d{2}[:;.,]\d{2,3}|\d+"
_EDIT = re.compile(
    rf"(?P<event>\d+)\s+(?P<reel>.*?)\s*\s(?P<channel>[A-Z][\w/]*)\s+(?P<kind>[A-Z]\w*)"
    rf"(?:\s+(?P<length>[A-Z]|\d+(?:\s+F)?))?"
    rf"\s+(?P<a>{_TIME})\s+(?P<b>{_TIME})\s+(?P<c>{_TIME})\s+(?P<d>{_TIME})"
)
_MOTION = re.compile(
    rf"M2\s+(?P<reel>[^:]*?)\s*(?P<speed>[+-]?\d+(?:\.\d*)?)(?:\s+(?:{_TIME}))?\s*"
)
_DROPS = re.compile(r"FCM:\s*DROP", re.IGNORECASE)
_RETIME = "stylesync retime "
_SUPPORTED = re.compile(r"D|W\d{3}")


def rate_of(source: Path) -> Fraction:
    """29.97 where the file says drop frame; raises RequestError where it does not tell."""
    if _DROPS.search(_text(source)):
        return Fraction(30000, 1001)
    raise RequestError(
        f"An EDL does not say its frame rate; give that of '{source.name}', for example 25.", "rate"
    )


def read(source: Path, rate: Fraction) -> Any:
    """The list as a timeline that counts at `rate`; raises RequestError for what cannot be read."""
    text = _text(source)
    try:
        # A list may follow its sources (mode C) instead of the record.
        edits = _on_tracks(sorted(_edits(text, rate), key=lambda edit: edit.record[0]))
    except RequestError as error:
        raise RequestError(
            f"'{source.name}' cannot be read as EDL: {error} Give its own rate, or export it"
            " again.",
            "rate",
        ) from error
    if not edits:
        raise RequestError(f"'{source.name}' lists no event; export it again.")
    title = re.search(r"^TITLE:(.*)$", text, re.MULTILINE)
    lines = [f"TITLE: {title[1].strip() if title else source.stem}"]
    lines += [line for number, edit in enumerate(edits, 1) for line in edit.lines(number, rate)]
    timeline = otio.adapters.read_from_string("\n".join(lines), "cmx_3600", rate=float(rate))
    for clip in timeline.find_clips():
        _retime(clip)
    _lift_record_start(timeline)
    count_as(timeline, drop=_says_drop(text))
    return timeline


_SOUND_ALONE = "NONE"
"""The channel of events that play further sound tracks than four, and no picture."""


def _on_tracks(edits: Sequence[_Edit]) -> list[_Edit]:
    """What lies over another picture, such as a key over its background, gets a track above all."""
    told = [int(edit.channel[1:]) for edit in edits if re.fullmatch(r"V\d{1,3}", edit.channel)]
    above, ends = max(told, default=1), list[int]()
    placed = []
    for edit in edits:
        if edit.channel == _SOUND_ALONE:
            edit = replace(edit, channel="A3")
        if edit.channel == "V":
            track = next((n for n, end in enumerate(ends) if end <= edit.record[0]), len(ends))
            ends[track : track + 1] = [edit.record[1]]
            edit = replace(edit, channel=f"V{above + track}" if track else "V")
        placed.append(edit)
    return placed


_LONGEST = 10_000  # characters of a line; CMX 3600 writes 80


def _says_drop(text: str) -> bool:
    return bool(_DROPS.search(text) or re.search(r"\d;\d\d\b", text))


def _text(source: Path) -> str:
    lines = decoded(read_bounded(source, MOST_BYTES), source.name).splitlines()
    if max(map(len, lines), default=0) > _LONGEST:
        raise RequestError(f"'{source.name}' has a line that is no EDL's; export it again.")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Edit:
    """One channel of an event: its last line's fields, times in frames, and what is said of it."""

    reel: str
    channel: str
    kind: str
    length: int
    source: tuple[int, int]
    record: tuple[int, int]
    transition_from: str | None = None
    comments: list[str] = field(default_factory=list)

    def lines(self, number: int, rate: Fraction) -> Iterator[str]:
        """As the adapter reads it; the source as long as the record, the speed beside it."""
        speed = self._speed(rate)
        start, length = self.source[0], self.record[1] - self.record[0]
        times = f"{start} {start + length} {self.record[0]} {self.record[1]}"
        head = f"{number:04d} {{}} {self.channel}"
        reel = re.sub(r"\s+", "_", self.reel) or "AX"
        if self.transition_from is not None:
            before = f"{start} {start} {self.record[0]} {self.record[0]}"
            yield f"{head.format(self.transition_from or 'AX')} C {before}"
            yield f"{head.format(reel)} {self.kind} {self.length:03d} {times}"
        else:
            yield f"{head.format(reel)} C {times}"
        if speed is not None:
            yield f"* {_RETIME}{speed}"
        yield from (line for line in self.comments if not line.startswith("M2"))

    def _speed(self, rate: Fraction) -> str | None:
        """The speed that the event plays at, `?` where it does not say; None for plain ones."""
        source, record = (end - start for start, end in (self.source, self.record))
        if self.kind != "C" and not _SUPPORTED.fullmatch(self.kind):
            return f"? the edit {self.kind}"
        motions = [line for line in self.comments if re.match(r"M2\b", line)]
        told = [found for line in motions if (found := _MOTION.fullmatch(line))]
        if any(re.match(r"\*?\s*\*?\s*FREEZE FRAME", line) for line in self.comments):
            return "0"
        if len(told) < len(motions):
            return f"? {' '.join(motions[0].split())}"
        if told:
            own = [found for found in told if found["reel"].strip() == self.reel]
            return str(_snapped((own or told)[-1]["speed"], rate, source, record))
        return None if source == record else f"? {source} source frames in {record}"


def _snapped(frames: str, rate: Fraction, source: int, record: int) -> Fraction:
    """The speed behind an M2 line, which rounds frames a second to a tenth: the ratio of the
    lengths where that fits, else the whole percentage that does."""
    told = Fraction(frames)
    step = Fraction(1, 10 ** max(1, len(frames.partition(".")[2])))
    if source != record and record > 0:
        ratio = Fraction(source, record) * (-1 if told < 0 else 1)
        if abs(ratio * rate - told) <= step + rate / record:
            return ratio
    percent = Fraction(round(told / rate * 100), 100)
    return percent if abs(percent * rate - told) <= step else told / rate


def _edits(text: str, rate: Fraction) -> Iterator[_Edit]:
    """Every channel of every event, in the file's order."""
    drops, event = False, ""
    group: list[_Edit] = []
    seen: set[str] = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("FCM"):
            drops = bool(_DROPS.match(line))
        elif not line[0].isdigit():
            for edit in group:
                edit.comments.append(line)
        else:
            found = _EDIT.match(line)
            if found is None:
                raise RequestError(f"the event '{line[:60]}' is none of CMX 3600.")
            if found["event"] != event:
                yield from _played(group, seen)
                event, group = found["event"], []
            group.append(_edit(found, rate, drops))
    yield from _played(group, seen)


def _edit(found: re.Match[str], rate: Fraction, drops: bool) -> _Edit:
    texts = [found[name].replace(",", ":") for name in "abcd"]
    drops = drops and not any(";" in text for text in texts)
    a, b, c, d = (frames_of_time_code(text, rate, drops) for text in texts)
    if b < a or d < c:
        raise RequestError(f"the event '{found[0][:60]}' ends before it begins, or after midnight.")
    digits = re.sub(r"\D", "", found["length"] or "")
    return _Edit(found["reel"], found["channel"], found["kind"], int(digits or 0), (a, b), (c, d))


def _played(group: Sequence[_Edit], seen: set[str]) -> Iterator[_Edit]:
    """What of an event's lines is played: a cut without length before a transition of the same
    channel names what is left; where nothing was, the transition only begins the clip."""
    before: dict[str, _Edit] = {}
    for edit in group:
        named = before.pop(edit.channel, None)
        if edit.kind != "C" and _SUPPORTED.fullmatch(edit.kind) and edit.channel in seen:
            yield replace(edit, transition_from=named.reel if named else "")
        elif edit.record[0] == edit.record[1]:
            before[edit.channel] = edit
            continue
        else:
            kind = "C" if _SUPPORTED.fullmatch(edit.kind) else edit.kind
            yield replace(edit, kind=kind)
        seen.add(edit.channel)


def _retime(clip: Any) -> None:
    """Lift the speed from the comments."""
    comments = list(remembered(clip, "cmx_3600").get("comments", []))
    told = next((line for line in comments if line.startswith(_RETIME)), None)
    if told is None:
        return
    comments.remove(told)
    clip.metadata["cmx_3600"]["comments"] = comments
    speed = told.removeprefix(_RETIME)
    if speed.startswith("?"):
        clip.effects.append(otio.schema.TimeEffect(speed[2:], "unknown"))
    elif speed == "0":
        clip.effects.append(otio.schema.FreezeFrame())
    elif speed != "1":
        clip.effects.append(otio.schema.LinearTimeWarp("M2", float(number_of(speed))))


def _lift_record_start(timeline: Any) -> None:
    """The adapter writes record time 01:00:00:00 as a negative track start: it is time code. Tracks
    that start later get the gap that leads to them."""
    tracks = [
        track
        for track in timeline.tracks
        if track.source_range and track.source_range.start_time.value < 0
    ]
    starts = [-track.source_range.start_time for track in tracks]
    zero = min(starts, key=seconds, default=None)
    for track, start in zip(tracks, starts, strict=True):
        track.source_range = None
        if start != zero:
            nothing = RationalTime(0, start.rate)
            track.insert(0, otio.schema.Gap(source_range=TimeRange(nothing, start - zero)))
    if zero is not None:
        timeline.global_start_time = zero
