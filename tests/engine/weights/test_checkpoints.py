"""Folders of models: what is written comes back, what is damaged or unsafe is refused."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import IDENTITIES, make_face_model, make_parts
from safetensors.torch import load_file, save_file
from torch import nn

from stylesync_engine.models.autoencoder import PaperAutoencoder, StarterAutoencoder
from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.models.renderer import Renderer
from stylesync_engine.request import ModelError, RequestError
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.weights import fetching, loading, networks, table
from stylesync_engine.weights.loading import (
    import_model,
    list_models,
    load_models,
    missing_parts,
    pull_models,
    resolve_device,
    save_models,
    verify_models,
)


@pytest.fixture
def copy(tiny_models: Path, tmp_path: Path) -> Path:
    """The tiny models in a folder that may be spoilt."""
    return Path(shutil.copytree(tiny_models, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / table.MANIFEST
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def relist(folder: Path, part: str, name: str) -> None:
    """List a changed file with the hash that it has now."""
    digest = table.hash_file(folder / name)
    edit(folder, lambda data: data["parts"][part]["files"].update({name: digest}))


def equal_networks(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.allclose(mine[k].float(), theirs[k].float(), atol=1e-3, rtol=1e-3) for k in mine
    )


def assert_one_sentence(error: pytest.ExceptionInfo[ModelError]) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 700


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    given = make_parts()
    given["autoencoder"].encode(torch.randn(2, 3, 32, 32))  # moves BatchNorm's statistics
    samplings = {"good": Sampling("dpmpp", 3, 0.4), "best": Sampling("ddim", 20)}
    settings = ClosedFormSettings(0.7, 0.1)
    save_models(
        tmp_path,
        name="mine",
        **given,
        prediction="epsilon",
        style_reading="none",
        closed_form=settings,
        samplings=samplings,
    )
    models = load_models(str(tmp_path), "cpu")
    for part in ("lip_motion", "autoencoder", "renderer"):
        network = getattr(models, part)
        assert equal_networks(given[part], network)
        assert network.sizes == given[part].sizes
        assert not network.training
        assert all(p.dtype == torch.float32 for p in network.parameters())
    assert models.autoencoder.normalise.num_batches_tracked == 1
    np.testing.assert_array_equal(models.face_model.expression, given["face_model"].expression)
    assert (models.name, models.prediction, models.style_reading) == ("mine", "epsilon", "none")
    assert models.samplings == samplings
    assert models.closed_form == settings
    assert models.front_end.name == "log-mel"


def test_floats_are_stored_in_half_but_never_overflow(tmp_path: Path) -> None:
    given = make_parts()
    given["lip_motion"].speech_std.fill_(1e6)
    with torch.no_grad():
        given["lip_motion"].head[0].weight.fill_(1e5)
    save_models(tmp_path, name="mine", lip_motion=given["lip_motion"])
    tensors = load_file(tmp_path / "lip_motion.safetensors")
    assert tensors["head.2.weight"].dtype == torch.float16
    assert tensors["speech_std"].eq(1e6).all()
    assert tensors["head.0.weight"].eq(1e5).all()


def test_paper_models_come_back_with_their_scale_forced_to_one(tiny_paper_models: Path) -> None:
    config = tiny_paper_models / "vqvae" / networks.VQ_CONFIG
    data = json.loads(config.read_text())
    assert data["_class_name"] == "VQModel"
    models = load_models(str(tiny_paper_models), "cpu")
    assert isinstance(models.autoencoder, PaperAutoencoder)
    assert models.autoencoder.vq.config["scaling_factor"] == 1.0
    assert models.samplings["best"] == Sampling("ddim", 200, 1.0)
    assert (models.prediction, models.style_reading) == ("epsilon", "network")
    latents = models.autoencoder.encode(torch.zeros(1, 3, 64, 64))
    assert latents.shape == (1, 3, 16, 16)
    assert models.autoencoder.decode(latents).shape == (1, 3, 64, 64)


def test_a_config_without_scale_does_not_get_that_of_stable_diffusion(
    tiny_paper_models: Path, tmp_path: Path
) -> None:
    vq = Path(shutil.copytree(tiny_paper_models / "vqvae", tmp_path / "vq"))
    data = json.loads((vq / networks.VQ_CONFIG).read_text())
    del data["scaling_factor"]
    (vq / networks.VQ_CONFIG).write_text(json.dumps(data))
    network = networks.read_vq(vq / networks.VQ_CONFIG, vq / networks.VQ_WEIGHTS)
    assert network.vq.config["scaling_factor"] == 1.0


def test_attention_names_of_old_files_are_understood(
    tiny_paper_models: Path, tmp_path: Path
) -> None:
    weights = load_file(tiny_paper_models / "vqvae" / networks.VQ_WEIGHTS)
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, value in weights.items():
        for new, before in names.items():
            name = name.replace(f".{new}.", f".{before}.")
        old[name] = value
    assert sum(".proj_attn." in name for name in old) > 0
    save_file(old, tmp_path / "old.safetensors")
    config = tiny_paper_models / "vqvae" / networks.VQ_CONFIG
    one = networks.read_vq(config, tmp_path / "old.safetensors")
    assert equal_networks(one, networks.read_vq(config, config.with_name(networks.VQ_WEIGHTS)))


def test_the_fingerprint_follows_weights_and_settings(copy: Path, tmp_path: Path) -> None:
    first = load_models(str(copy), "cpu").fingerprint
    assert len(first) == 64
    moved = Path(shutil.copytree(copy, tmp_path / "elsewhere"))
    assert load_models(str(moved), "cpu").fingerprint == first
    save_models(copy, name="tiny", closed_form=ClosedFormSettings(2.0, 0.3))
    second = load_models(str(copy), "cpu").fingerprint
    save_models(copy, name="tiny", face_model=make_face_model(IDENTITIES + 1))
    assert len({first, second, load_models(str(copy), "cpu").fingerprint}) == 3


def test_verify_names_the_damaged_file(copy: Path) -> None:
    assert [row["ok"] for row in verify_models(str(copy))] == [True] * 4
    (copy / "renderer.safetensors").write_bytes(b"damaged")
    wrong = [row for row in verify_models(str(copy)) if not row["ok"]]
    assert [Path(row["file"]).name for row in wrong] == ["renderer.safetensors"]


def spoil_byte(folder: Path) -> None:
    path = folder / "renderer.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def remove_file(folder: Path) -> None:
    (folder / "lip_motion.safetensors").unlink()


def exchange_kinds(folder: Path) -> None:
    shutil.copy(folder / "autoencoder.safetensors", folder / "renderer.safetensors")
    relist(folder, "renderer", "renderer.safetensors")


def add_tensor(folder: Path) -> None:
    rewrite(folder, lambda tensors, _: tensors.update(foreign=torch.zeros(1)))


def drop_tensor(folder: Path) -> None:
    rewrite(folder, lambda tensors, _: tensors.pop("enter.weight"))


def change_sizes(folder: Path) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        sizes = json.loads(metadata["sizes"])
        metadata["sizes"] = json.dumps({**sizes, "widths": [16, 64]})

    rewrite(folder, change)


def foreign_size(folder: Path) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["sizes"] = json.dumps({**json.loads(metadata["sizes"]), "depth": 3})

    rewrite(folder, change)


def size_of_wrong_type(folder: Path) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["sizes"] = json.dumps({**json.loads(metadata["sizes"]), "code": "32"})

    rewrite(folder, change)


def heads_that_do_not_divide(folder: Path) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["sizes"] = json.dumps({**json.loads(metadata["sizes"]), "heads": 5})

    rewrite(folder, change, "lip_motion")


def pickle_by_name(folder: Path) -> None:
    shutil.copy(folder / "renderer.safetensors", folder / "renderer.pt")
    digest = table.hash_file(folder / "renderer.pt")
    edit(folder, lambda data: data["parts"]["renderer"].update(files={"renderer.pt": digest}))


def pickle_in_disguise(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, folder / "renderer.safetensors")
    relist(folder, "renderer", "renderer.safetensors")


def path_outside(folder: Path) -> None:
    shutil.copy(folder / "renderer.safetensors", folder.parent / "renderer.safetensors")
    digest = table.hash_file(folder / "renderer.safetensors")
    outside = {"../renderer.safetensors": digest}
    edit(folder, lambda data: data["parts"]["renderer"].update(files=outside))


def link_outside(folder: Path) -> None:
    shutil.move(folder / "renderer.safetensors", folder.parent / "renderer.safetensors")
    (folder / "renderer.safetensors").symlink_to(folder.parent / "renderer.safetensors")


def drop_part(folder: Path) -> None:
    edit(folder, lambda data: data["parts"].pop("renderer"))


def unknown_part(folder: Path) -> None:
    edit(folder, lambda data: data["parts"].update(vocoder=data["parts"]["renderer"]))


def unknown_front_end(folder: Path) -> None:
    edit(folder, lambda data: data["parts"]["speech"].update(kind="deep-speech"))


def newer_format(folder: Path) -> None:
    edit(folder, lambda data: data.update(format=99))


def no_json(folder: Path) -> None:
    (folder / table.MANIFEST).write_text("{")


def a_list(folder: Path) -> None:
    (folder / table.MANIFEST).write_text("[]")


def unknown_setting(folder: Path) -> None:
    edit(folder, lambda data: data["settings"].update(prediction="velocity"))


def no_samplings(folder: Path) -> None:
    edit(folder, lambda data: data["settings"].pop("samplings"))


def more_identity_than_faces(folder: Path) -> None:
    make_face_model(IDENTITIES - 1).save(folder / "face_model.safetensors")
    relist(folder, "face_model", "face_model.safetensors")


def face_of_few_points(folder: Path) -> None:
    face = make_face_model()
    few = {name: getattr(face, name)[:, :68] for name in ("identity", "expression")}
    dataclasses.replace(face, mean=face.mean[:68], support=face.support[:68], **few).save(
        folder / "face_model.safetensors"
    )
    relist(folder, "face_model", "face_model.safetensors")


def other_latents(folder: Path) -> None:
    sizes = dataclasses.replace(make_parts()["autoencoder"].sizes, latent_channels=8)
    save_models(folder, name="tiny", autoencoder=StarterAutoencoder(sizes))


def rewrite(
    folder: Path,
    change: Callable[[dict[str, torch.Tensor], dict[str, str]], object],
    part: str = "renderer",
) -> None:
    path = folder / f"{part}.safetensors"
    tensors, metadata = load_file(path), dict(networks._metadata(path))
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)
    relist(folder, part, path.name)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_byte, "is not the file"),
        (remove_file, "missing"),
        (exchange_kinds, "is autoencoder, not renderer"),
        (add_tensor, "does not hold the tensors"),
        (drop_tensor, "does not hold the tensors"),
        (change_sizes, "does not hold the tensors"),
        (foreign_size, "does not say its sizes"),
        (size_of_wrong_type, "code must be a whole number"),
        (heads_that_do_not_divide, "no lip-motion can be built"),
        (pickle_by_name, "pickle"),
        (pickle_in_disguise, "cannot be read as safetensors"),
        (path_outside, "outside"),
        (link_outside, "outside"),
        (drop_part, "still lack renderer"),
        (unknown_part, "vocoder"),
        (unknown_front_end, "no speech front end"),
        (newer_format, "format 99"),
        (no_json, "cannot be read"),
        (a_list, "no table of models"),
        (unknown_setting, "velocity"),
        (no_samplings, "lacks valid settings"),
        (more_identity_than_faces, "5 identity components where 6"),
        (face_of_few_points, "468"),
        (other_latents, "8 latent channels where 4"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(
    copy: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(copy)
    with pytest.raises(ModelError, match=says) as error:
        load_models(str(copy), "cpu")
    assert_one_sentence(error)


def test_a_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.ckpt")
    with pytest.raises(ModelError, match=r"model\.ckpt, a pickle"):
        load_models(str(tmp_path), "cpu")


def test_unknown_models_say_where_they_were_looked_for(own_models: Path) -> None:
    with pytest.raises(ModelError, match="no models 'nobody'"):
        load_models("nobody", "cpu")
    with pytest.raises(ModelError, match="models pull paper"):
        load_models("paper", "cpu")


@pytest.mark.parametrize("name", ["../../x", "..", "../x", "a/../../x", "./../x", "~nobody/../x"])
def test_a_name_leads_out_of_no_directory(
    name: str, tiny_models: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither to read from, nor to write to."""
    for place in (own_models.parent / "x", own_models.parent.parent / "x"):
        shutil.copytree(tiny_models, place, dirs_exist_ok=True)
    (own_models / "a").mkdir(parents=True)
    elsewhere = tmp_path / "one" / "two" / "three"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(ModelError, match="no models"):
        table.find_folder(name)
    with pytest.raises(ModelError):
        table.plain_name(name)
    with pytest.raises(ModelError):
        pull_models(name)


