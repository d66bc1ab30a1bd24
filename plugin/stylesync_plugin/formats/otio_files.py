"""OpenTimelineIO's own files and bundles: what its reader would crash on, and media in archives."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError

_DEEPEST = 200
"""Objects and lists inside one another; a nested sequence is four of them."""


def json_of(source: Path, suffix: str) -> bytes:
    """The OTIO text of a file or bundle; empty for other formats and where it cannot be read."""
    try:
        if suffix == ".otioz":
            with zipfile.ZipFile(source) as bundle:
                return bundle.read("content.otio")
        if suffix in (".otio", ".otiod"):
            return (source / "content.otio" if suffix == ".otiod" else source).read_bytes()
    except (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        pass  # the reader says what is wrong
    return b""


def refuse_text(text: bytes, source: Path) -> None:
    """Raise RequestError for what OpenTimelineIO's own reader could crash on: text that is no
    JSON, and nesting too deep for it."""
    if not text:
        return  # the reader says what is wrong
    try:
        # Its reader takes Inf for Infinity.
        too_deep = _is_deeper(json.loads(re.sub(rb"\bInf\b", b"Infinity", text)), _DEEPEST)
    except ValueError as error:
        raise RequestError(
            f"'{source.name}' is damaged and cannot be read ({error}); export it again."
        ) from error
    except RecursionError:
        too_deep = True
    if too_deep:
        raise RequestError(f"'{source.name}' is nested more deeply than any cut; export it again.")


def _is_deeper(data: Any, depth: int) -> bool:
    level = [data] if isinstance(data, (dict, list)) else []
    for _ in range(depth):
        inner = [node.values() if isinstance(node, dict) else node for node in level]
        level = [entry for node in inner for entry in node if isinstance(entry, (dict, list))]
    return bool(level)


def read_otioz(source: Path, extract_to: Path | None) -> Any:
    """Media in an .otioz are unpacked: nothing can be decoded inside the archive."""
    if extract_to is None:
        return otio.adapters.read_from_file(str(source))
    content = otio.adapters.read_from_file(str(source))
    if not extract_to.exists():
        extract_to.mkdir(parents=True)
        content = otio.adapters.read_from_file(str(source), extract_to_directory=str(extract_to))
    for clip in content.find_clips():
        for reference in clip.media_references().values():
            _make_absolute(reference, extract_to)
    return content


def _make_absolute(reference: Any, folder: Path) -> None:
    for field in ("target_url", "target_url_base"):
        url = getattr(reference, field, None)
        if url and "://" not in url and not Path(url).is_absolute():
            setattr(reference, field, str(folder / url))


def write_bundle(timeline: Any, target: Path) -> None:
    """Bundles refuse to overwrite, and leave image sequences out: both are said."""
    sequences = [
        clip.name
        for clip in timeline.find_clips()
        if isinstance(clip.media_reference, otio.schema.ImageSequenceReference)
    ]
    if sequences:
        raise RequestError(
            f"{target.suffix} cannot hold the image sequence of '{sequences[0]}'; write .otio."
        )
    if target.exists():
        raise RequestError(
            f"'{target}' exists already; bundles are not overwritten, choose a new name."
        )
    try:
        otio.adapters.write_to_file(timeline, str(target), media_policy=_bundle_policy())
    except Exception as error:
        raise RequestError(f"The bundle '{target.name}' cannot be written ({error}).") from error


def _bundle_policy() -> Any:
    from opentimelineio.adapters import file_bundle_utils

    return file_bundle_utils.MediaReferencePolicy.MissingIfNotFile
