"""sha256 of every picture of a delivery, so that a changed one can be named."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stylesync_engine.files import NumberedName, file_hash, plain_name
from stylesync_engine.media import Frame, read_frames
from stylesync_engine.media.sequences import delivered_names, sequence_folder
from stylesync_engine.request import MediaError

SIDECAR = ".stylesync.json"


def hash_pictures(path: str | Path) -> list[str]:
    """Of a movie's decoded pictures, in the format and size in which the file keeps them."""
    return [_hash_picture(frame) for frame in read_frames(path)]


def hash_images(output: str | Path) -> dict[str, str]:
    """Of the files of an image sequence, sound included, by name and in order.

    `output` is the folder, or a name such as `shot.%06d.png`. Raises MediaError where there are
    none.
    """
    path = Path(output)
    folder = sequence_folder(path)
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    belonging = [file for file in found if _belongs(file.name, path)]
    if not belonging:
        raise MediaError(f"There are no images '{path}'; give the name that they were written to.")
    return {file.name: _hash_entry(file) for file in belonging}


def sidecar_of(output: str | Path) -> Path:
    """Where a delivery's signed sidecar lies: its own name and a suffix; a folder's beside it."""
    path = Path(output).absolute()
    return path.with_name(path.name + SIDECAR)


def is_sequence(output: str | Path) -> bool:
    """Whether a delivery is a folder of images rather than one file."""
    path = Path(output)
    return NumberedName.of(path.name) is not None or path.is_dir() or not path.suffix


def describe_changes(signed: Sequence[str], found: Sequence[str]) -> str:
    """Which pictures of a movie differ, in words; empty where none does."""
    changed = [i for i, (a, b) in enumerate(zip(signed, found, strict=False)) if a != b]
    said = [_list("frame", changed, "was changed", "were changed")] if changed else []
    if len(found) < len(signed):
        said.append(f"{len(signed) - len(found)} of {len(signed)} frames are missing")
    elif len(found) > len(signed):
        said.append(f"{len(found) - len(signed)} frames were added")
    return " and ".join(said)


def describe_file_changes(signed: dict[str, str], found: dict[str, str]) -> str:
    """Which files of a sequence differ, in words; empty where none does."""
    changed = [name for name in signed if name in found and found[name] != signed[name]]
    missing = [name for name in signed if name not in found]
    added = [name for name in found if name not in signed]
    said = [
        _list("file", names, one, many)
        for names, one, many in (
            (changed, "was changed", "were changed"),
            (missing, "is missing", "are missing"),
            (added, "was added", "were added"),
        )
        if names
    ]
    return " and ".join(said)


def _hash_entry(path: Path) -> str:
    """A folder, or what else is no file, has no hash that was ever signed."""
    return file_hash(path) if path.is_file() else "no file"


def _hash_picture(frame: Frame) -> str:
    image = frame.image
    digest = hashlib.sha256(f"{image.layout.format} {image.width}x{image.height}".encode())
    for plane in image.planes:
        digest.update(plane.tobytes())
    return digest.hexdigest()


def _belongs(name: str, output: Path) -> bool:
    """Of a named pattern its images and sounds; of a folder all but what the system leaves."""
    if NumberedName.of(output.name):
        return bool(delivered_names(output).fullmatch(plain_name(name)))
    return name not in (".DS_Store", "Thumbs.db", "desktop.ini") and not name.startswith("._")


def _list(what: str, items: Sequence[object], one: str, many: str) -> str:
    if len(items) == 1:
        return f"{what} {items[0]} {one}"
    shown = ", ".join(str(item) for item in items[:5])
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return f"{what}s {shown}{more} {many}"
