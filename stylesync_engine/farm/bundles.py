"""A job bundle: dubs as an Open Job Description job, in a folder that every worker sees.

DIR/template.json            the steps and their tasks (`job_template`)
DIR/parameter_values.json    the farm's own parameters (retries)
DIR/asset_references.json    what goes in and where results go
DIR/bundle.json              the requests and how many frames each has, longest first
DIR/results/0001.json        what came of a dub: its result and the sha256 of its files
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylesync_engine.failures import error_from
from stylesync_engine.farm.path_mapping import PathMapping
from stylesync_engine.farm.template import PART, FarmOptions, job_template
from stylesync_engine.files import NumberedName, file_hash, read_bounded, write_text
from stylesync_engine.records import strict_json
from stylesync_engine.request import (
    SOURCES,
    DubError,
    DubRequest,
    DubResult,
    FrameRange,
    MediaError,
    RequestError,
)

FORMAT = 2
_BYTES = 2**25
_DOCUMENTS = ("bundle.json", "template.json", "parameter_values.json", "asset_references.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """One dub of a bundle and the source frames that it covers; `output` is where its submitter
    will find the result, which on a worker may lie elsewhere."""

    number: int
    request: DubRequest
    frames: FrameRange
    output: str

    @property
    def work(self) -> Path:
        return Path(self.request.work or "")

    @property
    def parts(self) -> int:
        return -(-len(self.frames) // PART)


def write_bundle(
    requests: Sequence[DubRequest],
    folder: Path,
    options: FarmOptions | None = None,
    last_step: dict[str, Any] | None = None,
) -> tuple[Entry, ...]:
    """Write the job of these dubs; `last_step` runs once they are assembled.

    The longest dubs come first, so that short ones are left for the end: then no worker waits
    long for another.

    Raises RequestError where a bundle lies in `folder` already, and whatever is wrong with the
    requests' media.
    """
    there = next((name for name in _DOCUMENTS if (folder / name).exists()), None)
    if there is not None:
        raise RequestError(f"There is a '{there}' in '{folder}' already; choose another folder.")
    if not requests:
        raise RequestError("There is nothing to dub; select some clips.")
    options = options or FarmOptions()
    entries = _entries(requests, folder.absolute())
    (folder / "results").mkdir(parents=True, exist_ok=True)
    _write(folder / "asset_references.json", _assets(entries))
    _write(folder / "parameter_values.json", _farm_parameters(options))
    lengths = [len(entry.frames) for entry in entries]
    template = job_template(folder.absolute().name, lengths, options, last_step)
    _write(folder / "template.json", template)
    _write(folder / "bundle.json", {
        "format": FORMAT,
        "dubs": [
            {
                "request": json.loads(_within_bundle(e.request, folder).to_json()),
                "frames": [e.frames.start, e.frames.end],
            }
            for e in entries
        ],
    })  # fmt: skip
    return entries


def read_bundle(folder: Path, mapping: PathMapping | None = None) -> tuple[Entry, ...]:
    """The dubs of a bundle, their files where this machine sees them.

    Raises RequestError where there is no bundle or it is damaged.
    """
    mapping = mapping or PathMapping()
    try:
        data = strict_json(read_bounded(folder / "bundle.json", _BYTES))
        if data["format"] != FORMAT:
            raise RequestError(f"The bundle in '{folder}' is of another version; submit again.")
        return tuple(
            _read_entry(i, entry, folder, mapping) for i, entry in enumerate(data["dubs"], 1)
        )
    except OSError as error:
        raise RequestError(f"There is no bundle in '{folder}'; submit one first.") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The bundle in '{folder}' is damaged; submit again.") from error


def keep_outcome(folder: Path, entry: Entry, result: DubResult) -> None:
    """Note a finished dub and the sha256 of its files."""
    named = dataclasses.replace(result, output=entry.output).to_dict()
    data = {"result": named, "files": hash_files(result.output)}
    _write(_outcome_path(folder, entry), data)


def keep_failure(folder: Path, entry: Entry, error: DubError) -> None:
    """Note why a dub cannot be made."""
    _write(_outcome_path(folder, entry), {"error": error.to_dict()})


def forget_failure(folder: Path, entry: Entry) -> None:
    if has_failed(folder, entry):
        _outcome_path(folder, entry).unlink(missing_ok=True)


def has_failed(folder: Path, entry: Entry) -> bool:
    """Whether it was noted that this dub cannot be made."""
    try:
        data = strict_json(read_bounded(_outcome_path(folder, entry), _BYTES))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and "error" in data


def read_outcome(folder: Path, entry: Entry) -> DubResult:
    """The result of a finished dub, its files checked against their sha256.

    Raises the error that the dub failed with, or DubError where its files are missing or changed.
    """
    name = Path(entry.request.output).name
    try:
        data = strict_json(read_bounded(_outcome_path(folder, entry), _BYTES))
        if "error" in data:
            raise error_from(data["error"])
        result = DubResult.from_dict(data["result"])
        wanted: dict[str, str] = data["files"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"'{name}' has not been assembled; run the farm's job again from where it stopped."
        ) from error
    if result.output != entry.output or not wanted:
        raise RequestError(
            f"The result of '{name}' is of another dub; run its assemble task again."
        )
    if hash_files(entry.request.output) != wanted:
        raise MediaError(
            f"'{name}' is not the file that was assembled; run its assemble task again."
        )
    return result


def hash_files(output: str) -> dict[str, str]:
    """sha256 by name of a file, or of the numbered images that a pattern names."""
    path = Path(output)
    named = NumberedName.of(path.name)
    if named is None:
        return {path.name: file_hash(path)} if path.is_file() else {}
    pattern = named.images()
    found = path.parent.iterdir() if path.parent.is_dir() else ()
    return {file.name: file_hash(file) for file in sorted(found) if pattern.fullmatch(file.name)}


def _within_bundle(request: DubRequest, folder: Path) -> DubRequest:
    """The work folder as the bundle names it, wherever the bundle itself will lie."""
    work, home = Path(request.work or ""), folder.absolute()
    if not work.is_relative_to(home):
        return request
    return dataclasses.replace(request, work=work.relative_to(home).as_posix())


def _read_entry(number: int, data: Any, folder: Path, mapping: PathMapping) -> Entry:
    asked = DubRequest.from_dict(data["request"])
    here = mapping.map_request(asked)
    here = dataclasses.replace(here, work=str(folder.absolute() / (here.work or "")))
    return Entry(number, here, FrameRange(*data["frames"]), asked.output)


def _entries(requests: Sequence[DubRequest], folder: Path) -> tuple[Entry, ...]:
    """The dubs in the order of their tasks, longest first."""
    from stylesync_engine.plan.places import check_batch

    requests = [_absolute(request) for request in requests]
    check_batch(requests, [folder / name for name in _DOCUMENTS])
    located = [_locate(request) for request in requests]
    located.sort(key=lambda found: -len(found[1]))
    entries = []
    for number, (request, frames) in enumerate(located, 1):
        work = str(Path(request.work or folder / "work" / f"{number:04d}").absolute())
        request = dataclasses.replace(request, work=work)
        entries.append(Entry(number, request, frames, request.output))
    return tuple(entries)


def _absolute(request: DubRequest) -> DubRequest:
    """The request with absolute paths, as a worker's own folder is another."""
    places: dict[str, Any] = {
        name: str(Path(path).absolute())
        for name in SOURCES
        if (path := getattr(request, name)) is not None
    }
    places["output"] = str(Path(request.output).absolute())
    if request.beside:  # their work lies within this one's
        others = (dataclasses.replace(_absolute(face), work=None) for face in request.beside)
        places["beside"] = tuple(others)
    return dataclasses.replace(request, **places)


def _locate(request: DubRequest) -> tuple[DubRequest, FrameRange]:
    """The request and its frames."""
    from stylesync_engine.preparing.checks import check_request

    return request, check_request(request).frames


def _assets(entries: Sequence[Entry]) -> dict[str, Any]:
    faces = [face for entry in entries for face in entry.request.faces]
    files = {getattr(face, name) for face in faces for name in SOURCES} - {None}
    patterns = {file for file in files if "%" in Path(file).name}
    folders = {str(Path(e.request.output).parent) for e in entries} | {str(e.work) for e in entries}
    return {"assetReferences": {
        "inputs": {
            "filenames": sorted(files - patterns),
            "directories": sorted({str(Path(file).parent) for file in patterns}),
        },
        "outputs": {"directories": sorted(folders)},
        "referencedPaths": [],
    }}  # fmt: skip


def _farm_parameters(options: FarmOptions) -> dict[str, Any]:
    retries = {"name": "deadline:maxRetriesPerTask", "value": options.retries}
    return {"parameterValues": [retries]}


def _outcome_path(folder: Path, entry: Entry) -> Path:
    return folder / "results" / f"{entry.number:04d}.json"


def _write(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
