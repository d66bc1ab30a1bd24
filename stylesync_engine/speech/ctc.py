"""Character log-probabilities of a CTC model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from stylesync_engine.request import ModelError
from stylesync_engine.speech.features import (
    BATCH_STEPS,
    CPU,
    SAMPLE_RATE,
    STEP,
    TOKENS_PER_STEP,
    OnBlock,
    Samples,
    by_blocks,
    excerpt,
)


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
        return by_blocks(audio, self.dim, self._read_block, on_block)

    def _read_block(self, audio: Samples, first: int, last: int) -> Tensor:
        sound = excerpt(audio, (first - self.context) * STEP, (last + self.context) * STEP)
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
