"""`models.json`, the table of a folder of models: which file is which part, and its sha256.

A folder that adapts another one to a speaker names it as `base` and holds only the parts that
differ. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from stylesync_engine.files import expanded, file_hash, read_bounded, replacing
from stylesync_engine.records import strict_json
from stylesync_engine.request import ModelError

MANIFEST = "models.json"
FORMAT = 1
PARTS = ("face_model", "speech", "lip_motion", "autoencoder", "renderer")
QUICK = "quick_renderer"  # a part that a folder may lack
SHIPPED = Path(__file__).parent

_PICKLES = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".npy", ".npz"}
_SAFE = {".safetensors", ".json", ".txt"}
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w][\w .+-]*")

_BYTES = 2**24

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a folder: its `kind` (`renderer`, `vq-autoencoder`, `log-mel`, ...) and the
    sha256 of each of its files, keyed by their path inside the folder."""

    kind: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Base:
    """The models that a folder builds on: a name or a folder, and what they were then."""

    models: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A folder's own parts and settings (`prediction`, `style_reading`, ...)."""

    name: str
    folder: Path
    parts: Mapping[str, Part]
    settings: Mapping[str, Any]
    base: Base | None = None

    def write(self) -> None:
        """Write `models.json` in one go, so that no reader sees half of it."""
        data: dict[str, Any] = {"format": FORMAT, "name": self.name}
        if self.base is not None:
            data["base"] = {"models": self.base.models, "fingerprint": self.base.fingerprint}
        data["parts"] = {
            part: {"kind": entry.kind, "files": dict(entry.files)}
            for part, entry in self.parts.items()
        }
        data["settings"] = dict(self.settings)
        with replacing(self.folder / MANIFEST) as draft:
            draft.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    def with_part(self, part: str, kind: str, paths: list[Path]) -> Manifest:
        """The same with one part exchanged for files that already lie in the folder."""
        files = {str(path.relative_to(self.folder).as_posix()): hash_file(path) for path in paths}
        return replace(self, parts=_put({**self.parts}, {part: Part(kind, files)}))


@dataclass(frozen=True, slots=True)
class Located:
    """A part and the folder that holds it, which may be the base's."""

    folder: Path
    part: Part

    def paths(self) -> list[Path]:
        """The part's files, their hashes checked; raises ModelError where one is not as it was."""
        return [check_file(self.folder, name, sha256) for name, sha256 in self.part.files.items()]

    def weights(self) -> Path:
        """The part's only safetensors file, checked."""
        found = [path for path in self.paths() if path.suffix == ".safetensors"]
        if len(found) != 1:
            raise ModelError(
                f"The {self.part.kind} in {self.folder} has {len(found)} weight files"
                " instead of one; fetch or train it again."
            )
        return found[0]


def models_directory() -> Path:
    """Where the user's own models lie; `STYLESYNC_MODELS` names another place."""
    chosen = os.environ.get("STYLESYNC_MODELS")
    if chosen:
        return expanded(chosen)
    return platformdirs.user_data_path("stylesync", appauthor=False) / "models"


def find_folder(name: str) -> Path:
    """The folder of `starter`, of models in the user's directory, or of a path.

    Raises ModelError where there is none.
    """
    if _NAME.fullmatch(name) and _is_file(SHIPPED / name / MANIFEST):
        return SHIPPED / name
    own = models_directory() / name
    named = expanded(name)
    inside = ".." not in Path(name).parts  # a name leads nowhere else; a path is one from here
    for folder in (own, named) if inside else (named,):
        if _is_file(folder / MANIFEST):
            return folder
    pickles = sorted(p.name for p in _files_of(named) if p.suffix in _PICKLES)
    if pickles:
        raise ModelError(
            f"{name} holds {pickles[0]}, a pickle that could run code when loaded, and no"
            f" {MANIFEST}; convert it to safetensors and use stylesync-engine models import."
        )
    advice = "run stylesync-engine models pull paper" if name == "paper" else "give a folder"
    raise ModelError(f"There are no models '{name}': no {MANIFEST} in {own}; {advice} with one.")


def plain_name(name: str) -> str:
    """A name that can be a folder's in the models directory; raises ModelError for another."""
    if not _NAME.fullmatch(name) or (SHIPPED / name).exists():
        raise ModelError(f"Models cannot be called '{name}'; choose letters, digits and hyphens.")
    return name


def read_manifest(folder: Path) -> Manifest:
    """Read and check a folder's `models.json`; raises ModelError naming what is wrong."""
    path = folder / MANIFEST
    try:
        data = strict_json(read_bounded(path, _BYTES))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch the models again.") from error
    try:
        return _parse_manifest(folder, data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is no table of models ({type(error).__name__}: {error});"
            " fetch the models again."
        ) from error


