"""What a dub is made of: checked before any work is done, and known again afterwards."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stylesync_engine import __version__
from stylesync_engine.media import files_of
from stylesync_engine.origin.people import PERSON_FILE, find_person
from stylesync_engine.plan.sources import appearance_clip
from stylesync_engine.request import DubRequest, MediaError, RequestError
from stylesync_engine.weights.loading import Models

_PLACES = ("output", "work", "person", "consent", "beside")
_FILES = ("video", "speech", "style", "style_speech")
_WRITING = (
    *("device", "codec", "delivery", "credentials", "mark", "models"),
    *("keep_sound", "match_loudness", "burn_in"),
)
_PLANNING = (
    *("articulation", "style_strength", "style_reading", "style_offset", "style_stream"),
    *("speech_stream", "length", "landmarks", "appearance"),
)
_COMPUTING = ("torch", "numpy", "scipy", "opencv-python", "av", "ai-edge-litert")
_WHOLE, _BLOCK, _BLOCKS = 2**30, 2**20, 1024


def describe_inputs(request: DubRequest, models: Models) -> dict[str, Any]:
    """What the pixels depend on: files by their contents, options, models, engine, packages.

    Names are left out: on another machine the same files may lie elsewhere.
    """
    # By way of the text, so that a request that was read from a plan gives the same.
    data = json.loads(DubRequest.from_json(request.to_json()).to_json())
    for name in (*_PLACES, *_FILES):
        data.pop(name, None)
    for name in _WRITING:
        data["options"].pop(name, None)
    clip, frames = appearance_clip(request.options.appearance)
    if clip:
        data["options"]["appearance"] = f"file {frames}"
    return {**describe_surroundings(request), "options": data, "models": models.fingerprint}


def describe_surroundings(request: DubRequest) -> dict[str, Any]:
    """The part of the inputs that is known without loading models."""
    return {"files": identify_files(request), "packages": _packages(), "engine": __version__}


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """sha256 of the inputs that `describe_inputs` has found."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def rendering_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the inputs that stage 2 looks at itself; the rest has its say by way of a plan's
    tensors."""
    asked = inputs.get("options", {}).get("options", {})
    options = {name: value for name, value in asked.items() if name not in _PLANNING}
    video = inputs.get("files", {}).get("video")
    others = {name: inputs.get(name) for name in ("packages", "engine", "models")}
    return {**others, "options": options, "video": video}


def check_inputs(planned: Mapping[str, Any], work: Path, here: Mapping[str, Any]) -> None:
    """Raises RequestError, naming what, where the plan in `work` was made with something else."""
    other = _name_difference(planned, here)
    if other is not None:
        raise RequestError(
            f"The plan in '{work}' was made with {other}; run stylesync-engine prepare again."
        )


def _name_difference(planned: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """With what a plan was made that is not what is `here`; None where nothing differs."""
    for name, value in here.items():
        before = planned.get(name)
        if before == value:
            continue
        if name not in ("files", "packages") or not isinstance(before, dict):
            return f"other {name}"
        other = next(key for key in {**before, **value} if before.get(key) != value.get(key))
        if name == "files":
            return f"another {other} file"
        return f"{other} {before.get(other)}, and here is {value.get(other)}"
    return None


def identify_files(request: DubRequest) -> dict[str, str]:
    """Each file that the request reads, by its role, and by what its contents are known again."""
    paths = {name: getattr(request, name) for name in _FILES}
    paths["appearance"] = appearance_clip(request.options.appearance)[0]
    person = find_person(request.person)
    paths["person"] = str(person / PERSON_FILE) if person else None
    return {name: identify_file(path) for name, path in paths.items() if path}


def identify_file(path: str) -> str:
    """A file, or the images of a sequence, by size and the sha256 of the contents, all of them up
    to 1 GiB a file.

    Of a larger file a thousand blocks are read that are spread over the whole of it, first and
    last bytes included: what took seconds once must not take minutes for each of a film's dubs.
    A file is read once a process and again only when it has changed.
    """
    try:
        found = [_identify_one(file) for file in files_of(path)]
    except OSError as error:
        raise MediaError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def describe_identity(identity: str) -> dict[str, str]:
    """What `identify_file` has found, named: the sha256 of a file, of blocks of a large one, or of
    what is known of a sequence's images."""
    size, colon, digest = identity.partition(":")
    if not colon:
        return {"sequence_sha256": identity}
    return {"sha256" if int(size) <= _WHOLE else "blocks_sha256": digest}


def _identify_one(path: Path) -> str:
    status = path.stat()
    mark = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return f"{status.st_size}:{_hash_contents(str(path), mark)}"


@functools.lru_cache(maxsize=2**16)
def _hash_contents(path: str, mark: tuple[int, int, int, int]) -> str:
    size, digest = mark[0], hashlib.sha256()
    with Path(path).open("rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        for block in range(_BLOCKS):
            file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


@functools.cache
def _packages() -> dict[str, str]:
    """Versions of what computes pixels; builds of one version for several devices are one."""
    return {name: version(name).partition("+")[0] for name in _COMPUTING}
