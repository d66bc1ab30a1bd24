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

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from stylesync_engine.request import ModelError
from stylesync_engine.speech.banded_whisper import WhisperBaseFrontEnd
from stylesync_engine.speech.ctc import CtcFrontEnd
from stylesync_engine.speech.features import (
    CPU,
    SpeechFrontEnd,
)
from stylesync_engine.speech.log_mel import LogMelFrontEnd
from stylesync_engine.speech.whisper import WhisperFrontEnd

_STARTER: Final = Path(__file__).parents[1] / "weights" / "starter"
WHISPERS: Final = {kind.name: kind for kind in (WhisperFrontEnd, WhisperBaseFrontEnd)}


def whisper_file(name: str) -> str:
    """What the file of a Whisper's weights is called in a folder of models."""
    return f"{name.replace('-', '_').replace('.', '_')}_encoder.safetensors"


def shipped_weights(name: str) -> Path:
    """The starter's weights of the Whisper called `name`."""
    return _STARTER / whisper_file(name)


def load_front_end(
    name: str,
    weights: Mapping[str, Tensor] | Path | None = None,
    device: torch.device = CPU,
) -> SpeechFrontEnd:
    """The front end called `whisper-base`, `whisper-tiny.en`, `log-mel` or `ctc:FOLDER`.

    `weights` are the Whisper encoder's tensors or their safetensors file (the starter's when
    None); the others take none. Raises ModelError for an unknown name or unusable weights.
    """
    if name in WHISPERS:
        if not isinstance(weights, Mapping):
            weights = _read_tensors(weights or shipped_weights(name))
        return WHISPERS[name](weights, device)
    if name == LogMelFrontEnd.name:
        return LogMelFrontEnd(device)
    if name.startswith("ctc:"):
        return CtcFrontEnd(Path(name.removeprefix("ctc:")), device)
    raise ModelError(
        f"There is no speech front end '{name}'; choose {', '.join(WHISPERS)}, log-mel or"
        " ctc:FOLDER."
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The speech weights '{path}' cannot be read as safetensors; install them again."
        ) from error
