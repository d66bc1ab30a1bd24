"""Timeline files: every format in, every format out, rates snapped at the border."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import opentimelineio as otio

from stylesync_engine.files import appearing, read_bounded, write_text
from stylesync_engine.request import DiskError, RequestError
from stylesync_plugin.formats import (
    edl,
    fcp7,
    fcpxml,
    fcpxml_writing,
    mlt,
    mlt_editing,
    mlt_project,
    otio_files,
)
from stylesync_plugin.formats.otio_files import MOST_BYTES
from stylesync_plugin.timeline.items import MLT, remembered
from stylesync_plugin.timeline.remembering import take_back, with_notes
from stylesync_plugin.times import exact_rate

Timeline: TypeAlias = otio.schema.Timeline

PROJECTS = (".kdenlive", ".mlt")
READABLE = (".otio", ".otioz", ".otiod", ".xml", ".fcpxml", ".fcpxmld", ".edl", ".aaf", *PROJECTS)
NOTED = (".xml", ".fcpxml", ".fcpxmld")
WRITABLE = (".otio", ".otioz", ".otiod", ".xml", ".fcpxml", *PROJECTS)

_INNER = re.compile(
    r"\s*\(of type '[^']*'\)|\b(opentime|opentimelineio|otio|schema)(\.\w+)+\b|\bN\d+\w+E\b"
    r"|\b(?:RationalTime|TimeRange|TimeTransform)\b|<[^<>]* at 0x[0-9a-f]+>"
)
_PACKAGES = {
    ".xml": "otio-fcp-adapter",
    ".edl": "otio-cmx3600-adapter",
    ".aaf": "otio-aaf-adapter",
}


def read_timeline(
    path: str | os.PathLike[str],
    rate: Fraction | None = None,
    name: str | None = None,
    extract_to: Path | None = None,
) -> Timeline:
    """The timeline in a file, with exact rates; raises RequestError with one sentence.

    `rate` is what an EDL counts in (EDLs do not say); `name` chooses among several timelines in
    one file; `extract_to` is where an .otioz puts its media.
    """
    source = Path(path)
    suffix = source.suffix.lower()
    if suffix not in READABLE:
        raise RequestError(f"'{source.name}' is no timeline we read; give {', '.join(READABLE)}.")
    if not source.exists():
        raise RequestError(f"There is no timeline at '{source}'; check the path.")
    otiod = suffix == ".otiod" and source.is_dir()
    _check_file(source / "content.otio" if otiod else _document(source))
    content = _chosen(_read(source, suffix, rate, extract_to), name, source)
    timeline = _as_timeline(_guarded(source, lambda: snapped(content)), source.stem)
    if suffix == ".xml":
        fcp7.settle(timeline)
    if suffix in NOTED:
        take_back(timeline, _bytes(_document(source)))
    return timeline


def write_timeline(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write in the format of the suffix; the file appears whole or not at all."""
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in WRITABLE:
        raise RequestError(
            f"'{target.name}' is no timeline we write; choose {', '.join(WRITABLE)}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix in (".otioz", ".otiod"):
            otio_files.write_bundle(timeline, target)
        else:
            text = _to_text(timeline, target)
            text = with_notes(text, timeline) if suffix in NOTED else text
            text.encode()
            write_text(target, text)
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{suffix[1:].upper()} cannot hold names that are not UTF-8; write it as .otio, or"
            " rename the media's folder."
        ) from error
    except OSError as error:
        raise DiskError(
            f"'{target}' cannot be written ({error.strerror}); choose another place."
        ) from error


def keep_copy(source: Path) -> Path:
    """Keep a copy of a timeline beside it before it is written over: `NAME.before-1.SUFFIX`, the
    next number each time; returns it. Raises DiskError."""
    numbers = (n for n in itertools.count(1) if not _copy_of(source, n).exists())
    copied = _copy_of(source, next(numbers))
    with appearing(copied) as draft:
        shutil.copyfile(source, draft)
    return copied


def _copy_of(source: Path, number: int) -> Path:
    return source.with_name(f"{source.stem}.before-{number}{source.suffix}")


def snapped(content: Any) -> Any:
    """A copy whose RationalTimes all have exact rates."""
    data = json.loads(otio.adapters.write_to_string(content, "otio_json"))
    _snap(data)
    return otio.adapters.read_from_string(json.dumps(data), "otio_json")


def _check_file(source: Path) -> None:
    """Media may lie in an archive or an AAF; everything else is read whole."""
    if not source.is_file():
        raise RequestError(f"'{source}' is no file; give the timeline that the editor exported.")
    if source.suffix.lower() not in (".otioz", ".aaf") and source.stat().st_size > MOST_BYTES:
        raise RequestError(
            f"'{source}' has more than {MOST_BYTES >> 20} MiB, which no timeline needs; export it"
            " again."
        )


def _read(source: Path, suffix: str, rate: Fraction | None, extract_to: Path | None) -> Any:
    if suffix in (".fcpxml", ".fcpxmld"):
        return _guarded(source, lambda: fcpxml.read_from_string(_bytes(_document(source))))
    if suffix == ".xml":
        return _guarded(source, lambda: fcp7.read(_bytes(source)))
    if suffix in PROJECTS:
        return _guarded(source, lambda: mlt_project.read_project(source))
    if suffix == ".edl":
        counted = rate or edl.rate_of(source)
        return _guarded(source, lambda: edl.read(source, counted))
    otio_files.refuse_text(otio_files.json_of(source, suffix), source)
    if suffix == ".otioz":
        return _guarded(source, lambda: otio_files.read_otioz(source, extract_to))
    if suffix == ".otiod":
        return _guarded(source, lambda: otio_files.read_otiod(source))
    if suffix == ".otio":
        return _guarded(source, lambda: otio_files.read_text(source.read_bytes(), source))
    return _guarded(source, lambda: otio.adapters.read_from_file(str(source)))