def effective(manifest: Manifest) -> tuple[dict[str, Located], dict[str, Any]]:
    """Parts and settings of a folder, what it leaves out taken from its base.

    Raises ModelError where the base is missing, changed, or builds on another one itself.
    """
    own = {name: Located(manifest.folder, part) for name, part in manifest.parts.items()}
    if manifest.base is None:
        return own, dict(manifest.settings)
    base = read_manifest(_base_folder(manifest.folder, manifest.base.models))
    refuse_layers(manifest.name, base)
    parts, settings = effective(base)
    if fingerprint(parts, settings) != manifest.base.fingerprint:
        raise ModelError(
            f"{manifest.name} was adapted from other weights than those in {base.folder};"
            " adapt it again or bring those weights back."
        )
    return _put(parts, own), {**settings, **manifest.settings}


def refuse_layers(name: str, base: Manifest) -> None:
    """Raise ModelError where a base is not whole by itself."""
    if base.base is not None:
        raise ModelError(
            f"{name} builds on {base.name}, which builds on other models itself; adapt from"
            " models that stand alone."
        )


def fingerprint(parts: Mapping[str, Located], settings: Mapping[str, Any]) -> str:
    """sha256 over the files' hashes and the settings: equal where results are equal."""
    content = {
        "parts": {
            name: [located.part.kind, sorted(located.part.files.items())]
            for name, located in parts.items()
        },
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_file(folder: Path, name: str, sha256: str) -> Path:
    """A file that a manifest names, if it lies in the folder, is safe to read and unchanged."""
    path = folder / name
    if path.suffix.lower() in _PICKLES:
        raise ModelError(
            f"{path} is a pickle, which could run code when loaded; convert it to safetensors."
        )
    if path.suffix.lower() not in _SAFE:
        raise ModelError(f"{path} is no kind of file that models hold; use safetensors and JSON.")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{folder / MANIFEST} names {name} outside its folder; mend or fetch it.")
    if not _is_file(path):
        raise ModelError(f"{path} is missing; fetch or train the models again.")
    if hash_file(path) != sha256:
        raise ModelError(f"{path} is not the file that {MANIFEST} lists; fetch the models again.")
    return path


def hash_file(path: Path) -> str:
    """The file's sha256 as 64 hexadecimal digits; raises ModelError where it cannot be read."""
    try:
        return file_hash(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its rights.") from error


def refuse_pickles(folder: Path) -> None:
    """Raise ModelError where a folder that is to be taken in holds a pickle."""
    pickles = sorted(path for path in _files_of(folder) if path.suffix.lower() in _PICKLES)
    if pickles:
        raise ModelError(
            f"{pickles[0]} is a pickle, which could run code when loaded; convert it to"
            " safetensors and remove it."
        )


def _put(parts: dict[str, P], new: Mapping[str, P]) -> dict[str, P]:
    """With new ones in the place of some. A quick renderer says what one renderer does, and goes
    with it."""
    if "renderer" in new:
        parts.pop(QUICK, None)
    return {**parts, **new}


def _base_folder(folder: Path, models: str) -> Path:
    """A base is a name as the user would give it, or a folder relative to the adapted one's."""
    beside = folder / models
    return beside if _is_file(beside / MANIFEST) else find_folder(models)


def _parse_manifest(folder: Path, data: Any) -> Manifest:
    if data["format"] != FORMAT:
        raise ModelError(
            f"{folder / MANIFEST} has format {data['format']}, this program reads {FORMAT};"
            " update it or fetch the models again."
        )
    unknown = sorted(set(data["parts"]) - {*PARTS, QUICK})
    if unknown:
        raise ModelError(f"{folder / MANIFEST} lists a part '{unknown[0]}' that nobody knows.")
    base = data.get("base")
    return Manifest(
        name=_text(data["name"]),
        folder=folder,
        parts={name: _parse_part(entry) for name, entry in data["parts"].items()},
        settings=dict(data["settings"]),
        base=Base(_text(base["models"]), _digest(base["fingerprint"])) if base else None,
    )


def _parse_part(data: Any) -> Part:
    return Part(_text(data["kind"]), {_text(k): _digest(v) for k, v in data["files"].items()})


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not text")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError(f"{value!r} is not a sha256")
    return value


def _is_file(path: Path) -> bool:
    """False, too, for a name that is longer than names can be."""
    try:
        return path.is_file()
    except OSError:
        return False


def _files_of(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        if not folder.is_dir():
            return
        yield from (path for path in folder.rglob("*") if path.is_file())
