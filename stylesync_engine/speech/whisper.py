"""The lower layers of Whisper's encoder, read locally."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from stylesync_engine.request import ModelError
from stylesync_engine.speech.features import (
    BATCH_STEPS,
    CPU,
    MEL_BANDS,
    TOKENS_PER_STEP,
    OnBlock,
    Samples,
    by_blocks,
)
from stylesync_engine.speech.log_mel import levelled_mel

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


class WhisperFrontEnd:
    """States after the third of Whisper tiny.en's four encoder layers, two tokens a step: D = 768.

    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.

    The context was chosen by a linear probe that names the word spoken at a step (51 words of
    GRID; trained on s1 s2 s4 s5, read on s33; words only, silence apart): windows of 30 s 48.5 %,
    contexts of 0.5 s 47.7 %, 0.8 s 49.3 %, 1.2 s 48.8 %; log-mel 11.0 %. A second of sound takes
    0.11 s on two cores.
    """

    name: ClassVar[str] = "whisper-tiny.en"
    layers: ClassVar[int] = 3
    heads: ClassVar[int] = 6
    width: ClassVar[int] = 384
    dim: ClassVar[int] = TOKENS_PER_STEP * 384
    context: ClassVar[int] = 40  # tokens (20 ms) to either side of the step

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device = CPU) -> None:
        if not self._fits(tensors):
            raise ModelError(
                f"The weights are not those of a Whisper's encoder ({self.name}); convert them with"
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
        return by_blocks(audio, self.dim, self._read_block, on_block)

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
        rows = levelled_mel(audio, 2 * first - 2, 2 * last + 1, self._device)
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