def _document(source: Path) -> Path:
    """The document of a Final Cut export, which may be a folder."""
    if not source.is_dir():
        return source
    document = source / "Info.fcpxml"
    if not document.is_file():
        raise RequestError(f"'{source.name}' holds no Info.fcpxml; export it again.")
    return document


def _guarded(source: Path, read: Callable[[], Any]) -> Any:
    """Whatever a reader raises on a damaged file becomes one sentence."""
    try:
        with _quiet():
            return read()
    except RequestError:
        raise
    except otio.exceptions.NoKnownAdapterForExtensionError as error:
        package = _PACKAGES.get(source.suffix.lower(), "its OpenTimelineIO adapter")
        raise RequestError(
            f"Reading '{source.name}' needs {package}; install it with pip."
        ) from error
    except Exception as error:
        best = "" if source.suffix.lower() == ".otio" else ", best as .otio"
        raise RequestError(
            f"'{source.name}' cannot be read as {source.suffix[1:].upper()} ({_reason(error)});"
            f" export it again{best}."
        ) from error


def _reason(error: Exception) -> str:
    """What a reader says, without the names of its classes."""
    whole = " ".join(str(error).split())
    said = _INNER.sub("", whole)
    inner = isinstance(error, (AttributeError, KeyError, TypeError, IndexError))
    if not said or said != whole or inner:
        return "it is damaged, or of a kind that its reader does not know"
    return said[:160]


@contextmanager
def _quiet() -> Iterator[None]:
    """Adapters warn of every odd field on the root logger; what matters is said by the plan."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _bytes(source: Path) -> bytes:
    """An XML document, whose parser reads the encoding that it tells."""
    return read_bounded(source, MOST_BYTES)


def _chosen(content: Any, name: str | None, source: Path) -> Any:
    if not isinstance(content, otio.schema.SerializableCollection):
        return content
    timelines = content.find_children(descended_from_type=Timeline)
    if name is not None:
        timelines = [entry for entry in timelines if entry.name == name]
    if len(timelines) == 1:
        return timelines[0]
    if not timelines and name is None:
        raise RequestError(f"'{source.name}' holds no timeline; export the sequence itself.")
    names = ", ".join(f"'{entry.name}'" for entry in timelines)
    raise RequestError(
        f"'{source.name}' holds {len(timelines)} timelines{': ' + names if names else ''};"
        " choose one.",
        "timeline",
    )


def _as_timeline(content: Any, name: str) -> Timeline:
    """A lone clip, track or stack becomes a timeline around a copy of it."""
    if isinstance(content, otio.schema.Timeline):
        if content.tracks is None:  # OpenTimelineIO itself would crash on it
            raise RequestError("The file's timeline has no tracks; export it again.")
        return content
    timeline = Timeline(name=name)
    if isinstance(content, otio.schema.Stack):
        timeline.tracks = content.deepcopy()
    elif type(content) is otio.schema.Track:
        timeline.tracks.append(content.deepcopy())
    elif type(content) is otio.schema.Clip:
        track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
        track.append(content.deepcopy())
        timeline.tracks.append(track)
    else:
        raise RequestError(f"The file holds a {type(content).__name__}, not a timeline.")
    return timeline


def _snap(node: Any) -> None:
    if isinstance(node, list):
        for entry in node:
            _snap(entry)
    elif isinstance(node, dict):
        if str(node.get("OTIO_SCHEMA", "")).startswith("RationalTime.") and "rate" in node:
            node["rate"] = _snapped_rate(node["rate"])
        for entry in node.values():
            _snap(entry)


def _snapped_rate(rate: Any) -> Any:
    """Placeholders such as a zero rate in an unset time stay for the plan to complain about."""
    return float(exact_rate(rate)) if isinstance(rate, (int, float)) and 0 < rate < 1e9 else rate


def _to_text(timeline: Timeline, target: Path) -> str:
    suffix = target.suffix.lower()
    if suffix == ".fcpxml":
        return fcpxml_writing.write_to_string(timeline)
    if suffix in PROJECTS and "project" in remembered(timeline, MLT):
        return mlt_editing.write_to_string(timeline, target)
    if suffix == ".mlt":
        return mlt.write_to_string(timeline)
    if suffix == ".kdenlive":
        raise RequestError(
            "A Kdenlive project is written only where the timeline came from one;"
            " write .otio, .fcpxml or .mlt, and import that."
        )
    if suffix == ".xml":
        timeline = fcp7.prepared(timeline)
    adapter = "otio_json" if suffix == ".otio" else "fcp_xml"
    try:
        text = str(otio.adapters.write_to_string(timeline, adapter))
        return otio_files.restored(text) if suffix == ".otio" else text
    except Exception as error:
        raise RequestError(
            f"The timeline cannot be written as {suffix[1:].upper()} ({error}); write it as .otio."
        ) from error
