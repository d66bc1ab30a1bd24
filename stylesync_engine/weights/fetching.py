"""Where models come from: the public parts of `paper`, and files that the user brings.

Everything lands in the user's models directory. Only safetensors and JSON are taken.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from stylesync_engine.files import expanded
from stylesync_engine.request import ModelError
from stylesync_engine.speech.front_ends import load_front_end
from stylesync_engine.weights import networks as networks
from stylesync_engine.weights import table as tables
from stylesync_engine.weights.saving import save_models
from stylesync_engine.weights.table import Manifest

_BLOCK, _SECONDS = 2**16, 3600
_PAPER: Final[dict[str, Any]] = {"prediction": "epsilon", "style_reading": "network"}


@dataclass(frozen=True, slots=True)
class PublicFiles:
    """Files of a hub's repository that make one part, with their sha256 where it is known.

    Where it is not, the first fetch records it in `models.json` and later ones must match.
    """

    part: str
    kind: str
    repository: str
    revision: str
    files: Mapping[str, str | None]


PUBLIC: Final = {
    "paper": PublicFiles(
        part="autoencoder",
        kind=networks.VQ_KIND,
        repository="CompVis/ldm-celebahq-256",
        revision="main",
        files={f"vqvae/{networks.VQ_CONFIG}": None, f"vqvae/{networks.VQ_WEIGHTS}": None},
    )
}


def pull_models(name: str, source: str | None = None) -> Path:
    """Fetch what is public of `name` and return its folder in the user's models directory.

    `source` is another place of the same layout: a folder, or an http(s) address. What is not
    public has to be trained or imported; `missing_parts` says which. Raises ModelError.
    """
    if name not in PUBLIC:
        known = ", ".join(PUBLIC)
        raise ModelError(f"There is nothing to fetch for '{name}'; what can be pulled is {known}.")
    public, folder = PUBLIC[name], tables.models_directory() / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pull-") as partial:
        for file in public.files:
            _fetch(public, file, source, Path(partial) / file)
        _check_fetched(public, folder, Path(partial))
        for file in public.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(partial) / file).replace(folder / file)
    manifest = save_models(folder, name=name, **_first_settings(folder))
    manifest.with_part(public.part, public.kind, [folder / file for file in public.files]).write()
    return folder


def import_model(kind: str, path: str) -> Path:
    """Take in what the user has and return the folder that holds it now.

    `bfm`: Deep3DFaceRecon's BFM_model_front.mat, converted; `vq`: a folder of a diffusers VQModel;
    `ctc`: a folder of a transformers CTC model; `part`: a safetensors file that training wrote;
    all of these become parts of `paper`. `models`: a whole folder with `models.json`, under its
    own name. Raises ModelError.
    """
    source = expanded(path)
    if not source.exists():
        raise ModelError(f"There is no {source}; give the path of the file or folder to import.")
    if kind == "models":
        return _import_folder(source)
    readers = {"bfm": _read_bfm, "vq": _read_vq, "ctc": _read_ctc, "part": _read_part}
    if kind not in readers:
        raise ModelError(
            f"There is no kind '{kind}' to import; choose {', '.join([*readers, 'models'])}."
        )
    folder = tables.models_directory() / "paper"
    save_models(folder, name="paper", **readers[kind](source), **_first_settings(folder))
    return folder


def _read_bfm(path: Path) -> dict[str, Any]:
    """The mesh's points are found on the Basel surface with the starter's face model as guide."""
    located, _ = tables.effective(tables.read_manifest(tables.find_folder("starter")))
    template = networks.read_face_model(located["face_model"].weights())
    from stylesync_engine.faces.basel import convert_bfm  # SciPy's readers, for this alone

    return {"face_model": convert_bfm(path, template)}


def _read_vq(path: Path) -> dict[str, Any]:
    _want_safetensors(path)
    vq = networks.read_vq(path / networks.VQ_CONFIG, path / networks.VQ_WEIGHTS)
    return {"autoencoder": vq}


def _read_ctc(path: Path) -> dict[str, Any]:
    _want_safetensors(path)
    return {"front_end": load_front_end(f"ctc:{path}")}


def _read_part(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        raise ModelError(f"{path} is no safetensors file; give the one that training wrote.")
    readers = {
        "face-model": ("face_model", networks.read_face_model),
        "lip-motion": ("lip_motion", networks.read_lip_motion),
        "autoencoder": ("autoencoder", networks.read_autoencoder),
        "renderer": ("renderer", networks.read_renderer),
        "quick-renderer": ("quick_renderer", networks.read_quick_renderer),
    }
    kind = networks.kind_of(path)
    if kind not in readers:
        raise ModelError(f"{path} is {kind}; give a file of kind {', '.join(readers)}.")
    name, read = readers[kind]
    return {name: read(path)}


def _import_folder(source: Path) -> Path:
    """Copy what `models.json` lists, hashes checked, with licences and reports."""
    manifest = tables.read_manifest(source)
    located, _ = tables.effective(manifest)
    paths = [path for part in manifest.parts for path in located[part].paths()]
    target = tables.models_directory() / tables.plain_name(manifest.name)
    if target.exists():
        raise ModelError(f"{target} is there already; remove it to import these models.")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    documents = [p for p in source.iterdir() if p.suffix in (".md", ".LICENSE") and p.is_file()]
    for path in [*paths, *documents]:
        copy = partial / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(source / tables.MANIFEST, partial / tables.MANIFEST)
    return partial.replace(target)


def _want_safetensors(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder; give the folder of the saved model.")
    tables.refuse_pickles(folder)


def _first_settings(folder: Path) -> dict[str, Any]:
    return {} if (folder / tables.MANIFEST).is_file() else _PAPER


def _fetch(public: PublicFiles, file: str, source: str | None, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source is None:
        _fetch_from_hub(public, file, target)
    elif source.startswith(("http://", "https://")):
        _fetch_from_address(f"{source.rstrip('/')}/{file}", target)
    else:
        _fetch_from_folder(expanded(source), file, target)


def _fetch_from_hub(public: PublicFiles, file: str, target: Path) -> None:
    from huggingface_hub import hf_hub_download

    root = target.parents[len(Path(file).parents) - 1]
    try:
        hf_hub_download(public.repository, file, revision=public.revision, local_dir=root)
    except Exception as error:  # the hub's client raises what its transport raises
        raise _not_fetched(f"{public.repository}/{file}", error) from error


def _fetch_from_address(address: str, target: Path) -> None:
    try:
        # The caller has checked that the address is http or https.
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as file:  # noqa: S310
            _copy_bounded(answer, file, _most_bytes(target))
    except (OSError, ValueError) as error:
        raise _not_fetched(address, error) from error


def _copy_bounded(answer: BinaryIO, file: BinaryIO, most: int) -> None:
    """Raises OSError where a server sends more than a model can have, or never comes to an end."""
    deadline, taken = time.monotonic() + _SECONDS, 0
    while block := answer.read(_BLOCK):
        taken += len(block)
        if taken > most:
            raise OSError(f"it has more than {most} bytes")
        if time.monotonic() > deadline:
            raise OSError(f"it was not there after {_SECONDS} s")
        file.write(block)


def _most_bytes(target: Path) -> int:
    return 2**20 if target.suffix == ".json" else 2**34


def _fetch_from_folder(folder: Path, file: str, target: Path) -> None:
    source = folder / file
    if not source.is_file():
        tables.refuse_pickles(source.parent)
        raise ModelError(f"{folder} has no {file}; give a folder of the same layout.")
    shutil.copyfile(source, target)


def _not_fetched(what: str, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
    return ModelError(
        f"{what} cannot be fetched ({reason}); connect to the network, give a copy, or save"
        " the model as safetensors and use stylesync-engine models import.",
        "from",
    )


def _check_fetched(public: PublicFiles, folder: Path, partial: Path) -> None:
    """Hashes as published or as recorded before, and a network that can be built."""
    recorded = _recorded_hashes(public, folder)
    for file, known in public.files.items():
        expected = known or recorded.get(file)
        if expected is not None and tables.hash_file(partial / file) != expected:
            raise ModelError(
                f"{file} of {public.repository} is not the file of before; if that is wanted,"
                f" remove {folder / Path(file).parent} and {folder / tables.MANIFEST} first."
            )
    config, weights = (partial / file for file in public.files)
    networks.read_vq(config, weights)


def _recorded_hashes(public: PublicFiles, folder: Path) -> Mapping[str, str]:
    if not (folder / tables.MANIFEST).is_file():
        return {}
    manifest: Manifest = tables.read_manifest(folder)
    part = manifest.parts.get(public.part)
    return part.files if part is not None and part.kind == public.kind else {}