def test_a_table_changed_together_with_its_weights_is_another_one(
    copy: Path, tmp_path: Path
) -> None:
    """Its hashes fit, so that it can be loaded; it is never taken for what it was."""
    before = load_models(str(copy), "cpu")
    save_models(tmp_path / "speaker", name="speaker", base=str(copy), renderer=before.renderer)
    with torch.no_grad():
        next(before.lip_motion.parameters()).add_(1)
    save_models(copy, name="tiny", lip_motion=before.lip_motion)
    assert all(row["ok"] for row in verify_models(str(copy)) if "ok" in row)
    assert load_models(str(copy), "cpu").fingerprint != before.fingerprint
    with pytest.raises(ModelError, match="adapted from other weights"):
        load_models(str(tmp_path / "speaker"), "cpu")


def test_models_of_the_users_directory_are_found_by_name(
    tiny_models: Path, own_models: Path
) -> None:
    shutil.copytree(tiny_models, own_models / "house")
    assert load_models("house", "cpu").folder == own_models / "house"


def test_an_adapted_folder_takes_the_rest_from_its_base(copy: Path, tmp_path: Path) -> None:
    base = load_models(str(copy), "cpu")
    adapted = Renderer(base.renderer.sizes)
    folder = tmp_path / "speaker"
    save_models(folder, name="speaker", base=str(copy), renderer=adapted)
    assert sorted(p.name for p in folder.iterdir()) == ["models.json", "renderer.safetensors"]
    models = load_models(str(folder), "cpu")
    assert equal_networks(models.renderer, adapted)
    assert equal_networks(models.lip_motion, base.lip_motion)
    assert models.samplings == base.samplings
    assert models.fingerprint != base.fingerprint
    edit(folder, lambda data: data["base"].update(models="../copy"))
    assert load_models(str(folder), "cpu").fingerprint == models.fingerprint


