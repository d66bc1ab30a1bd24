"""OpenTimelineIO's own files and bundles: what its reader would crash on, and media in archives."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.files import (
    appearing,
    decoded,
    disk_errors,
    draft_folder_of,
    read_bounded,
)
from stylesync_engine.request import DubError, RequestError

MOST_BYTES = 2**25
"""The most that a timeline's text is read of."""
_MOST_MEMBERS = 10_000
_MOST_RATIO = 20
_DEEPEST = 200
"""Objects and lists inside one another; a nested sequence is four of them."""


def json_of(source: Path, suffix: str) -> bytes:
    """The OTIO text of a file or bundle; empty for other formats and where it cannot be read."""
    try:
        if suffix == ".otioz":
            with zipfile.ZipFile(source) as bundle, bundle.open("content.otio") as member:
                _check_archive(bundle, source)
                return member.read(MOST_BYTES)
        if suffix in (".otio", ".otiod"):
            return read_bounded(
                source / "content.otio" if suffix == ".otiod" else source, MOST_BYTES
            )
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


_FOREIGN = "foreign_schema"
"""Under which metadata what OpenTimelineIO does not know is kept until it is written back."""


def read_text(text: bytes, source: Path) -> Any:
    """The content of an .otio file. Effects, markers and media of kinds that nobody here knows are
    passed over and kept; raises RequestError, naming it, for an item of such a kind."""
    doubled: list[str] = []  # names, on which OpenTimelineIO ends the process

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            doubled.append(pairs[0][0])
        return found

    try:
        data = json.loads(text, object_pairs_hook=once)
    except ValueError:
        data = json.loads(re.sub(rb"\bInf\b", b"Infinity", text), object_pairs_hook=once)
    _refuse_unknown(data, source)
    if not _stand_in(data, source) and not doubled:
        return otio.adapters.read_from_string(decoded(text, source.name), "otio_json")
    return otio.adapters.read_from_string(json.dumps(data), "otio_json")


def restored(text: str) -> str:
    """The text of an .otio file with what was kept in its place again."""
    if _FOREIGN not in text:
        return text
    data = json.loads(text)
    return json.dumps(_put_back(data), indent=4)


