"""Released models: a folder with `models.json` and safetensors <-> networks ready to dub.

`starter` ships with the program; `paper` and whatever was trained lie in the user's models
directory or in a folder that the caller names.
"""

from __future__ import annotations

import contextlib
import functools
import typing
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.models.autoencoder import (
    PaperAutoencoder,
    StarterAutoencoder,
    parameter_count,
)
from stylesync_engine.models.diffusion import Prediction, Sampling
from stylesync_engine.models.layers import prepared
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.models.quick_renderer import QuickRenderer
from stylesync_engine.models.renderer import PAPER_SIZES, Renderer
from stylesync_engine.request import ModelError, RequestError, StyleReading
from stylesync_engine.speech.features import SpeechFrontEnd
from stylesync_engine.speech.front_ends import load_front_end
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.speech.sync import LipReader
from stylesync_engine.weights import fetching
from stylesync_engine.weights import networks as networks
from stylesync_engine.weights import table as tables
from stylesync_engine.weights.saving import parse_settings, save_models
from stylesync_engine.weights.table import Located

__all__ = [
    "Models",
    "import_model",
    "list_models",
    "load_lip_reader",
    "load_models",
    "missing_parts",
    "pull_models",
    "resolve_device",
    "save_models",
    "verify_models",
]


@dataclass(frozen=True)
class Models:
    """All networks of one folder, in evaluation mode.

    Stage 1 (`lip_motion`) stays on the CPU: it is small, runs once a shot, and so answers the same
    on every machine. Stage 2 waits there in float32; what is `ready` is on `device`, where
    `autocast()` computes in `dtype`. `quick_renderer` does in one step what `renderer` does.
    `style_reading`, `prediction` and `samplings` (`good`, `best` and perhaps `repair`, for
    lips that no reference shows) are the folder's defaults; `fingerprint` is equal where weights
    and settings are.
    """

    name: str
    folder: Path
    device: torch.device
    dtype: torch.dtype
    face_model: FaceModel
    front_end: SpeechFrontEnd
    lip_motion: LipMotionNetwork
    autoencoder: StarterAutoencoder | PaperAutoencoder
    renderer: Renderer
    quick_renderer: QuickRenderer | None
    style_reading: StyleReading
    closed_form: ClosedFormSettings
    prediction: Prediction
    samplings: Mapping[str, Sampling]
    fingerprint: str

    # Stage 2 as it computes: each network is cast and moved once for all shots, where it is used.
    @functools.cached_property
    def ready_autoencoder(self) -> StarterAutoencoder | PaperAutoencoder:
        return prepared(self.autoencoder, self.dtype).to(self.device)

    @functools.cached_property
    def ready_renderer(self) -> Renderer:
        return prepared(self.renderer, self.dtype).to(self.device)

    @functools.cached_property
    def ready_quick_renderer(self) -> QuickRenderer | None:
        quick = self.quick_renderer
        return None if quick is None else prepared(quick, self.dtype).to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Where stage 2 is to run: in `dtype` where the device is faster so, else as it is."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def load_models(name: str, device: str = "auto") -> Models:
    """Load `starter`, `paper`, models of the user's directory, or a folder.

    Raises ModelError where a file is missing, changed, unsafe or of another kind, and
    RequestError where there is no such device.
    """
    _reserve_for_products()
    place = resolve_device(device)
    manifest = tables.read_manifest(tables.find_folder(name))
    located, settings = tables.effective(manifest)
    missing = [part for part in tables.PARTS if part not in located]
    if missing:
        raise ModelError(
            f"The models {manifest.name} in {manifest.folder} still lack {', '.join(missing)};"
            " train them with stylesync-train or bring them with stylesync-engine models import."
        )
    models = Models(
        name=manifest.name,
        folder=manifest.folder,
        device=place,
        dtype=compute_dtype(place),
        face_model=networks.read_face_model(located["face_model"].weights()),
        front_end=_read_front_end(located["speech"], place),
        lip_motion=networks.read_lip_motion(located["lip_motion"].weights()),
        autoencoder=_channels_last(_read_autoencoder(located["autoencoder"])),
        renderer=_channels_last(networks.read_renderer(located["renderer"].weights())),
        quick_renderer=_read_quick_renderer(located.get(tables.QUICK)),
        **parse_settings(manifest.folder, settings),
        fingerprint=tables.fingerprint(located, settings),
    )
    _check_fit(models)
    return models


@functools.cache
def _reserve_for_products() -> None:
    """Let NumPy's and SciPy's OpenBLAS take their buffers, which they keep, before memory is short:
    later they would end the process without a word to Python, or ask for ever."""
    from scipy.linalg.blas import dgemm

    square = np.eye(256)
    np.matmul(square, square)
    dgemm(1.0, square, square)


def load_lip_reader(name: str = "starter") -> LipReader:
    """The parts of `load_models` that tell late sound; raises as that does."""
    located, _ = tables.effective(tables.read_manifest(tables.find_folder(name)))
    return LipReader(
        networks.read_face_model(located["face_model"].weights()),
        _read_front_end(located["speech"], torch.device("cpu")),
        networks.read_lip_motion(located["lip_motion"].weights()),
    )


def list_models() -> list[dict[str, Any]]:
    """One row for each set of models: where it is, what it lacks, parameters a part.

    The `paper` preset's counts are those of the paper's sizes where nothing was fetched yet.
    """
    own = tables.models_directory()
    found = sorted(own.iterdir()) if own.is_dir() else []
    folders = {"starter": tables.SHIPPED / "starter", "paper": own / "paper"}
    folders |= {path.name: path for path in found if (path / tables.MANIFEST).is_file()}
    return [_describe(name, folder) for name, folder in folders.items()]


