"""Writing a folder of models: parts one by one, settings, and the table that lists them."""

from __future__ import annotations

import dataclasses
import shutil
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.models.autoencoder import PaperAutoencoder, StarterAutoencoder
from stylesync_engine.models.diffusion import PAPER_SAMPLING, Prediction, Sampling
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.models.quick_renderer import QuickRenderer
from stylesync_engine.models.renderer import Renderer
from stylesync_engine.request import ModelError, StyleReading
from stylesync_engine.speech.features import SpeechFrontEnd
from stylesync_engine.speech.front_ends import WHISPERS, shipped_weights, whisper_file
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.weights import networks as networks
from stylesync_engine.weights import table as tables
from stylesync_engine.weights.table import Manifest

FILES = {
    "face_model": "face_model.safetensors",
    "lip_motion": "lip_motion.safetensors",
    "autoencoder": "autoencoder.safetensors",
    "renderer": "renderer.safetensors",
    "quick_renderer": "quick_renderer.safetensors",
}
SAMPLINGS: Mapping[Prediction, Mapping[str, Sampling]] = {
    "sample": {"good": Sampling("dpmpp", 4), "best": Sampling("dpmpp", 10)},
    "epsilon": {"good": Sampling("dpmpp", 15), "best": PAPER_SAMPLING},
}


def save_models(
    folder: Path,
    *,
    name: str,
    face_model: FaceModel | None = None,
    front_end: SpeechFrontEnd | None = None,
    lip_motion: LipMotionNetwork | None = None,
    autoencoder: StarterAutoencoder | PaperAutoencoder | None = None,
    renderer: Renderer | None = None,
    quick_renderer: QuickRenderer | None = None,
    prediction: Prediction | None = None,
    style_reading: StyleReading | None = None,
    closed_form: ClosedFormSettings | None = None,
    samplings: Mapping[str, Sampling] | None = None,
    base: str | None = None,
    speech_weights: Path | None = None,
) -> Manifest:
    """Write parts and settings into a folder; what it held of other parts stays.

    So a folder may be filled step by step; `load_models` wants all five parts. With `base` (a name
    or a folder) only what differs from the base is given: parts and settings that are None come
    from it. `speech_weights` is the file behind a Whisper `front_end`, the
    starter's where it is None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _open_manifest(folder, name, base)
    if face_model is not None:
        face_model.save(folder / FILES["face_model"])
        manifest = manifest.with_part("face_model", "face-model", [folder / FILES["face_model"]])
    if front_end is not None:
        manifest = _write_front_end(manifest, front_end, speech_weights)
    for part, network in (
        ("lip_motion", lip_motion),
        ("renderer", renderer),  # before the quick one, which goes with another
        ("quick_renderer", quick_renderer),
    ):
        if network is not None:
            manifest = _write_network(manifest, part, network)
    if isinstance(autoencoder, PaperAutoencoder):
        paths = networks.write_vq(autoencoder, folder / "vqvae")
        manifest = manifest.with_part("autoencoder", networks.VQ_KIND, paths)
    elif autoencoder is not None:
        manifest = _write_network(manifest, "autoencoder", autoencoder)
    settings = _settings(prediction, style_reading, closed_form, samplings)
    defaults = {} if base else _settings("sample", "closed-form", ClosedFormSettings(), None)
    if "samplings" not in settings and (prediction or not manifest.settings) and not base:
        settings |= _settings(None, None, None, SAMPLINGS[prediction or "sample"])
    manifest = dataclasses.replace(manifest, settings={**defaults, **manifest.settings, **settings})
    _share(manifest)
    manifest.write()
    return manifest


def _share(manifest: Manifest) -> None:
    """safetensors writes files that only their owner may read; models serve whole farms."""
    for part in manifest.parts.values():
        for name in part.files:
            (manifest.folder / name).chmod(0o644)


def _open_manifest(folder: Path, name: str, base: str | None) -> Manifest:
    reference = None
    if base is not None:
        root = tables.read_manifest(tables.find_folder(base))
        tables.refuse_layers(name, root)
        reference = tables.Base(base, tables.fingerprint(*tables.effective(root)))
    if (folder / tables.MANIFEST).is_file():
        return dataclasses.replace(tables.read_manifest(folder), name=name, base=reference)
    return Manifest(name, folder, {}, {}, reference)


def _write_network(manifest: Manifest, part: str, network: nn.Module) -> Manifest:
    path, kind = manifest.folder / FILES[part], part.replace("_", "-")
    networks.write_network(network, kind, path)
    return manifest.with_part(part, kind, [path])


def _write_front_end(
    manifest: Manifest, front_end: SpeechFrontEnd, weights: Path | None
) -> Manifest:
    """Whisper's weights and a CTC model are copied beside the rest, licences with them."""
    if front_end.name in WHISPERS:
        weights = weights or shipped_weights(front_end.name)
        target = manifest.folder / whisper_file(front_end.name)
        for source in (weights, weights.with_suffix(".LICENSE")):
            copy = target.with_suffix(source.suffix)
            if source.is_file() and not (copy.is_file() and copy.samefile(source)):
                shutil.copyfile(source, copy)
        return manifest.with_part("speech", front_end.name, [target])
    if front_end.name.startswith("ctc:"):
        return _copy_ctc(manifest, Path(front_end.name.removeprefix("ctc:")))
    return manifest.with_part("speech", front_end.name, [])


def _copy_ctc(manifest: Manifest, source: Path) -> Manifest:
    """Copy what reading a CTC model needs, JSON and safetensors, into the models' folder."""
    target = manifest.folder / "ctc"
    target.mkdir(parents=True, exist_ok=True)
    names = [path.name for path in sorted(source.glob("*.json"))]
    names += [path.name for path in sorted(source.glob("*.safetensors"))]
    for name in names:
        shutil.copyfile(source / name, target / name)
    return manifest.with_part("speech", "ctc", [target / name for name in names])


def _settings(
    prediction: Prediction | None,
    style_reading: StyleReading | None,
    closed_form: ClosedFormSettings | None,
    samplings: Mapping[str, Sampling] | None,
) -> dict[str, Any]:
    values = {
        "prediction": prediction,
        "style_reading": style_reading,
        "closed_form": dataclasses.asdict(closed_form) if closed_form else None,
        "samplings": {quality: dataclasses.asdict(s) for quality, s in samplings.items()}
        if samplings
        else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def parse_settings(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a folder as the fields of `Models`; raises ModelError where one is wrong."""
    try:
        parsed = {
            "prediction": _choice(settings["prediction"], Prediction),
            "style_reading": _choice(settings["style_reading"], StyleReading),
            "closed_form": ClosedFormSettings(**settings["closed_form"]),
            "samplings": _samplings(settings["samplings"]),
        }
        for sampling in parsed["samplings"].values():
            if sampling.sampler not in ("ddim", "dpmpp") or not 1 <= sampling.steps <= 1000:
                raise ValueError(f"{sampling} cannot be sampled")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{folder / tables.MANIFEST} lacks valid settings ({error}); fetch the models again."
        ) from error
    return parsed


def _samplings(settings: Mapping[str, Any]) -> dict[str, Sampling]:
    """Of both qualities, and of lips that no reference shows where a folder says it."""
    names = ["good", "best", *(["repair"] if "repair" in settings else [])]
    return {name: Sampling(**settings[name]) for name in names}


def _choice(value: Any, choices: Any) -> Any:
    if value not in typing.get_args(choices):
        raise ValueError(f"{value!r} is none of {', '.join(typing.get_args(choices))}")
    return value