def test_an_adapted_folder_refuses_a_changed_or_layered_base(copy: Path, tmp_path: Path) -> None:
    save_models(tmp_path / "one", name="one", base=str(copy), lip_motion=make_parts()["lip_motion"])
    with pytest.raises(ModelError, match="builds on other models itself"):
        save_models(tmp_path / "two", name="two", base=str(tmp_path / "one"))
    assert not (tmp_path / "two" / table.MANIFEST).exists()
    save_models(copy, name="tiny", closed_form=ClosedFormSettings(3.0, 1.0))
    with pytest.raises(ModelError, match="adapted from other weights"):
        load_models(str(tmp_path / "one"), "cpu")


def test_weights_of_the_starter_s_speech_front_end_travel_with_the_folder(tmp_path: Path) -> None:
    from stylesync_engine.speech.front_ends import load_front_end

    front_end = load_front_end("whisper-base")
    save_models(tmp_path, name="mine", front_end=front_end)
    assert (tmp_path / "whisper_base_encoder.LICENSE").is_file()
    located, _ = table.effective(table.read_manifest(tmp_path))
    read = loading._read_front_end(located["speech"], torch.device("cpu"))
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    np.testing.assert_array_equal(read.features(sound), front_end.features(sound))
    assert missing_parts(str(tmp_path)) == ["face_model", "lip_motion", "autoencoder", "renderer"]


