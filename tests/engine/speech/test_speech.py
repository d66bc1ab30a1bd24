"""Speech front ends: what they compute, and that they compute it from the surroundings alone."""

from __future__ import annotations

import importlib.util
import json
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from places import ROOT
from safetensors.torch import load_file

from stylesync_engine.request import ModelError
from stylesync_engine.speech import banded_whisper, front_ends
from stylesync_engine.speech import features as features_of
from stylesync_engine.speech import log_mel as log_mel_module
from stylesync_engine.speech import whisper as whisper_module

TOLERANCE = 1e-3
REACH = 85  # steps: sound farther than 3.4 s has no say


def _voice(seconds: float, seed: int = 0) -> features_of.Samples:
    """Buzz with moving formants in syllables and pauses, over faint noise: [S]."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * features_of.SAMPLE_RATE)) / features_of.SAMPLE_RATE
    pitch = 110 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / features_of.SAMPLE_RATE
    formants = [600 + 250 * np.sin(2.9 * time), 1500 + 500 * np.sin(4.3 * time + 1)]
    buzz = np.zeros_like(time)
    for harmonic in range(1, 25):
        distance = [np.abs(harmonic * pitch - formant) / 150 for formant in formants]
        buzz += np.sin(harmonic * phase) * sum(np.exp(-d) for d in distance)
    knots = generator.random(int(seconds * 5) + 2) * (generator.random(int(seconds * 5) + 2) > 0.3)
    envelope = np.interp(time * 5, np.arange(len(knots)), knots)
    sound = 0.1 * buzz * envelope + 0.001 * generator.standard_normal(len(time))
    return sound.astype(np.float32)


@pytest.fixture(scope="module")
def whisper() -> banded_whisper.WhisperBaseFrontEnd:
    front_end = front_ends.load_front_end("whisper-base")
    assert isinstance(front_end, banded_whisper.WhisperBaseFrontEnd)
    return front_end


@pytest.fixture(scope="module")
def reference() -> Any:
    """The first three layers of the same weights in `transformers`' own encoder."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=512, encoder_layers=3, encoder_attention_heads=8, encoder_ffn_dim=2048
    )
    encoder = WhisperEncoder(config).eval()
    weights = load_file(front_ends.shipped_weights("whisper-base"))
    encoder.load_state_dict({n: v.float() for n, v in weights.items()}, strict=False)
    return encoder


@pytest.fixture(scope="module")
def tiny() -> whisper_module.WhisperFrontEnd:
    """The front end that reads windows, of random weights; no folder of ours has it any more."""
    random = torch.Generator().manual_seed(0)
    layer = {"fc1.weight": (1536, 384), "fc1.bias": (1536,), "fc2.weight": (384, 1536)}
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (384, 80, 3),
        "conv1.bias": (384,),
        "conv2.weight": (384, 384, 3),
        "conv2.bias": (384,),
        "embed_positions.weight": (1500, 384),
    }
    for number in range(3):
        for name in whisper_module.LAYER_TENSORS:
            square = (384, 384) if name.endswith("proj.weight") else (384,)
            shapes[f"layers.{number}.{name}"] = layer.get(name, square)
    tensors = {n: 0.03 * torch.randn(size, generator=random) for n, size in shapes.items()}
    return whisper_module.WhisperFrontEnd(tensors)


