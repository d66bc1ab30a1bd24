"""Whisper's lower layers as a stream: each token sees a band around itself, and is computed once.

A window of its own for every step (see `whisper`) computes each token some eighty times. Here every
token is the middle of its own surroundings: in each layer it looks at the tokens within a reach,
and these stand where they would stand in a window around it. Whisper adds positions before its
first layer and never again, so a neighbour d tokens away is read as if its state had been computed
with the middle's position and then moved by d. In the first layer this is exact; above it is an
approximation, which costs nothing measurable in lip motion and is twenty times as fast.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from stylesync_engine.speech.features import TOKENS_PER_STEP, Samples
from stylesync_engine.speech.whisper import WhisperFrontEnd

_EPSILON: Final = 1e-5  # of Whisper's layer norms


class WhisperBaseFrontEnd(WhisperFrontEnd):
    """States after the third of Whisper base's six encoder layers, two tokens a step: D = 1024.

    Multilingual. The reaches were chosen by the lip motion that a small network learns from the
    features, on free speech; together they are the distance within which sound has a say.
    """

    name: ClassVar[str] = "whisper-base"
    heads: ClassVar[int] = 8
    width: ClassVar[int] = 512
    dim: ClassVar[int] = TOKENS_PER_STEP * 512
    reaches: ClassVar[tuple[int, ...]] = (8, 8, 29)  # tokens to either side, a layer
    middle: ClassVar[int] = 40  # the position of every token in its own surroundings

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        margin = sum(self.reaches)
        tokens = self._stem(
            audio, first * TOKENS_PER_STEP - margin, last * TOKENS_PER_STEP + margin
        )
        return self.encode_stream(tokens).reshape(last - first, self.dim)

    def encode_stream(self, tokens: Tensor) -> Tensor:
        """Tokens `[T, 512]` -> states `[T - 2 sum(reaches), 512]` after the last layer."""
        states = tokens + self._weights["embed_positions.weight"][self.middle]
        for layer, reach in enumerate(self.reaches):
            states = self._band_layer(layer, states, reach)
        return states

    def _band_layer(self, layer: int, states: Tensor, reach: int) -> Tensor:
        """One pre-norm layer, `[T, d]` -> `[T - 2 reach, d]`."""
        prefix = f"layers.{layer}."
        inner = states[reach : len(states) - reach]
        query = self._linear(
            self._norm(inner, f"{prefix}self_attn_layer_norm"), f"{prefix}self_attn.q_proj"
        )
        mixed = self._attend(prefix, query, states, reach)
        inner = inner + self._linear(mixed, f"{prefix}self_attn.out_proj")
        hidden = self._linear(self._norm(inner, f"{prefix}final_layer_norm"), f"{prefix}fc1")
        return inner + self._linear(F.gelu(hidden), f"{prefix}fc2")

    def _attend(self, prefix: str, query: Tensor, states: Tensor, reach: int) -> Tensor:
        """Queries `[N, d]` look at the `2 reach + 1` states `[N + 2 reach, d]` around each.

        A neighbour's normed state is (a + b) / s + c: a of its own state without the position, b of
        the position that it has in the band, s the deviation of their sum, c the norm's bias. Keys
        and values are linear in it, so a and b are projected once each; what c adds to all scores
        of a query is the same and drops out.
        """
        weights = self._weights
        scale = weights[f"{prefix}self_attn_layer_norm.weight"]
        bias = weights[f"{prefix}self_attn_layer_norm.bias"]
        positions = weights["embed_positions.weight"]
        band = positions[self.middle - reach : self.middle + reach + 1]  # [J, d]
        own, moved = _centre(states - positions[self.middle]), _centre(band)
        deviation = self._deviation(own, moved, len(query))  # [N, J]
        key, value = (weights[f"{prefix}self_attn.{name}_proj.weight"] for name in "kv")
        query = self._heads(query) / (self.width // self.heads) ** 0.5  # [N, H, e]
        keys, band_keys = self._heads((own * scale) @ key.T), self._heads((moved * scale) @ key.T)
        scores = torch.einsum("nhe,nhej->nhj", query, _around(keys, len(band)))
        scores = scores + torch.einsum("nhe,jhe->nhj", query, band_keys)
        share = (scores / deviation[:, None]).softmax(-1) / deviation[:, None]
        values = self._heads((own * scale) @ value.T)
        band_values = self._heads((moved * scale) @ value.T)
        mixed = torch.einsum("nhj,nhej->nhe", share, _around(values, len(band)))
        mixed = mixed + torch.einsum("nhj,jhe->nhe", share, band_values)
        return mixed.flatten(1) + self._linear(bias, f"{prefix}self_attn.v_proj")

    def _deviation(self, own: Tensor, moved: Tensor, count: int) -> Tensor:
        """Of state j plus the position of its place in the band of token n, `[N, J]`."""
        variance = own.square().mean(1)[:, None] + moved.square().mean(1)[None]
        deviation = (variance + 2 / self.width * own @ moved.T + _EPSILON).sqrt()
        return torch.stack([deviation[j : j + count, j] for j in range(len(moved))], dim=1)

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.view(len(rows), self.heads, -1)


def _centre(rows: Tensor) -> Tensor:
    return rows - rows.mean(dim=1, keepdim=True)


def _around(rows: Tensor, count: int) -> Tensor:
    """The `count` successive rows around each, `[N + count - 1, H, e]` -> `[N, H, e, count]`."""
    return rows.unfold(0, count, 1)