def test_files_can_be_read_by_a_whole_farm(tiny_models: Path) -> None:
    assert {path.stat().st_mode & 0o044 for path in tiny_models.iterdir()} == {0o044}


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(RequestError, match="cuda:63"):
        resolve_device("cuda:63")
    with pytest.raises(RequestError, match="no device 'tpu'"):
        resolve_device("tpu")
    if not torch.backends.mps.is_available():
        with pytest.raises(RequestError, match="mps"):
            resolve_device("mps")


def test_autocast_computes_in_the_device_s_type(tiny_models: Path) -> None:
    models = load_models(str(tiny_models), "cpu")
    with models.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == models.dtype


def test_the_list_counts_parameters(tiny_models: Path, own_models: Path) -> None:
    shutil.copytree(tiny_models, own_models / "house")
    rows = {row["name"]: row for row in list_models()}
    assert list(rows) == ["starter", "paper", "house"]
    house = load_models("house", "cpu")
    assert rows["house"]["here"] is True
    numbers = sum(v.numel() for v in house.renderer.state_dict().values())
    assert rows["house"]["renderer"] == numbers
    paper = rows["paper"]
    assert paper["here"] is False
    # The published figures: a U-Net of 274 M, to which the appearance encoder comes on top;
    # latent-diffusion's f = 4 autoencoder has 55 M.
    unet = paper["renderer"] - count_appearance()
    assert 260e6 < unet < 300e6
    assert 55e6 < paper["autoencoder"] < 56e6
    assert 8e6 < paper["lip_motion"] < 12e6


