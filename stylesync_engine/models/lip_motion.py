"""Stage 1: reference-guided lip motion prediction (Sec. III-B).

Speech of the style reference gives keys, its lip motion gives values, the new speech asks. All at
25 Hz. Motion is 13 mouth parameters relative to the person's rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.layers import sinusoidal_positions

ReferenceUse = Literal["audio-aware", "lips-only", "static", "none"]

_STRETCH = 64  # frames whose windows are decoded together


@dataclass(frozen=True, slots=True)
class LipMotionSizes:
    """Sizes of stage 1; they travel inside the checkpoint.

    `reference` is the paper's scheme (`audio-aware`), or one of Table III's variants: lip features
    as keys and values (`lips-only`), one pooled style code as in StyleTalk (`static`), or no
    reference, cross-attention becoming self-attention (`none`).

    With `members`, that many small networks of two convolutions stand in the decoder's place, whose
    mean is the answer: on few speakers they know more about unseen people than one large one.
    `components` is how many directions of the speech features they look at.
    """

    speech: int = 768
    width: int = 256
    heads: int = 8
    feed_forward: int = 1024
    encoder_layers: int = 3
    decoder_layers: int = 3
    window: int = 5
    dropout: float = 0.1
    reference: ReferenceUse = "audio-aware"
    members: int = 0
    components: int = 192


@dataclass(frozen=True, slots=True)
class StyleMemory:
    """What a style reference of n frames is read as: keys and values `[B, n, d]`, and `padding`
    `[B, n]`, true where there is no frame. Computed once a reference."""

    keys: Tensor
    values: Tensor
    padding: Tensor | None = None


class LipMotionNetwork(nn.Module):
    """The paper's Transformer and its variants."""

    speech_std: Tensor

    def __init__(self, sizes: LipMotionSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("speech_std", torch.ones(sizes.speech))
        self.head: nn.Sequential | nn.Linear
        if sizes.members:
            self.committee = Committee(sizes)
            self.head = nn.Linear(sizes.members * sizes.width, MOUTH)
            return
        self.speech_tokens = SpeechTokens(sizes.speech, sizes.width)
        self.decoder = nn.ModuleList(DecoderBlock(sizes) for _ in range(sizes.decoder_layers))
        self.head = nn.Sequential(
            nn.Linear(sizes.width, sizes.width),
            nn.ReLU(),
            nn.Linear(sizes.width, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, MOUTH),
        )
        if sizes.reference == "audio-aware":
            self.reference_tokens = SpeechTokens(sizes.speech, sizes.width)
            self.speech_encoder = _encoder(sizes)
        if sizes.reference != "none":
            self.lip_tokens = nn.Linear(MOUTH, sizes.width)
            self.lip_encoder = _encoder(sizes)
        if sizes.reference == "static":
            self.pooling = nn.Sequential(
                nn.Linear(sizes.width, sizes.width), nn.ReLU(), nn.Linear(sizes.width, 1)
            )

    def remember(
        self, speech: Tensor, motion: Tensor, padding: Tensor | None = None
    ) -> StyleMemory | None:
        """Read a style reference: speech `[B, n, D]`, lip motion `[B, n, 13]`, padding `[B, n]`."""
        sizes = self.sizes
        if sizes.reference == "none":
            return None
        positions = sinusoidal_positions(motion.shape[1], sizes.width).to(motion)
        values = self.lip_encoder(self.lip_tokens(motion) + positions, src_key_padding_mask=padding)
        if sizes.reference == "static":
            scores = self.pooling(values)
            if padding is not None:
                scores = scores.masked_fill(padding[..., None], -torch.inf)
            code = (scores.softmax(dim=1) * values).sum(dim=1, keepdim=True)  # [B, 1, d]
            return StyleMemory(code, code)
        if sizes.reference == "lips-only":
            return StyleMemory(values, values, padding)
        tokens = self.reference_tokens(self._normalise(speech)) + positions
        return StyleMemory(
            self.speech_encoder(tokens, src_key_padding_mask=padding), values, padding
        )

    def forward(
        self, speech: Tensor, memory: StyleMemory | None = None, frames: slice = slice(None)
    ) -> Tensor:
        """Speech `[B, T, D]` -> lip motion `[B, T, 13]`, or that of some `frames` alone."""
        out: Tensor = self.head(self.features(speech, memory, frames))
        return out

    def features(
        self, speech: Tensor, memory: StyleMemory | None = None, frames: slice = slice(None)
    ) -> Tensor:
        """The decoder's middle vector of each frame's window, `[B, T, d]`; of a committee what all
        members make of it, `[B, T, members d]`."""
        if self.sizes.members:
            found: Tensor = self.committee(self._normalise(speech))[:, frames]
            return found
        return self._decode(speech, memory, frames)[0]

    def answers(self, speech: Tensor, frames: slice = slice(None)) -> Tensor:
        """What each member of a committee says, `[members, B, T, 13]`; their mean is `forward`."""
        sizes = self.sizes
        found = self.features(speech, None, frames).unflatten(-1, (sizes.members, sizes.width))
        weights = self.get_parameter("head.weight").unflatten(1, (sizes.members, sizes.width))
        said = torch.einsum("btkd,mkd->kbtm", found, weights * sizes.members)
        return said + self.get_parameter("head.bias")

    def attention(self, speech: Tensor, memory: StyleMemory) -> Tensor:
        """Fig. 4: the mean attention of all cross-attention layers of middle queries,
        `[B, T, n]`."""
        return self._decode(speech, memory, want_attention=True)[1]

    def _decode(
        self,
        speech: Tensor,
        memory: StyleMemory | None,
        frames: slice = slice(None),
        want_attention: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Middle vectors `[B, T, d]` and attention `[B, T, n]`, a stretch of frames at a time: the
        memory that this takes does not grow with the clip."""
        tokens = self.speech_tokens(self._normalise(speech))  # [B, T, d]
        stretches = _windows(tokens, self.sizes.window)[:, frames].split(_STRETCH, dim=1)
        parts = [self._decode_windows(windows, memory, want_attention) for windows in stretches]
        middle, attention = zip(*parts, strict=True)
        return torch.cat(middle, dim=1), torch.cat(attention, dim=1)

    def _decode_windows(
        self, windows: Tensor, memory: StyleMemory | None, want_attention: bool
    ) -> tuple[Tensor, Tensor]:
        batch, frames, length, width = windows.shape
        x = windows.flatten(0, 1) + sinusoidal_positions(length, width).to(windows)
        maps = []
        for block in self.decoder:
            x, weights = block(x, memory, frames, want_attention)
            maps.append(weights)
        middle = x[:, self.sizes.window].unflatten(0, (batch, frames))  # [B, T, d]
        attention = (
            torch.stack([m[:, self.sizes.window] for m in maps]).mean(dim=0)
            if want_attention
            else middle
        )
        return middle, attention.unflatten(0, (batch, frames)) if want_attention else attention

    def _normalise(self, speech: Tensor) -> Tensor:
        """Without the clip's mean, which tells voices and microphones, not sounds."""
        return (speech - speech.mean(dim=1, keepdim=True)) / self.speech_std


class Committee(nn.Module):
    """Small networks side by side: each looks at the leading components of the speech through two
    convolutions over 5 frames."""

    directions: Tensor

    def __init__(self, sizes: LipMotionSizes) -> None:
        super().__init__()
        width, members = sizes.members * sizes.width, sizes.members
        directions = torch.zeros(sizes.speech, sizes.components)
        directions.diagonal().fill_(1)  # `torch.eye` without values would load torch's compiler
        self.register_buffer("directions", directions)
        self.layers = nn.Sequential(
            nn.Conv1d(sizes.components, width, 5, padding=2),
            nn.GELU(),
            nn.Dropout(sizes.dropout),
            nn.Conv1d(width, width, 5, padding=2, groups=members),
            nn.GELU(),
            nn.Dropout(sizes.dropout),
        )

    def forward(self, speech: Tensor) -> Tensor:
        """Normalised speech features `[B, T, D]` -> `[B, T, members d]`."""
        found: Tensor = self.layers((speech @ self.directions).transpose(1, 2)).transpose(1, 2)
        return found


class SpeechTokens(nn.Module):
    """The 1D temporal convolution over speech features `[B, T, D]` -> `[B, T, d]`."""

    def __init__(self, speech: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(speech, width, 3, padding=1), nn.ReLU(), nn.Conv1d(width, width, 3, padding=1)
        )

    def forward(self, speech: Tensor) -> Tensor:
        out: Tensor = self.convolutions(speech.transpose(1, 2)).transpose(1, 2)
        return out


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention (Eq. 2) added residually, feed-forward; post-norm."""

    def __init__(self, sizes: LipMotionSizes) -> None:
        super().__init__()
        width, rate = sizes.width, sizes.dropout
        self.self_attention = nn.MultiheadAttention(width, sizes.heads, rate, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(width, sizes.heads, rate, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, sizes.feed_forward),
            nn.ReLU(),
            nn.Dropout(rate),
            nn.Linear(sizes.feed_forward, width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(rate)

    def forward(
        self, x: Tensor, memory: StyleMemory | None, frames: int, want_attention: bool
    ) -> tuple[Tensor, Tensor]:
        """`x` `[B T, 2w + 1, d]` -> the same, and the attention `[B T, 2w + 1, n]` where wanted."""
        x = self.norms[0](x + self.dropout(self.self_attention(x, x, x, need_weights=False)[0]))
        style, weights = self._ask(x, memory, frames, want_attention)
        x = self.norms[1](x + self.dropout(style))
        x = self.norms[2](x + self.dropout(self.feed_forward(x)))
        return x, weights

    def _ask(
        self, x: Tensor, memory: StyleMemory | None, frames: int, want_attention: bool
    ) -> tuple[Tensor, Tensor]:
        if memory is None:
            style, _ = self.cross_attention(x, x, x, need_weights=False)
            return style, x
        # All windows of a clip ask the same memory: one long query instead of T copies of it.
        length = x.shape[1]
        queries = x.unflatten(0, (-1, frames)).flatten(1, 2)  # [B, T (2w + 1), d]
        style, weights = self.cross_attention(
            queries,
            memory.keys,
            memory.values,
            key_padding_mask=memory.padding,
            need_weights=want_attention,
        )
        shaped = style.unflatten(1, (frames, length)).flatten(0, 1)
        return shaped, weights.unflatten(1, (frames, length)).flatten(
            0, 1
        ) if want_attention else shaped


def _windows(tokens: Tensor, reach: int) -> Tensor:
    """`[B, T, d]` -> the windows t - w .. t + w of every frame, edges repeated, as a view
    `[B, T, 2w + 1, d]`."""
    padded = F.pad(tokens.transpose(1, 2), (reach, reach), mode="replicate")  # [B, d, T + 2w]
    return padded.unfold(2, 2 * reach + 1, 1).permute(0, 2, 3, 1)


def _encoder(sizes: LipMotionSizes) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        sizes.width, sizes.heads, sizes.feed_forward, sizes.dropout, batch_first=True
    )
    return nn.TransformerEncoder(layer, sizes.encoder_layers, enable_nested_tensor=False)
