"""Reading and writing single networks: safetensors whose metadata holds kind and sizes.

Networks are built by their plain constructors, on no device at first, so that sizes which do not
fit the file's tensors cost nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.faces.landmarker import MESH_POINTS
from stylesync_engine.files import read_bounded
from stylesync_engine.models.autoencoder import (
    PAPER_VQ,
    AutoencoderSizes,
    PaperAutoencoder,
    StarterAutoencoder,
)
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.models.quick_renderer import QuickRenderer, QuickRendererSizes
from stylesync_engine.models.renderer import Renderer, RendererSizes
from stylesync_engine.records import as_data, parse_json, read
from stylesync_engine.request import DubError, ModelError

S = TypeVar("S")
N = TypeVar("N", bound=nn.Module)

VQ_CONFIG = "config.json"
VQ_WEIGHTS = "diffusion_pytorch_model.safetensors"
VQ_KIND = "vq-autoencoder"

# What diffusers called the attention of the autoencoder's middle before version 0.17.
_OLD_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
_HALF_MOST = torch.finfo(torch.float16).max


def write_network(network: nn.Module, kind: str, path: Path) -> None:
    """Write a network whose `sizes` are a dataclass. Its floats are stored as float16, all but
    buffers (BatchNorm's statistics) and what float16 cannot hold."""
    sizes = json.dumps(dataclasses.asdict(network.sizes))  # type: ignore[call-overload]
    buffers = {name for name, _ in network.named_buffers()}
    tensors = {
        name: _shrink(value) if name not in buffers else value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path, metadata={"kind": kind, "sizes": sizes, "format": "pt"})


def read_face_model(path: Path) -> FaceModel:
    """Read a face model and check that its bases belong to one mesh."""
    _check_kind(path, "face-model")
    model = FaceModel.load(path)
    mesh = (MESH_POINTS, 3)
    fits = model.mean.shape == mesh and model.support.shape == mesh[:1]
    fits = fits and model.identity.shape[1:] == mesh and model.expression.shape[1:] == mesh
    fits = fits and len(model.expression) >= MOUTH and model.triangles.shape[1:] == (3,)
    if not fits or not all(np.isfinite(a).all() for a in (model.mean, model.expression)):
        raise ModelError(f"{path} holds no mesh of {MESH_POINTS} points; fetch or train it again.")
    return model


def read_lip_motion(path: Path) -> LipMotionNetwork:
    return _read(path, "lip-motion", LipMotionSizes, LipMotionNetwork)


def read_renderer(path: Path) -> Renderer:
    return _read(path, "renderer", RendererSizes, Renderer)


def read_quick_renderer(path: Path) -> QuickRenderer:
    return _read(path, "quick-renderer", QuickRendererSizes, QuickRenderer)


def read_autoencoder(path: Path) -> StarterAutoencoder:
    return _read(path, "autoencoder", AutoencoderSizes, StarterAutoencoder)


def write_vq(network: PaperAutoencoder, folder: Path) -> list[Path]:
    """Write a VQ autoencoder as diffusers does; returns its two files."""
    vq: Any = network.vq
    vq.save_pretrained(folder, safe_serialization=True)
    return [folder / VQ_CONFIG, folder / VQ_WEIGHTS]


def read_vq(config_path: Path, weights: Path) -> PaperAutoencoder:
    """Read diffusers' `config.json` and weights of a VQModel; its scale factor becomes 1.0."""
    config = _vq_config(config_path)
    try:
        with torch.device("meta"):
            network = PaperAutoencoder(config)
    except Exception as error:  # diffusers raises what its many parts raise
        raise ModelError(
            f"{config_path} does not describe a VQ autoencoder ({_first_line(error)});"
            " pull the models again."
        ) from error
    tensors = {f"vq.{_new_name(name)}": value for name, value in _load(weights).items()}
    return _fill(network, tensors, weights)


def count_parameters(path: Path) -> int:
    """Numbers in a safetensors file, read from its header alone."""
    try:
        with safe_open(path, framework="pt") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return sum(int(torch.Size(shape).numel()) for shape in shapes)


def kind_of(path: Path) -> str:
    """The `kind` that a safetensors file names."""
    return _metadata(path).get("kind", "of unknown kind")


def _read(path: Path, kind: str, sizes_type: type[S], build: Callable[[S], N]) -> N:
    _check_kind(path, kind)
    sizes = _parse_sizes(path, _metadata(path).get("sizes", ""), sizes_type)
    try:
        with torch.device("meta"):
            network = build(sizes)
    except (RuntimeError, ValueError, ArithmeticError, AssertionError, IndexError) as error:
        raise ModelError(
            f"{path} has sizes of which no {kind} can be built ({_first_line(error)});"
            " fetch or train it again."
        ) from error
    return _fill(network, _load(path), path)


def _check_kind(path: Path, kind: str) -> None:
    found = kind_of(path)
    if found != kind:
        raise ModelError(f"{path} is {found}, not {kind}; give the file that belongs there.")


def _fill(network: N, tensors: Mapping[str, Tensor], path: Path) -> N:
    """Put tensors into a network on no device; all must be there, none may be left over."""
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        network.load_state_dict(floats, strict=True, assign=True)
    except RuntimeError as error:
        raise ModelError(
            f"{path} does not hold the tensors of its network ({_first_line(error)});"
            " fetch or train it again."
        ) from error
    return network.eval().requires_grad_(False)


def _parse_sizes(path: Path, text: str, sizes_type: type[S]) -> S:
    """A sizes dataclass from its JSON; its whole numbers lie in 0..2^16."""
    try:
        sizes = read(sizes_type, parse_json(text, "sizes", ModelError), "part", ModelError)
    except DubError as error:
        raise ModelError(
            f"{path} does not say its sizes ({_first_line(error)}); fetch or train it again."
        ) from error
    for name, value in as_data(sizes).items():
        numbers = value if isinstance(value, list) else [value]
        if not all(0 <= n <= 2**16 for n in numbers if isinstance(n, int)):
            raise ModelError(f"{path} has no valid size '{name}'; fetch or train it again.")
    return sizes


def _vq_config(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_bounded(path, 2**20))
        config = {name: value for name, value in data.items() if not name.startswith("_")}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read ({_first_line(error)}); pull the models again."
        ) from error
    if data.get("_class_name") != "VQModel":
        raise ModelError(f"{path} describes no VQModel; pull the models again.")
    # Without one in the file, diffusers would take 0.18215, Stable Diffusion's.
    return {**config, "scaling_factor": PAPER_VQ["scaling_factor"]}


def _new_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if ".attentions." in name:
            name = name.replace(old, new)
    return name


def _shrink(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point() or value.numel() == 0 or value.abs().max() > _HALF_MOST:
        return value
    return value.half()


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _metadata(path: Path) -> Mapping[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path} cannot be read as safetensors ({_first_line(error)}); fetch or train it again."
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".;") if lines else type(error).__name__