def count_appearance() -> int:
    from stylesync_engine.models.renderer import PAPER_SIZES

    with torch.device("meta"):
        return sum(p.numel() for p in Renderer(PAPER_SIZES).appearance.parameters())


@pytest.fixture
def mirror(tiny_paper_models: Path, tmp_path: Path) -> Path:
    """A folder in the hub's layout."""
    shutil.copytree(tiny_paper_models / "vqvae", tmp_path / "mirror" / "vqvae")
    return tmp_path / "mirror"


def test_pulling_from_a_folder(mirror: Path, own_models: Path) -> None:
    folder = pull_models("paper", str(mirror))
    assert folder == own_models / "paper"
    assert missing_parts("paper") == ["face_model", "speech", "lip_motion", "renderer"]
    with pytest.raises(ModelError, match="still lack face_model, speech, lip_motion, renderer"):
        load_models("paper", "cpu")
    assert [row["ok"] for row in verify_models("paper")] == [True, True]
    assert pull_models("paper", str(mirror)) == folder
    assert sorted(p.name for p in folder.iterdir()) == ["models.json", "vqvae"]


def test_a_pulled_folder_dubs_once_the_trained_parts_are_there(
    mirror: Path, own_models: Path
) -> None:
    folder = pull_models("paper", str(mirror))
    trained = make_parts(paper=True)
    del trained["autoencoder"]
    save_models(folder, name="paper", **trained)
    models = load_models("paper", "cpu")
    assert models.prediction == "epsilon"
    assert models.samplings["best"] == Sampling("ddim", 200, 1.0)


def test_a_file_that_changed_since_the_first_pull_is_refused(
    mirror: Path, own_models: Path
) -> None:
    folder = pull_models("paper", str(mirror))
    before = (folder / "vqvae" / networks.VQ_WEIGHTS).read_bytes()
    path = mirror / "vqvae" / networks.VQ_WEIGHTS
    save_file({k: v + 1 for k, v in load_file(path).items()}, path)
    with pytest.raises(ModelError, match="not the file of before"):
        pull_models("paper", str(mirror))
    assert (folder / "vqvae" / networks.VQ_WEIGHTS).read_bytes() == before