def _put_back(node: Any) -> Any:
    if isinstance(node, list):
        return [_put_back(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    metadata = node.get("metadata")
    if isinstance(metadata, dict) and _FOREIGN in metadata:
        return json.loads(metadata[_FOREIGN])
    return {key: _put_back(entry) for key, entry in node.items()}


def _stand_in(node: Any, source: Path) -> bool:
    """Put what OpenTimelineIO knows in the place of what it does not; whether there was any."""
    changed = False
    entries = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for entry in entries:
        changed |= _stand_in(entry, source)
    if not isinstance(node, dict) or "OTIO_SCHEMA" not in node:
        return changed
    for entry in _listed(node.get("children")):
        _refuse_unknown(entry, source)
    _refuse_unknown(node.get("tracks"), source)
    if str(_kind(node)).startswith("Timeline.") and node.get("tracks") is None:
        raise RequestError(f"'{source.name}': its timeline has no tracks; export it again.")
    for field, stand in (("effects", "Effect.1"), ("markers", "Marker.2")):
        entries = _listed(node.get(field))
        for index, entry in enumerate(entries):
            if _kind(entry) is not None and not _is_known(entry):
                retimes = stand == "Effect.1" and _RETIMES.search(str(_kind(entry)))
                entries[index] = _kept(entry, "TimeEffect.1" if retimes else stand)
                changed = True
    references = node.get("media_references")
    for holder, keys in ((references, list(references or ())), (node, ["media_reference"])):
        for key in keys:
            if isinstance(holder, dict) and _kind(holder.get(key)) and not _is_known(holder[key]):
                holder[key] = _kept(holder[key], "MissingReference.1")
                changed = True
    return changed


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _kept(entry: Any, schema: str) -> dict[str, Any]:
    nothing = {"OTIO_SCHEMA": "RationalTime.1", "rate": 1.0, "value": 0.0}
    needs: dict[str, dict[str, Any]] = {
        "Effect.1": {"effect_name": _kind(entry)},
        "TimeEffect.1": {"effect_name": _kind(entry)},
        "Marker.2": {
            "color": "RED",
            "marked_range": {
                "OTIO_SCHEMA": "TimeRange.1", "start_time": nothing, "duration": nothing,
            },
        },
        "MissingReference.1": {"available_range": None, "available_image_bounds": None},
    }  # fmt: skip
    return {
        "OTIO_SCHEMA": schema, "name": str(entry.get("name") or ""), **needs[schema],
        "metadata": {_FOREIGN: json.dumps(entry)},
    }  # fmt: skip


def _kind(entry: Any) -> str | None:
    schema = entry.get("OTIO_SCHEMA") if isinstance(entry, dict) else None
    return schema if isinstance(schema, str) else None


def _is_known(entry: Any) -> bool:
    name, _, version = str(_kind(entry)).rpartition(".")
    newest = otio.core.type_version_map().get(name) or _OLD_NAMES.get(name)
    return newest is not None and version.isdecimal() and int(version) <= newest


_RETIMES = re.compile(r"time|speed|freeze|retime", re.IGNORECASE)
"""Effects that may change which frame is shown: these are not passed over."""
_OLD_NAMES = {"Sequence": 1, "Filler": 1, "SerializeableCollection": 1}


def _refuse_unknown(entry: Any, source: Path) -> None:
    kind = _kind(entry)
    if kind is not None and not _is_known(entry):
        raise RequestError(
            f"'{source.name}' holds '{entry.get('name') or 'an item'}' of the kind {kind}, which"
            " OpenTimelineIO does not know; take it out of the timeline, or export it for"
            " OpenTimelineIO 0.18 or older."
        )


def read_otioz(source: Path, extract_to: Path | None) -> Any:
    """Media in an .otioz are unpacked: nothing can be decoded inside the archive."""
    content = read_text(json_of(source, ".otioz"), source)
    if extract_to is None:
        return content
    if not extract_to.exists():
        _unpack(source, extract_to)
    for clip in content.find_clips():
        for reference in clip.media_references().values():
            _make_absolute(reference, extract_to)
    return content


def read_otiod(source: Path) -> Any:
    """The content of a bundle that is a folder, its media by absolute paths."""
    content = read_text(json_of(source, ".otiod"), source)
    for clip in content.find_clips():
        for reference in clip.media_references().values():
            _make_absolute(reference, source.absolute())
    return content


def _unpack(source: Path, folder: Path) -> None:
    """The folder appears when all of it is there; members that would leave it are renamed into
    it."""
    draft = draft_folder_of(folder)
    try:
        with disk_errors(folder), zipfile.ZipFile(source) as bundle:
            draft.mkdir(parents=True)
            bundle.extractall(draft)
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_archive(bundle: zipfile.ZipFile, source: Path) -> None:
    """Raise RequestError for what no editor packs: media hardly shrink."""
    members = bundle.infolist()
    whole = sum(member.file_size for member in members)
    text = bundle.getinfo("content.otio").file_size
    if (
        len(members) > _MOST_MEMBERS
        or whole - text > _MOST_RATIO * source.stat().st_size
        or text > MOST_BYTES
    ):
        raise RequestError(
            f"'{source.name}' would unpack to {len(members)} files of {whole >> 20} MiB in all,"
            " far more than media packed by an editor; export it again."
        )


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
        with appearing(target) as draft:
            otio.adapters.write_to_file(timeline, str(draft), media_policy=_bundle_policy())
    except DubError:
        raise
    except Exception as error:
        raise RequestError(f"The bundle '{target.name}' cannot be written ({error}).") from error


def _bundle_policy() -> Any:
    from opentimelineio.adapters import file_bundle_utils

    return file_bundle_utils.MediaReferencePolicy.MissingIfNotFile