def _save_ctc(folder: Path) -> Path:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8, 8),
        conv_kernel=(40, 8, 8),
        conv_stride=(20, 4, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ctc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save_ctc(tmp_path_factory.mktemp("ctc model"))


@pytest.fixture(scope="module", params=["windows", "whisper-base", "log-mel", "ctc"])
def front_end(
    request: pytest.FixtureRequest, tiny: whisper_module.WhisperFrontEnd, ctc_folder: Path
) -> features_of.SpeechFrontEnd:
    if request.param == "windows":
        return tiny
    name = f"ctc:{ctc_folder}" if request.param == "ctc" else request.param
    return front_ends.load_front_end(name)


@pytest.fixture(scope="module")
def sound() -> features_of.Samples:
    return _voice(5.0)


@pytest.fixture(scope="module")
def features(
    front_end: features_of.SpeechFrontEnd, sound: features_of.Samples
) -> features_of.Samples:
    return front_end.features(sound)


def _waves() -> torch.Tensor:
    """A window of 30 s for Whisper that anybody can compute: [1, 80, 3000]."""
    band, row = np.arange(80)[:, None], np.arange(3000)[None]
    mel = 0.6 * np.sin(0.13 * band + 0.031 * row) * np.cos(0.0021 * row * (1 + band / 40)) - 0.2
    return torch.from_numpy(mel.astype(np.float32))[None]


def test_layers_equal_those_of_transformers(
    whisper: whisper_module.WhisperFrontEnd, reference: Any
) -> None:
    tokens = 0.5 * torch.randn(2, 1500, 512, generator=torch.Generator().manual_seed(1))
    states = tokens + reference.embed_positions.weight
    with torch.inference_mode():
        for layer in reference.layers[:3]:
            states = layer(states, None)
        kept = whisper.encode(tokens, slice(40, 42))
    torch.testing.assert_close(kept, states[:, 40:42], atol=TOLERANCE, rtol=0)


def test_a_band_is_each_token_s_own_window(
    whisper: banded_whisper.WhisperBaseFrontEnd, reference: Any
) -> None:
    """Layer for layer, against `transformers` on windows that are made one by one: a neighbour's
    state is that of the layer below with the middle's position exchanged for its own."""
    positions = reference.embed_positions.weight
    tokens = 0.5 * torch.randn(120, 512, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        states = tokens + positions[whisper.middle]
        for layer, reach in zip(reference.layers, whisper.reaches, strict=True):
            band = positions[whisper.middle - reach : whisper.middle + reach + 1]
            windows = states.unfold(0, 2 * reach + 1, 1).transpose(1, 2)
            states = layer(windows - positions[whisper.middle] + band, None)[:, reach]
        got = whisper.encode_stream(tokens)
    assert got.shape == (120 - 2 * sum(whisper.reaches), 512)
    torch.testing.assert_close(got, states, atol=TOLERANCE, rtol=0)


def test_whisper_base_reads_no_farther_than_whisper_tiny() -> None:
    reach = sum(banded_whisper.WhisperBaseFrontEnd.reaches)
    assert reach <= whisper_module.WhisperFrontEnd.context + 5


def test_stem_equals_that_of_transformers(
    whisper: whisper_module.WhisperFrontEnd, reference: Any
) -> None:
    rows = _waves()
    with torch.inference_mode():
        tokens = whisper.embed(rows).transpose(1, 2)
        start = reference(rows, output_hidden_states=True).hidden_states[0]
    # Without padding, the first token of `embed` is the reference's second.
    expected = (start - reference.embed_positions.weight)[:, 1 : 1 + tokens.shape[1]]
    torch.testing.assert_close(tokens, expected, atol=TOLERANCE, rtol=0)


def test_log_mel_equals_that_of_whisper() -> None:
    from transformers import WhisperFeatureExtractor

    sound = _voice(2.0)
    expected = WhisperFeatureExtractor()(sound, sampling_rate=16000, return_tensors="np")
    rows = log_mel_module._log_mel(sound, 0, 200, features_of.CPU)
    scaled = (torch.maximum(rows, rows.max() - 8.0) + 4.0) / 4.0
    inside = slice(2, 198)  # Whisper mirrors the ends, here lies silence
    np.testing.assert_allclose(
        scaled.numpy()[inside], expected.input_features[0, :, :200].T[inside], atol=TOLERANCE
    )


def test_levelled_log_mel_equals_scipy() -> None:
    from transformers.audio_utils import mel_filter_bank

    sound = 0.3 * _voice(5.0)
    short_time = scipy.signal.ShortTimeFFT(
        scipy.signal.windows.hann(400, sym=False), hop=160, fs=16000, phase_shift=None
    )
    power = np.abs(short_time.stft(sound, p0=0, p1=500, padding="zeros")) ** 2
    filters = mel_filter_bank(201, 80, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    rows = np.log10(np.maximum(filters.T @ power, 1e-10)).T
    peaks = np.pad(rows.max(1), 300, constant_values=-10).clip(-2.0)
    ease = scipy.signal.windows.hann(103)[1:-1]
    loudest = scipy.ndimage.maximum_filter1d(peaks, 401)
    level = np.convolve(loudest, ease / ease.sum(), "same")[300:-300]
    scaled = (np.maximum(rows - level[:, None], -8.0) + 5.0) / 4.0
    expected = scaled.reshape(125, 2, 2, 80).mean(2).reshape(125, 160)
    features = front_ends.load_front_end("log-mel").features(sound)
    np.testing.assert_allclose(features, expected, atol=TOLERANCE)


@pytest.mark.parametrize("shift", [1, 23])
def test_step_does_not_know_where_the_sound_began(
    front_end: features_of.SpeechFrontEnd,
    sound: features_of.Samples,
    features: features_of.Samples,
    shift: int,
) -> None:
    later = front_end.features(sound[shift * features_of.STEP :])
    assert np.abs(later[REACH:] - features[shift + REACH :]).max() < TOLERANCE


def test_step_does_not_know_where_the_sound_ends(
    front_end: features_of.SpeechFrontEnd, sound: features_of.Samples, features: features_of.Samples
) -> None:
    cut = front_end.features(sound[: 4 * features_of.SAMPLE_RATE + 123])
    near = len(cut) - REACH
    assert near > 10
    assert np.abs(cut[:near] - features[:near]).max() < TOLERANCE


def test_far_sound_has_no_say_and_near_sound_has(
    front_end: features_of.SpeechFrontEnd, sound: features_of.Samples, features: features_of.Samples
) -> None:
    changed = sound.copy()
    changed[: features_of.SAMPLE_RATE] = 0.5 * _voice(1.0, seed=5)
    difference = np.abs(front_end.features(changed) - features).max(1)
    assert difference[:20].max() > 0.02
    assert difference[features_of.FEATURE_RATE + REACH :].max() < TOLERANCE


def test_silence_lies_beyond_the_ends(front_end: features_of.SpeechFrontEnd) -> None:
    sound = _voice(1.0)
    silence = np.zeros(REACH * features_of.STEP, np.float32)
    padded = front_end.features(np.concatenate([silence, sound, silence]))
    assert np.abs(padded[REACH : REACH + 25] - front_end.features(sound)).max() < TOLERANCE


@pytest.mark.slow
def test_minute_three_of_four_equals_its_own_excerpt(
    whisper: whisper_module.WhisperFrontEnd,
) -> None:
    sound = _voice(240.0)
    whole = whisper.features(sound)
    assert whole.shape == (6000, 1024)
    for first in (4211, 4500, 4503):
        excerpt = whisper.features(sound[(first - REACH) * 640 : (first + 100 + REACH) * 640])
        inside = excerpt[REACH:-REACH]
        assert np.abs(inside - whole[first : first + 100]).max() < TOLERANCE


def test_blocks_do_not_show(
    whisper: whisper_module.WhisperFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = _voice(2.0)
    expected = whisper.features(sound)
    monkeypatch.setattr(features_of, "BLOCK_STEPS", 17)
    monkeypatch.setattr(whisper_module, "BATCH_STEPS", 6)
    seen: list[tuple[int, int]] = []
    features = whisper.features(sound, on_block=lambda done, total: seen.append((done, total)))
    assert np.abs(features - expected).max() < TOLERANCE
    assert seen == [(17, 50), (34, 50), (50, 50)]


def test_on_block_may_stop_the_work(whisper: whisper_module.WhisperFrontEnd) -> None:
    def stop(done: int, total: int) -> None:
        raise InterruptedError(f"{done} of {total}")

    with pytest.raises(InterruptedError, match="25 of 25"):
        whisper.features(_voice(1.0), on_block=stop)


@pytest.mark.parametrize(
    ("samples", "steps"), [(0, 0), (1, 1), (639, 1), (640, 1), (641, 2), (16000, 25)]
)
def test_every_begun_step_has_a_row(
    front_end: features_of.SpeechFrontEnd, samples: int, steps: int
) -> None:
    features = front_end.features(_voice(1.0)[:samples])
    assert features.shape == (steps, front_end.dim)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_silence_is_one_vector_and_not_speech(front_end: features_of.SpeechFrontEnd) -> None:
    silence = front_end.features(np.zeros(16000, np.float32))
    assert np.isfinite(silence).all()
    assert np.abs(silence - silence[0]).max() < TOLERANCE
    spoken = front_end.features(_voice(1.0))
    assert np.abs(spoken - silence).max(1).min() > 0.02


def test_samples_that_are_no_numbers_are_silence(whisper: whisper_module.WhisperFrontEnd) -> None:
    sound = _voice(1.0)
    sound[5000:5100] = 0.0
    broken = sound.copy()
    broken[5000:5100] = np.nan
    np.testing.assert_array_equal(whisper.features(broken), whisper.features(sound))


@pytest.mark.parametrize("decibels", [-20, 6])
def test_recording_level_does_not_matter(
    whisper: whisper_module.WhisperFrontEnd, decibels: float
) -> None:
    sound = _voice(2.0)
    change = np.abs(
        whisper.features(sound * np.float32(10 ** (decibels / 20))) - whisper.features(sound)
    )
    assert change.max() < 0.01


def test_noise_floor_is_not_raised_to_the_level_of_speech() -> None:
    noise = 1e-4 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    log_mel = front_ends.load_front_end("log-mel")
    loudest = log_mel.features(_voice(3.0)).max()
    assert log_mel.features(noise).max() < loudest - 0.25  # 10 dB


def test_speech_after_a_long_pause_reads_like_itself(
    whisper: whisper_module.WhisperFrontEnd,
) -> None:
    quiet, loud = np.float32(0.05) * _voice(1.0, seed=3), _voice(1.0, seed=4)
    pause = np.zeros(REACH * features_of.STEP, np.float32)
    features = whisper.features(np.concatenate([loud, pause, quiet]))
    assert np.abs(features[25 + REACH :] - whisper.features(quiet)).max() < TOLERANCE


def test_stereo_is_refused(whisper: whisper_module.WhisperFrontEnd) -> None:
    with pytest.raises(ValueError, match=r"\(2, 640\)"):
        whisper.features(np.zeros((2, 640), np.float32))


MEMORY_PROBE = """
import resource, numpy as np
from stylesync_engine.speech import front_ends as speech
front_end = speech.load_front_end("log-mel")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
sound = np.random.default_rng(0).standard_normal(15 * 60 * 16000, np.float32)
front_end.features(sound[: 30 * 16000])
before = peak()
rows = front_end.features(sound)
print(peak() - before, rows.nbytes >> 20)
"""


def test_memory_does_not_grow_with_the_length() -> None:
    """A quarter of an hour: all of its frames at once would take 270 MB."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY_PROBE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    growth, result = map(int, run.stdout.split())
    assert growth < result + 40


def test_whisper_reads_the_sound_by_blocks(
    whisper: whisper_module.WhisperFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    real: Callable[..., torch.Tensor] = log_mel_module._log_mel

    def watch(
        audio: features_of.Samples, first: int, last: int, device: torch.device
    ) -> torch.Tensor:
        widths.append(last - first)
        return real(audio, first, last, device)

    monkeypatch.setattr(log_mel_module, "_log_mel", watch)
    whisper.features(np.zeros(10 * features_of.SAMPLE_RATE, np.float32))
    assert len(widths) == 2
    assert max(widths) == 800 + 2 * 90 + 2 * 250 + 3


def test_ctc_rows_are_log_probabilities_of_the_step(ctc_folder: Path) -> None:
    """Against the model itself, asked for one window."""
    from transformers import Wav2Vec2ForCTC

    sound = _voice(4.0)
    features = front_ends.load_front_end(f"ctc:{ctc_folder}").features(sound)
    assert features.shape == (100, 24)
    window = sound[(50 - 16) * 640 : (50 + 17) * 640].astype(np.float64)
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    model = Wav2Vec2ForCTC.from_pretrained(ctc_folder)
    with torch.inference_mode():
        logits = model(torch.from_numpy(window[None].astype(np.float32))).logits[0]
    rows = torch.log_softmax(logits, -1).numpy()  # [n, 12]
    centres = (np.arange(len(rows)) + 0.5) * len(window) / len(rows)
    for half, centre in enumerate((16 * 640 + 160, 16 * 640 + 480)):
        expected = [np.interp(centre, centres, column) for column in rows.T]
        np.testing.assert_allclose(
            features[50, 12 * half : 12 * half + 12], expected, atol=TOLERANCE
        )


class _Trap:
    """Its unpickling makes a folder."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self._mark,)


def test_pickled_weights_are_refused_unread(tmp_path: Path) -> None:
    folder = _save_ctc(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "pickle was run"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Trap(mark)))
    with pytest.raises(ModelError, match="pickled weights are refused"):
        front_ends.load_front_end(f"ctc:{folder}")
    assert not mark.exists()


def test_code_beside_a_model_is_not_run(tmp_path: Path) -> None:
    folder = _save_ctc(tmp_path / "model")
    mark = tmp_path / "code was run"
    (folder / "own.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).mkdir()\n")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "own.Config", "AutoModelForCTC": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot be read as a CTC model"):
        front_ends.load_front_end(f"ctc:{folder}")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_damaged_ctc_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = _save_ctc(tmp_path / "model")
    (folder / name).write_bytes(b"\x80\x04damaged")
    with pytest.raises(ModelError, match="cannot be read as a CTC model"):
        front_ends.load_front_end(f"ctc:{folder}")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no folder"):
        front_ends.load_front_end(f"ctc:{tmp_path / 'nowhere'}")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        front_ends.load_front_end("whisper-base", tmp_path / "nowhere.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x80\x04damaged")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        front_ends.load_front_end("whisper-base", damaged)


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(ModelError, match="not those of a Whisper"):
        front_ends.load_front_end("whisper-base", {"conv1.weight": torch.zeros(384, 80, 3)})


def test_unknown_front_end_is_refused() -> None:
    with pytest.raises(ModelError, match="'deepspeech'; choose"):
        front_ends.load_front_end("deepspeech")


def _converter() -> ModuleType:
    path = ROOT / "packaging" / "convert_whisper.py"
    spec = importlib.util.spec_from_file_location("convert_whisper", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_ctranslate2(path: Path, variables: dict[str, np.ndarray[Any, Any]]) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        kind = {"float16": 4, "int16": 2}[value.dtype.name]
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        parts += [text(name), shape, struct.pack("<BI", kind, value.nbytes), value.tobytes()]
    path.write_bytes(b"".join(parts) + struct.pack("<I", 0))


def _one_layer() -> dict[str, np.ndarray[Any, Any]]:
    converter = _converter()
    counter = iter(range(100))
    names = [*converter.STEM_NAMES, *(f"encoder/layer_0/{n}" for n in converter.LAYER_NAMES)]
    variables = {name: np.full((2, 3), next(counter), np.float16) for name in names}
    variables["encoder/num_heads"] = np.array(6, np.int16)
    stacked = "encoder/layer_0/self_attention/linear_0"
    variables[f"{stacked}/weight"] = np.arange(12, dtype=np.float16).reshape(6, 2)
    variables[f"{stacked}/bias"] = np.array([1, 2, 0, 0, 5, 6], np.float16)
    return variables


def test_converter_renames_and_splits(tmp_path: Path) -> None:
    variables = _one_layer()
    _write_ctranslate2(tmp_path / "model.bin", variables)
    converter = _converter()
    tensors = converter.encoder_tensors(converter.read_variables(tmp_path / "model.bin"))
    attention = "layers.0.self_attn"
    assert tensors[f"{attention}.k_proj.weight"].tolist() == [[4, 5], [6, 7]]
    assert tensors[f"{attention}.v_proj.bias"].tolist() == [5, 6]
    assert f"{attention}.k_proj.bias" not in tensors
    expected = variables["encoder/layer_0/ffn/linear_1/weight"]
    np.testing.assert_array_equal(tensors["layers.0.fc2.weight"], expected)
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float16)}


def test_converter_refuses_what_it_would_lose(tmp_path: Path) -> None:
    variables = _one_layer()
    variables["encoder/layer_0/self_attention/linear_0/bias"][2] = 1
    with pytest.raises(SystemExit, match="key projection has a bias"):
        _converter().encoder_tensors(variables)
    (tmp_path / "model.bin").write_bytes(struct.pack("<I", 5))
    with pytest.raises(SystemExit, match="binary version 5"):
        _converter().read_variables(tmp_path / "model.bin")