def test_a_published_hash_is_held_against_the_fetched_file(
    mirror: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = fetching.PUBLIC["paper"]
    files = dict.fromkeys(public.files, "0" * 64)
    monkeypatch.setitem(fetching.PUBLIC, "paper", dataclasses.replace(public, files=files))
    with pytest.raises(ModelError, match="not the file of before"):
        pull_models("paper", str(mirror))


def test_pulled_pickles_and_foreign_networks_are_refused(mirror: Path, own_models: Path) -> None:
    weights = mirror / "vqvae" / networks.VQ_WEIGHTS
    weights.rename(mirror / "vqvae" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="pickle"):
        pull_models("paper", str(mirror))
    save_file({"a": torch.zeros(1)}, weights)
    with pytest.raises(ModelError, match="does not hold the tensors"):
        pull_models("paper", str(mirror))
    with pytest.raises(ModelError, match=r"no vqvae/config\.json"):
        pull_models("paper", str(mirror / "empty"))


def test_pulling_without_network_is_one_sentence(own_models: Path) -> None:
    with pytest.raises(ModelError, match="cannot be fetched") as error:
        pull_models("paper")
    assert_one_sentence(error)
    with pytest.raises(ModelError, match="nothing to fetch for 'starter'"):
        pull_models("starter")


@pytest.fixture
def address(mirror: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pulling_from_an_address(mirror: Path, address: str, own_models: Path) -> None:
    folder = pull_models("paper", address + "/")
    for name in (networks.VQ_CONFIG, networks.VQ_WEIGHTS):
        assert (folder / "vqvae" / name).read_bytes() == (mirror / "vqvae" / name).read_bytes()
    shutil.rmtree(own_models)
    (mirror / "vqvae" / networks.VQ_WEIGHTS).unlink()
    with pytest.raises(ModelError, match="404"):
        pull_models("paper", address)


def test_the_hub_is_asked_for_safetensors_of_the_published_repository(
    mirror: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, file: str, *, revision: str, local_dir: Path) -> str:
        asked.append((repository, file, revision))
        shutil.copy(mirror / file, Path(local_dir) / file)
        return str(Path(local_dir) / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    pull_models("paper")
    assert asked == [
        ("CompVis/ldm-celebahq-256", "vqvae/config.json", "main"),
        ("CompVis/ldm-celebahq-256", "vqvae/diffusion_pytorch_model.safetensors", "main"),
    ]


def test_importing_parts_fills_the_paper_folder(tiny_paper_models: Path, own_models: Path) -> None:
    import_model("vq", str(tiny_paper_models / "vqvae"))
    for name in ("face_model", "lip_motion", "renderer"):
        folder = import_model("part", str(tiny_paper_models / f"{name}.safetensors"))
    assert folder == own_models / "paper"
    assert missing_parts("paper") == ["speech"]
    save_models(folder, name="paper", front_end=make_parts()["front_end"])
    source = load_models(str(tiny_paper_models), "cpu")
    models = load_models("paper", "cpu")
    assert equal_networks(models.renderer, source.renderer)
    assert equal_networks(models.autoencoder, source.autoencoder)
    assert models.prediction == "epsilon"


def test_importing_a_ctc_model(own_models: Path, tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        vocab_size=5,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    transformers.Wav2Vec2ForCTC(config).save_pretrained(tmp_path / "ctc")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "ctc")
    folder = import_model("ctc", str(tmp_path / "ctc"))
    shutil.rmtree(tmp_path / "ctc")
    located, _ = table.effective(table.read_manifest(folder))
    front_end = loading._read_front_end(located["speech"], torch.device("cpu"))
    assert front_end.dim == 10
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="pickle"):
        import_model("ctc", str(tmp_path / "bad"))


def test_importing_a_whole_folder(copy: Path, own_models: Path, tmp_path: Path) -> None:
    (copy / "REPORT.md").write_text("how it was trained")
    (copy / "stray.bin").write_bytes(b"x")
    folder = import_model("models", str(copy))
    assert folder == own_models / "tiny"
    assert (folder / "REPORT.md").is_file()
    assert not (folder / "stray.bin").exists()
    assert load_models("tiny", "cpu").fingerprint == load_models(str(copy), "cpu").fingerprint
    with pytest.raises(ModelError, match="there already"):
        import_model("models", str(copy))
    edit(copy, lambda data: data.update(name="../elsewhere"))
    with pytest.raises(ModelError, match="cannot be called"):
        import_model("models", str(copy))


def test_import_refuses_what_it_does_not_know(copy: Path, own_models: Path) -> None:
    with pytest.raises(ModelError, match="no kind 'onnx'"):
        import_model("onnx", str(copy))
    with pytest.raises(ModelError, match="There is no"):
        import_model("bfm", str(copy / "nothing.mat"))
    with pytest.raises(ModelError, match="no safetensors file"):
        import_model("part", str(copy / table.MANIFEST))
    assert not own_models.exists()


def test_networks_are_built_without_foreign_code(tiny_models: Path) -> None:
    models = load_models(str(tiny_models), "cpu")
    assert type(models.lip_motion) is LipMotionNetwork
    assert type(models.autoencoder) is StarterAutoencoder