def verify_models(name_or_dir: str) -> list[dict[str, Any]]:
    """One row a file: `file`, `ok`, and the `problem` where it is not."""
    located, _ = tables.effective(tables.read_manifest(tables.find_folder(name_or_dir)))
    return [
        _verify_file(part, entry, file, sha256)
        for part, entry in located.items()
        for file, sha256 in entry.part.files.items()
    ]


def missing_parts(name_or_dir: str) -> list[str]:
    """The parts that still have to be trained or imported before the models can dub."""
    located, _ = tables.effective(tables.read_manifest(tables.find_folder(name_or_dir)))
    return [part for part in tables.PARTS if part not in located]


def pull_models(name: str, source: str | None = None) -> Path:
    """Fetch what is public of `name` into the user's models directory: `model_sources`."""
    return fetching.pull_models(name, source)


def import_model(kind: str, path: str) -> Path:
    """Take a file or folder in that the user has: `model_sources`."""
    return fetching.import_model(kind, path)


def resolve_device(name: str) -> torch.device:
    """`auto` is the first GPU, else the CPU. Raises RequestError where a device is not there."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind == "mps" and not index:
        if not torch.backends.mps.is_available():
            raise RequestError("This machine has no mps device; choose auto or cpu.", "device")
        return torch.device("mps")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise RequestError(f"There is no device '{name}'; choose auto, cuda, cuda:N, mps or cpu.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        raise RequestError(
            f"This machine has {count} CUDA devices, so no {name}; choose auto or cpu.",
            "device",
        )
    return torch.device("cuda", int(index or 0))


def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes it, float16 on older GPUs, else float32."""
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= (8, 0)  # before Ampere it is emulated
        return torch.bfloat16 if capable else torch.float16
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32


@functools.cache
def paper_parameters() -> dict[str, int]:
    """Parameters a part at the paper's sizes, counted without allocating them."""
    with torch.device("meta"):
        parts = {
            "lip_motion": LipMotionNetwork(LipMotionSizes()),
            "autoencoder": PaperAutoencoder(),
            "renderer": Renderer(PAPER_SIZES),
        }
    return {name: parameter_count(network) for name, network in parts.items()}


def _read_front_end(located: Located, device: torch.device) -> SpeechFrontEnd:
    kind, paths = located.part.kind, located.paths()
    if kind == "ctc":
        folders = {path.parent for path in paths}
        if len(folders) != 1:
            raise ModelError(f"The CTC model in {located.folder} is incomplete; import it again.")
        return load_front_end(f"ctc:{folders.pop()}", device=device)
    # On the CPU: it answers the same on every machine, which TF32 does not.
    return load_front_end(kind, located.weights() if paths else None)


def _read_autoencoder(located: Located) -> StarterAutoencoder | PaperAutoencoder:
    if located.part.kind != networks.VQ_KIND:
        return networks.read_autoencoder(located.weights())
    configs = [path for path in located.paths() if path.name == networks.VQ_CONFIG]
    if len(configs) != 1:
        raise ModelError(f"The autoencoder in {located.folder} has no config; pull it again.")
    return networks.read_vq(configs[0], located.weights())


def _read_quick_renderer(located: Located | None) -> QuickRenderer | None:
    if located is None:
        return None
    return _channels_last(networks.read_quick_renderer(located.weights()))


N = typing.TypeVar("N", bound=nn.Module)


def _channels_last(network: N) -> N:
    """Convolutions are fastest so, on CPUs as on GPUs."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _check_fit(models: Models) -> None:
    """Parts of one folder must have been made for each other; raises ModelError."""
    lips, renderer, autoencoder = models.lip_motion, models.renderer, models.autoencoder
    pairs: dict[str, tuple[Any, Any]] = {
        "speech features": (models.front_end.dim, lips.sizes.speech),
        "latent channels": (autoencoder.latent_channels, renderer.sizes.latent_channels),
    }
    if quick := models.quick_renderer:
        same = "latent_channels", "patch", "top", "context", "motion_window"
        rows = [[getattr(part.sizes, name) for name in same] for part in (quick, renderer)]
        pairs["sizes of the quick renderer"] = rows[0], rows[1]
    if len(models.face_model.identity) < renderer.sizes.identity:  # the renderer takes the first
        pairs["identity components"] = (len(models.face_model.identity), renderer.sizes.identity)
    for what, (have, want) in pairs.items():
        if have != want:
            raise ModelError(
                f"The models in {models.folder} do not belong together: {have} {what} where"
                f" {want} are expected; fetch or train them again."
            )


def _describe(name: str, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "here": False, "lacks": "", "folder": str(folder)}
    try:
        located, _ = tables.effective(tables.read_manifest(folder))
        counts = {part: _count(entry) for part, entry in located.items()}
        lacking = [part for part in tables.PARTS if part not in located]
    except ModelError as error:
        counts, lacking = {}, list(tables.PARTS)
        if (folder / tables.MANIFEST).is_file():
            row["lacks"] = str(error)
    row |= {"here": not lacking, "lacks": row["lacks"] or ", ".join(lacking)}
    planned = paper_parameters() if name == "paper" else {}
    return row | {part: counts.get(part, planned.get(part)) for part in tables.PARTS}


def _count(located: Located) -> int:
    files = [located.folder / name for name in located.part.files if name.endswith(".safetensors")]
    return sum(networks.count_parameters(path) for path in files)


def _verify_file(part: str, located: Located, file: str, sha256: str) -> dict[str, Any]:
    row = {"part": part, "file": str(located.folder / file)}
    try:
        tables.check_file(located.folder, file, sha256)
    except ModelError as error:
        return {**row, "ok": False, "problem": str(error)}
    return {**row, "ok": True, "problem": None}
