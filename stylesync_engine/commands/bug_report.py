"""What a maintainer needs to know about an installation, without media or anything personal."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from stylesync_engine import __version__
from stylesync_engine.failures import last_errors
from stylesync_engine.files import write_text
from stylesync_engine.media import Frame, VideoInfo, VideoWriter
from stylesync_engine.pictures.converting import black_picture
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.request import Codec, DubError, RequestError
from stylesync_engine.weights.table import effective, find_folder, fingerprint, read_manifest

_SETTINGS = {
    f"STYLESYNC_{name}"
    for name in ("CERTIFICATE", "CONSENT", "DEBUG", "KEY", "MODELS", "PYTHON", "STUDIO")
}  # fmt: skip
_SIZE = (256, 128)  # the smallest that every codec takes
_SUFFIXES: dict[Codec, str] = {"ffv1": ".mkv", "h264": ".mp4", "png": "", "exr": ""}  # else .mov


def examine() -> dict[str, Any]:
    """Versions, devices, models' hashes, codecs that work here, and where the last errors arose.

    Each is taken from a list of what may be told; no text of an error or of the environment is.
    """
    return {
        "stylesync": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": _packages(),
        "devices": _devices(),
        "models": _models(),
        "codecs": {codec: _try_codec(codec) for codec in get_args(Codec)},
        "settings": sorted(_SETTINGS & os.environ.keys()),
        "errors": last_errors(),
    }


def write_report(path: Path, found: dict[str, Any]) -> None:
    """One JSON file; raises RequestError for another name, DiskError where it cannot be written."""
    if path.suffix.lower() != ".json":
        raise RequestError(f"A report is JSON, not '{path.name}'; give a name ending in .json.")
    write_text(path.absolute(), json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _packages() -> dict[str, str]:
    """Every installed package that StyleSync names as one it needs or can use."""
    try:
        wanted = importlib.metadata.requires("stylesync") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    versions = {}
    for requirement in wanted:
        name = requirement.split(";")[0].strip()
        name = name[: next((i for i, c in enumerate(name) if c in "<>=!~[ "), len(name))]
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _devices() -> list[dict[str, Any]]:
    import torch

    cpu = {"device": "cpu", "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    gpus = [
        {
            "device": f"cuda:{index}",
            "name": torch.cuda.get_device_name(index),
            "memory_mib": torch.cuda.get_device_properties(index).total_memory >> 20,
        }
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    mps = [{"device": "mps"}] if torch.backends.mps.is_available() else []
    return [cpu, *gpus, *mps]


def _models() -> list[dict[str, Any]]:
    """Each set of models by its hashes; those of the user without their names."""
    from stylesync_engine.weights.loading import list_models

    rows = []
    for number, row in enumerate(list_models()):
        name = row["name"] if row["name"] in ("starter", "paper") else f"own-{number}"
        try:
            located, settings = effective(read_manifest(find_folder(row["folder"])))
        except DubError as error:
            rows.append({"name": name, "problem": type(error).__name__})
            continue
        parts = {part: sorted(entry.part.files.values()) for part, entry in located.items()}
        rows.append({"name": name, "fingerprint": fingerprint(located, settings), "sha256": parts})
    return rows


def _try_codec(codec: Codec) -> str:
    """Two black frames written to a folder that goes away again."""
    width, height = _SIZE
    layout = layout_of("yuv420p", height)
    rate = Fraction(25)
    like = VideoInfo("", rate, 2, width, height, layout, "rawvideo", 2 / rate, 1 / rate)
    try:
        with tempfile.TemporaryDirectory(prefix="stylesync-doctor-") as folder:
            place = Path(folder) / f"black{_SUFFIXES.get(codec, '.mov')}"
            with VideoWriter(place, like, codec) as writer:
                for index in range(2):
                    picture = black_picture(layout, width, height)
                    writer.write(Frame(index, index / rate, 1 / rate, picture))
    except Exception as error:  # whatever it is, it belongs into the report
        return type(error).__name__
    return "works"
