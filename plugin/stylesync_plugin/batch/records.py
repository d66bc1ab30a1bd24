"""What is finished stays finished: content hashes of what went into a dub, and its result."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stylesync_engine import __version__
from stylesync_engine.files import file_hash, read_bounded, replacing
from stylesync_engine.records import as_data
from stylesync_engine.request import SOURCES, DubRequest, DubResult, MediaError, ModelError

_BYTES = 2**26


@dataclass(slots=True)
class Hashes:
    """sha256 of files, remembered by size and time of change in a file of our own."""

    store: Path
    known: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = _read_json(self.store) or {}

    def of(self, path: str) -> str:
        """sha256 of a file, of the numbered images that a pattern names, or of a folder's files."""
        files = _files_of(path)
        if len(files) == 1 and files[0] == Path(path):
            return self._of_file(files[0])
        listing = "\n".join(f"{file.name} {self._of_file(file)}" for file in files)
        return hashlib.sha256(os.fsencode(listing)).hexdigest()

    def save(self) -> None:
        write_json(self.store, self.known)

    def _of_file(self, path: Path) -> str:
        try:
            status = path.stat()
            mark = [status.st_size, status.st_mtime_ns]
            entry = self.known.get(str(path.absolute()))
            if entry is None or entry[:2] != mark:
                entry = [*mark, file_hash(path)]
                self.known[str(path.absolute())] = entry
        except OSError as error:
            raise MediaError(
                f"'{path}' cannot be read ({error.strerror}); check its place."
            ) from error
        return str(entry[2])


def input_hashes(request: DubRequest, hashes: Hashes) -> dict[str, str]:
    """sha256 of every file that goes into a request, the models' included."""
    found = {
        f"{name} {number}" if number > 1 else name: hashes.of(path)
        for number, face in enumerate(request.faces, 1)
        for name in SOURCES
        if (path := getattr(face, name)) is not None
    }
    models = _models_fingerprint(request.options.models)
    return found if models is None else {**found, "models": models}


def read_result(record: Path, request: DubRequest, inputs: dict[str, str]) -> DubResult | None:
    """The result of an earlier run, if the same went in and its file is still the same size."""
    data = _read_json(record)
    if not data or data.get("key") != content_key(request, inputs):
        return None
    try:
        result = DubResult.from_dict(data["result"])
    except (KeyError, TypeError, ValueError):
        return None
    return result if data.get("bytes") == _size_of(result.output) else None


def write_result(
    record: Path, request: DubRequest, inputs: dict[str, str], result: DubResult
) -> None:
    write_json(record, {
        "key": content_key(request, inputs), "bytes": _size_of(result.output),
        "result": result.to_dict(), "hashes": inputs,
    })  # fmt: skip


def content_key(request: DubRequest, inputs: dict[str, str]) -> str:
    """The same key means the same frames: contents, options, models and engine, not names."""
    data = as_data(request)
    for face in (data, *data.get("beside", ())):
        for name in ("output", "work", *SOURCES):
            face.pop(name, None)
    text = json.dumps([data, inputs, __version__], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, data: Any) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        text = json.dumps(data, ensure_ascii=False, indent=1)
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """What one of our small files says. Raises OSError and ValueError where it cannot be read."""
    try:
        return json.loads(read_bounded(path, _BYTES))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = read_json(path)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _files_of(path: str) -> list[Path]:
    plain = Path(path)
    if plain.is_dir():
        return sorted(entry for entry in plain.rglob("*") if entry.is_file())
    if "%" not in plain.name or plain.exists():
        return [plain]
    name = re.escape(plain.name.replace("%%", "%"))
    pattern = re.compile(re.sub(r"%0?\d*d", r"\\d+", name))
    return sorted(entry for entry in plain.parent.iterdir() if pattern.fullmatch(entry.name))


def _size_of(output: str) -> int:
    try:
        return sum(file.stat().st_size for file in _files_of(output))
    except OSError:
        return -1


def _models_fingerprint(models: str) -> str | None:
    """What the models are, by the hashes of all their parts; None where the engine finds none."""
    from stylesync_engine.weights.table import effective, find_folder, fingerprint, read_manifest

    try:
        return fingerprint(*effective(read_manifest(find_folder(models))))
    except ModelError:
        return None  # the engine itself says it, as that dub's own failure
