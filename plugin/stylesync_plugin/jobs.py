"""What to dub: selections, replacement speech and style references, as data.

A jobs file is JSON: `{"options": {...}, "search": [...], "jobs": [{...}, ...]}`. The same object
as one of its jobs may stand in a marker's `metadata["stylesync"]`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stylesync_engine.files import read_bounded
from stylesync_engine.records import strict_json
from stylesync_engine.request import DubOptions, MouthKey, RequestError

_KEYS = {
    "selection": ("clip", "track", "index", "range", "marker"),
    "speech": ("file", "clip", "track", "index", "range", "samples"),
    "style": ("file", "frames", "sound", "clip", "track", "index", "range"),
}

MOST_HANDLES = 1000  # frames

TimeText = str | tuple[str | int, str | int]


@dataclass(frozen=True, slots=True)
class Pick:
    """Something on the timeline: a clip by name, the `index`-th clip (from 1) of a track, a range.

    `track` is a number such as V1 or A2, or a name. `range` is `START-END` of the timeline. They
    narrow each other down: a clip and a range mean that part of the clip.
    """

    clip: str | None = None
    track: str | None = None
    index: int | None = None
    range: TimeText | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in dataclasses.astuple(self))

    def __str__(self) -> str:
        parts = [
            f"{name} {value}"
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        ]
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True, slots=True)
class Speech:
    """The new speech: a file, a range of it or sound on the timeline."""

    file: str | None = None
    range: TimeText | None = None
    samples: tuple[int, int] | None = None
    pick: Pick = field(default_factory=Pick)


@dataclass(frozen=True, slots=True)
class Style:
    """How this person speaks: a file, something on the timeline, or (empty) the shot itself.

    `sound` is a file with the style clip's speech, where that lies apart.
    """

    file: str | None = None
    frames: str | None = None
    sound: str | None = None
    pick: Pick = field(default_factory=Pick)


@dataclass(frozen=True, slots=True)
class Job:
    """One wish: what to dub, with which speech, in whose style.

    `keys` count frames of the timeline from the selection's start; `named` is how the names of its
    dubs begin, where not as their source's. `beside` are dubs of other faces in the same shot.
    `handles` are source frames more at both ends, None for the timeline's own number. `face` is a
    click such as `speaker`, of somebody who is seen in several shots: it counts where its frame is.
    """

    name: str
    selection: Pick
    speech: Speech
    style: Style = field(default_factory=Style)
    speaker: str | None = None
    person: str | None = None
    consent: str | None = None
    second: str | None = None
    options: DubOptions = field(default_factory=DubOptions)
    keys: tuple[MouthKey, ...] = ()
    named: str | None = None
    beside: tuple[Job, ...] = ()
    handles: int | None = None
    face: str | None = None


@dataclass(frozen=True, slots=True)
class JobsFile:
    """Jobs, and where the files that they name are looked for."""

    jobs: tuple[Job, ...]
    search_folders: tuple[Path, ...] = ()


_BYTES = 2**24


def read_jobs(path: str | Path) -> JobsFile:
    """Read a jobs file; raises RequestError naming the job that is wrong."""
    source = Path(path)
    try:
        data = strict_json(read_bounded(source, _BYTES))
    except OSError as error:
        raise RequestError(f"The jobs file '{source}' cannot be read; check the path.") from error
    except ValueError as error:
        raise RequestError(f"The jobs file '{source}' is not valid JSON ({error}).") from error
    if isinstance(data, list):
        data = {"jobs": data}
    _only(data, ("version", "options", "search", "jobs"), "jobs file")
    entries = data.get("jobs")
    if not isinstance(entries, list) or not entries:
        raise RequestError(f"The jobs file '{source}' lists no jobs; give it \"jobs\": [...].")
    options = data.get("options", {})
    jobs = tuple(job_from(entry, f"job {i}", options) for i, entry in enumerate(entries, 1))
    search = data.get("search", [])
    if not isinstance(search, list) or not all(isinstance(entry, str) for entry in search):
        raise RequestError("The jobs file's search must be a list of folders.")
    folder = source.absolute().parent
    return JobsFile(jobs, (folder, *(folder / entry for entry in search)))


def job_from(data: Any, name: str, options: Any = None, selection: Pick | None = None) -> Job:
    """One job from JSON data; `options` are the defaults beneath its own."""
    own = (
        "name",
        "speech",
        "style",
        "speaker",
        "person",
        "consent",
        "second",
        "options",
        "keys",
        "named",
        "beside",
        "handles",
        "face",
    )
    _only(data, (*own, *_KEYS["selection"]), name)
    name = str(data.get("name", name))
    for key in ("speaker", "person", "consent", "second", "named", "face"):
        _check(data, key, str, name)
    _check(data, "handles", int, name)
    if not 0 <= (data.get("handles") or 0) <= MOST_HANDLES:
        raise RequestError(f"The handles of {name} are not from 0 to {MOST_HANDLES} frames.")
    merged = {**_object(options or {}, name), **_object(data.get("options", {}), name)}
    picked = _pick(data, name)
    if selection is not None:
        picked = dataclasses.replace(selection, range=picked.range or selection.range)
    if not picked:
        raise RequestError(
            f"{name} selects nothing; give it a clip, a track and index, or a range."
        )
    return Job(
        name=name,
        selection=picked,
        speech=_speech(data.get("speech"), name),
        style=_style(data.get("style"), name),
        speaker=data.get("speaker"),
        person=data.get("person"),
        consent=data.get("consent"),
        second=data.get("second"),
        options=_options(merged, name),
        keys=_keys(data.get("keys", []), name),
        named=data.get("named"),
        beside=_beside(data.get("beside", []), name, options),
        handles=data.get("handles"),
        face=data.get("face"),
    )


def _beside(data: Any, name: str, options: Any) -> tuple[Job, ...]:
    if not isinstance(data, list):
        raise RequestError(f"What is beside {name} must be a list of jobs.")
    return tuple(job_from(entry, f"{name}, face {i}", options) for i, entry in enumerate(data, 2))


def _keys(data: Any, name: str) -> tuple[MouthKey, ...]:
    if not isinstance(data, list) or not all(isinstance(entry, str) for entry in data):
        raise RequestError(f'The keys of {name} must be a list such as ["closed@12:15"].')
    return tuple(MouthKey.parse(entry) for entry in data)


def _pick(data: dict[str, Any], name: str) -> Pick:
    _check(data, "clip", str, name)
    _check(data, "track", str, name)
    _check(data, "index", int, name)
    return Pick(
        data.get("clip"), data.get("track"), data.get("index"), _range(data.get("range"), name)
    )


def _range(value: Any, name: str) -> TimeText | None:
    if value is None or isinstance(value, str):
        return value
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (str, int)) for v in value)
    ):
        return value[0], value[1]
    raise RequestError(f'The range of {name} must be "START-END" or [START, END].')


def _speech(data: Any, name: str) -> Speech:
    if isinstance(data, str):
        return Speech(file=data)
    if not isinstance(data, dict):
        raise RequestError(f"{name} has no speech; give it a file or sound of the timeline.")
    _only(data, _KEYS["speech"], f"speech of {name}")
    if data.get("file") is None:
        pick = _pick(data, f"speech of {name}")
        if not pick:
            raise RequestError(f"The speech of {name} names neither a file nor a clip or track.")
        return Speech(pick=pick)
    _check(data, "file", str, name)
    samples = data.get("samples")
    if samples is not None:
        if not isinstance(samples, list) or [type(value) for value in samples] != [int, int]:
            raise RequestError(f"The samples of {name}'s speech must be [A, B], whole numbers.")
        samples = (samples[0], samples[1])
    return Speech(data["file"], _range(data.get("range"), name), samples)


def _style(data: Any, name: str) -> Style:
    if data is None or data == "shot":
        return Style()
    if isinstance(data, str):
        return Style(file=data)
    if not isinstance(data, dict):
        raise RequestError(f'The style of {name} must be a file, an object or "shot".')
    _only(data, _KEYS["style"], f"style of {name}")
    for key in ("file", "frames", "sound"):
        _check(data, key, str, name)
    if data.get("file") is None:
        pick = _pick(data, f"style of {name}")
        if not pick:
            raise RequestError(f"The style of {name} names neither a file nor a clip or range.")
        return Style(sound=data.get("sound"), pick=pick)
    return Style(data["file"], data.get("frames"), data.get("sound"))


def _options(data: dict[str, Any], name: str) -> DubOptions:
    known = {entry.name for entry in dataclasses.fields(DubOptions)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise RequestError(
            f"{name} has the unknown option '{unknown[0]}'; known are {', '.join(sorted(known))}."
        )
    try:
        return DubOptions(**data)
    except TypeError as error:
        raise RequestError(
            f"The options of {name} have a value of a wrong kind ({error})."
        ) from error


def _only(data: Any, keys: tuple[str, ...], name: str) -> None:
    for key in _object(data, name):
        if key not in keys:
            raise RequestError(
                f"The {name} has an unknown field '{key}'; known are {', '.join(keys)}."
            )


def _object(data: Any, name: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RequestError(f"The {name} must be a JSON object, not {type(data).__name__}.")
    return data


def _check(data: dict[str, Any], key: str, kind: type, name: str) -> None:
    value = data.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise RequestError(
            f"The {key} of {name} must be {kind.__name__}, not {type(value).__name__}."
        )
