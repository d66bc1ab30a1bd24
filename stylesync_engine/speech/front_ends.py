"""Speech front ends: mono sound -> one feature vector per 1/25 s.

Every front end is *local*: the vector of a step is a function of the sound within a fixed distance
around that step and of nothing else. There are no chunks, no clip-wide statistics, and beyond the
ends of the file lies silence. Hence a shifted or cut sound gives the same vectors, shifted, and
memory does not grow with the length.

Whisper's own reading is not local: it sees fixed windows of 30 s, scaled by their loudest moment.
Here each step gets a window of its own, scaled by the level of its surroundings. What that costs is
paid back in part: the convolutions, which do not know where they are, run once over the sound, and
the last layer is computed for the rows that are kept alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.request import ModelError

Samples = NDArray[np.float32]
OnBlock = Callable[[int, int], None]


CPU: Final = torch.device("cpu")


def exact_div(whole: int, part: int) -> int:
    quotient, rest = divmod(whole, part)
    if rest:
        raise ValueError(f"{whole} is not a multiple of {part}")
    return quotient


SAMPLE_RATE: Final = 16000  # Hz
FEATURE_RATE: Final = 25  # Hz, stage 1's clock
STEP: Final = exact_div(SAMPLE_RATE, FEATURE_RATE)  # samples of one feature row
MEL_BANDS: Final = 80
FFT_SIZE: Final = 400  # samples: 25 ms
MEL_HOP: Final = 160  # samples: 10 ms
ROWS_PER_STEP: Final = exact_div(STEP, MEL_HOP)
TOKENS_PER_STEP: Final = exact_div(ROWS_PER_STEP, 2)  # the stem's second convolution strides by 2
ROW_RATE: Final = exact_div(SAMPLE_RATE, MEL_HOP)  # Hz

LOG_RANGE: Final = 8.0  # log10 of power kept below the level, as Whisper keeps it
SPEECH_LEVEL: Final = 1.0  # log10 mel power to which the level is brought: speech at a usual volume
MOST_GAIN: Final = 3.0  # log10 of power (30 dB): fainter sound stays faint, silence stays silent
LEVEL_REACH: Final = 2 * ROW_RATE  # rows to either side that set the level
LEVEL_EASE: Final = ROW_RATE // 2  # rows to either side over which the level glides
LEVEL_MARGIN: Final = LEVEL_REACH + LEVEL_EASE

BLOCK_STEPS: Final = 8 * FEATURE_RATE  # steps whose sound and rows are in memory together
BATCH_STEPS: Final = 25  # windows per pass of a network

STARTER_WHISPER: Final = (
    Path(__file__).parents[1] / "weights" / "starter" / "whisper_tiny_en_encoder.safetensors"
)
STEM_TENSORS: Final = frozenset(
    {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "embed_positions.weight"}
)
LAYER_TENSORS: Final = (
    "self_attn_layer_norm.weight",
    "self_attn_layer_norm.bias",
    "self_attn.q_proj.weight",
    "self_attn.q_proj.bias",
    "self_attn.k_proj.weight",
    "self_attn.v_proj.weight",
    "self_attn.v_proj.bias",
    "self_attn.out_proj.weight",
    "self_attn.out_proj.bias",
    "final_layer_norm.weight",
    "final_layer_norm.bias",
    "fc1.weight",
    "fc1.bias",
    "fc2.weight",
    "fc2.bias",
)


class SpeechFrontEnd(Protocol):
    """`name` travels in checkpoints; `dim` is D."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        """Mono sound [S] at 16 kHz in [-1, 1] -> float32 [T25, D], T25 = ceil(S / 640).

        Row t belongs to the samples [640 t, 640 (t + 1)). `on_block(done, total)` counts steps
        and may raise to stop.
        """
        ...


def load_front_end(
    name: str,
    weights: Mapping[str, Tensor] | Path | None = None,
    device: torch.device = CPU,
) -> SpeechFrontEnd:
    """The front end called `whisper-tiny.en`, `log-mel` or `ctc:FOLDER`.

    `weights` are the Whisper encoder's tensors or their safetensors file (the starter's when
    None); the others take none. Raises ModelError for an unknown name or unusable weights.
    """
    if name == WhisperFrontEnd.name:
        tensors = weights if isinstance(weights, Mapping) else _read_tensors(weights)
        return WhisperFrontEnd(tensors, device)
    if name == LogMelFrontEnd.name:
        return LogMelFrontEnd(device)
    if name.startswith("ctc:"):
        return CtcFrontEnd(Path(name.removeprefix("ctc:")), device)
    raise ModelError(
        f"There is no speech front end '{name}'; choose whisper-tiny.en, log-mel or ctc:FOLDER."
    )


def count_steps(samples: int) -> int:
    """Feature rows of a sound of `samples` samples; the last one may be partly silence."""
    return -(-samples // STEP)


class LogMelFrontEnd:
    """The plain baseline: 80 mel bands, two rows of 20 ms a step, D = 160."""

    name: Final = "log-mel"
    dim: Final = TOKENS_PER_STEP * MEL_BANDS

    def __init__(self, device: torch.device = CPU) -> None:
        self._device = device

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        return _by_blocks(audio, self.dim, self._read_block, on_block)

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        rows = _levelled_mel(audio, first * ROWS_PER_STEP, last * ROWS_PER_STEP, self._device)
        pairs = rows.view(-1, 2, MEL_BANDS).mean(1)  # [2 steps, 80]
        return pairs.reshape(last - first, self.dim)


class WhisperFrontEnd:
    """States after the third of Whisper tiny.en's four encoder layers, two tokens a step: D = 768.

    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.

    The context was chosen by a linear probe that names the word spoken at a step (51 words of
    GRID; trained on s1 s2 s4 s5, read on s33; words only, silence apart): windows of 30 s 48.5 %,
    contexts of 0.5 s 47.7 %, 0.8 s 49.3 %, 1.2 s 48.8 %; log-mel 11.0 %. A second of sound takes
    0.11 s on two cores.
    """

    name: Final = "whisper-tiny.en"
    layers: Final = 3
    heads: Final = 6
    width: Final = 384
    dim: Final = TOKENS_PER_STEP * width
    context: Final = 40  # tokens (20 ms) to either side of the step

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device = CPU) -> None:
        if not self._fits(tensors):
            raise ModelError(
                "The weights are not those of a Whisper tiny.en encoder; convert them with"
                " packaging/convert_whisper.py."
            )
        self._device = device
        self._weights = {key: value.to(device, torch.float32) for key, value in tensors.items()}

    def _fits(self, tensors: Mapping[str, Tensor]) -> bool:
        layers = range(self.layers)
        needed = {f"layers.{layer}.{name}" for layer in layers for name in LAYER_TENSORS}
        if not needed | STEM_TENSORS <= tensors.keys():
            return False
        return tuple(tensors["conv1.weight"].shape) == (self.width, MEL_BANDS, 3)

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        return _by_blocks(audio, self.dim, self._read_block, on_block)

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        tokens = self._stem(
            audio,
            first * TOKENS_PER_STEP - self.context,
            last * TOKENS_PER_STEP + self.context,
        )
        span = TOKENS_PER_STEP + 2 * self.context
        windows = tokens.unfold(0, span, TOKENS_PER_STEP).transpose(1, 2)  # [steps, span, 384]
        kept = slice(self.context, self.context + TOKENS_PER_STEP)
        states = [self.encode(batch, kept) for batch in torch.split(windows, BATCH_STEPS)]
        return torch.cat(states).reshape(last - first, self.dim)

    def _stem(self, audio: Samples, first: int, last: int) -> Tensor:
        """Tokens `[first, last)` of the sound -> [tokens, 384]; token j lies at sample 320 j."""
        rows = _levelled_mel(audio, 2 * first - 2, 2 * last + 1, self._device)
        return self.embed(rows.T[None])[0].T

    def embed(self, rows: Tensor) -> Tensor:
        """Mel rows [N, 80, R] -> tokens [N, 384, (R - 3) // 2], no padding at the ends."""
        weights = self._weights
        rows = F.gelu(F.conv1d(rows, weights["conv1.weight"], weights["conv1.bias"]))
        return F.gelu(F.conv1d(rows, weights["conv2.weight"], weights["conv2.bias"], stride=2))

    def encode(self, windows: Tensor, kept: slice) -> Tensor:
        """Tokens [N, W, 384] -> states [N, kept, 384] after the third layer."""
        states = windows + self._weights["embed_positions.weight"][: windows.shape[1]]
        for layer in range(self.layers - 1):
            states = self._layer(layer, states, slice(None))
        return self._layer(self.layers - 1, states, kept)

    def _layer(self, layer: int, states: Tensor, kept: slice) -> Tensor:
        """One pre-norm layer, [N, W, 384] -> [N, kept, 384]."""
        prefix = f"layers.{layer}."
        normed = self._norm(states, f"{prefix}self_attn_layer_norm")
        query = self._split_heads(self._linear(normed[:, kept], f"{prefix}self_attn.q_proj"))
        key = self._split_heads(self._linear(normed, f"{prefix}self_attn.k_proj"))
        value = self._split_heads(self._linear(normed, f"{prefix}self_attn.v_proj"))
        mixed = F.scaled_dot_product_attention(query, key, value)  # [N, 6, kept, 64]
        mixed = mixed.transpose(1, 2).flatten(2)
        states = states[:, kept] + self._linear(mixed, f"{prefix}self_attn.out_proj")
        hidden = self._linear(self._norm(states, f"{prefix}final_layer_norm"), f"{prefix}fc1")
        return states + self._linear(F.gelu(hidden), f"{prefix}fc2")

    def _split_heads(self, rows: Tensor) -> Tensor:
        """[N, W, 384] -> [N, 6, W, 64]."""
        return rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)

    def _linear(self, rows: Tensor, name: str) -> Tensor:
        return F.linear(rows, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _norm(self, rows: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return F.layer_norm(rows, (self.width,), weight, bias)


class CtcFrontEnd:
    """Character log-probabilities of a CTC model, two rows of 20 ms a step: D = 2 x characters.

    The modern stand-in for the paper's DeepSpeech logits. Each step is read from a window of its
    own, so a large model wants a GPU.
    """

    context: Final = 16  # steps to either side: 0.64 s

    def __init__(self, folder: Path, device: torch.device = CPU) -> None:
        self.name = f"ctc:{folder}"
        self._model, self._extractor = _load_ctc(folder)
        self._model.to(device).eval()
        self._device = device
        self.dim = TOKENS_PER_STEP * int(self._model.config.vocab_size)

    def features(self, audio: Samples, *, on_block: OnBlock | None = None) -> Samples:
        return _by_blocks(audio, self.dim, self._read_block, on_block)

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        sound = _excerpt(audio, (first - self.context) * STEP, (last + self.context) * STEP)
        span = (1 + 2 * self.context) * STEP
        windows = np.lib.stride_tricks.sliding_window_view(sound, span)[::STEP]
        batches = [windows[i : i + BATCH_STEPS] for i in range(0, len(windows), BATCH_STEPS)]
        return torch.cat([self._read_windows(batch) for batch in batches])

    def _read_windows(self, windows: Samples) -> Tensor:
        """Sound [N, span] -> log-probabilities of the middle step [N, D]."""
        inputs = self._extractor(list(windows), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        logits = self._model(**inputs.to(self._device)).logits.float()
        rows = torch.log_softmax(logits, dim=-1)  # [N, n, V]
        return torch.cat([_row_at(rows, place) for place in self._places()], dim=1)

    def _places(self) -> list[float]:
        """Centres of the step's rows, as fractions of the window."""
        return [
            (self.context + (i + 0.5) / TOKENS_PER_STEP) / (1 + 2 * self.context)
            for i in range(TOKENS_PER_STEP)
        ]


def _row_at(rows: Tensor, place: float) -> Tensor:
    """The row of [N, n, V] whose centre lies at `place` of the window, linear in between."""
    position = place * rows.shape[1] - 0.5
    before = max(0, min(math.floor(position), rows.shape[1] - 1))
    after = min(before + 1, rows.shape[1] - 1)
    return torch.lerp(rows[:, before], rows[:, after], position - before)


def _load_ctc(folder: Path) -> tuple[Any, Any]:
    if not folder.is_dir():
        raise ModelError(f"There is no folder '{folder}'; give the folder of a saved CTC model.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"'{folder}' has no safetensors weights, and pickled weights are refused because"
            " they can run code; save the model again as safetensors."
        )
    import transformers

    library: Any = transformers  # loads its parts lazily and is only partly typed
    try:
        model = library.AutoModelForCTC.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        extractor = library.AutoFeatureExtractor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises what its many parts raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"'{folder}' cannot be read as a CTC model ({reason}); give a folder with"
            " config.json, preprocessor_config.json and model.safetensors."
        ) from error
    return model, extractor


def _read_tensors(path: Path | None) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = path or STARTER_WHISPER
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The speech weights '{path}' cannot be read as safetensors; install them again."
        ) from error


def _by_blocks(
    audio: Samples,
    dim: int,
    read_block: Callable[[Samples, int, int], Tensor],
    on_block: OnBlock | None,
) -> Samples:
    """[S] -> [T25, dim], with the rows of `read_block(audio, first, last)` for a block of steps."""
    if audio.ndim != 1:
        raise ValueError(f"audio must be mono, [S]; its shape is {audio.shape}")
    total = count_steps(len(audio))
    features = np.empty((total, dim), np.float32)
    for first in range(0, total, BLOCK_STEPS):
        last = min(first + BLOCK_STEPS, total)
        with torch.inference_mode():
            features[first:last] = read_block(audio, first, last).cpu().numpy()
        if on_block is not None:
            on_block(last, total)
    return features


def _excerpt(audio: Samples, start: int, end: int) -> Samples:
    """Samples `[start, end)`; silence beyond the ends and where a sample is not a number."""
    inside = np.asarray(audio[max(start, 0) : max(end, 0)], np.float32)
    left = max(0, min(-start, end - start))
    padded = np.pad(inside, (left, end - start - left - len(inside)))
    return np.nan_to_num(padded, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _levelled_mel(audio: Samples, first: int, last: int, device: torch.device) -> Tensor:
    """Log-mel rows `[first, last)` -> [rows, 80], scaled as Whisper's; row r lies at sample 160 r.

    The level is the loudest band within 2 s, gliding; it is brought to that of usual speech by at
    most 30 dB up (any amount down), so quiet recordings read like loud ones and noise floors
    do not.
    """
    rows = _log_mel(audio, first - LEVEL_MARGIN, last + LEVEL_MARGIN, device)
    peaks = rows.amax(1)[None, None]  # [1, 1, rows + 2 margins]
    loudest = F.max_pool1d(peaks.clamp_min(SPEECH_LEVEL - MOST_GAIN), 2 * LEVEL_REACH + 1, 1)
    ease = torch.hann_window(2 * LEVEL_EASE + 3, periodic=False, device=device)[1:-1]
    level = F.conv1d(loudest, (ease / ease.sum())[None, None])[0, 0]  # [rows]
    relative = rows[LEVEL_MARGIN : LEVEL_MARGIN + last - first] - level[:, None]
    return (relative.clamp_min(-LOG_RANGE) + SPEECH_LEVEL + 4.0) / 4.0


def _log_mel(audio: Samples, first: int, last: int, device: torch.device) -> Tensor:
    """log10 of mel power, rows `[first, last)` -> [rows, 80]; 1e-10 is the least power."""
    half = FFT_SIZE // 2
    sound = _excerpt(audio, first * MEL_HOP - half, (last - 1) * MEL_HOP + half)
    frames = torch.from_numpy(sound).to(device).unfold(0, FFT_SIZE, MEL_HOP)
    spectrum = torch.fft.rfft(frames * torch.hann_window(FFT_SIZE, device=device))
    power = spectrum.real.square() + spectrum.imag.square()  # [rows, 201]
    mel: Tensor = power @ _mel_filters().to(device).T
    return mel.clamp_min(1e-10).log10()


@functools.cache
def _mel_filters() -> Tensor:
    """Slaney's mel filters [80, 201], which are Whisper's too."""
    import librosa

    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT_SIZE, n_mels=MEL_BANDS))
