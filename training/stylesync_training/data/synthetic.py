"""Synthetic speakers: a test bed for style, where it is known that every sound has a person's own
lip shape.

Everybody shares phones, their sound and a common lip shape for each. A speaker adds a deviation
for each phone (what only the sound can tell where to look for), a gain and a rest of the own. The
clips have parameters and speech features and no pictures: enough for stage 1 and its comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.request import RequestError
from stylesync_training.data.dataset import write_index
from stylesync_training.data.workspace import Choices, Workspace

Array = NDArray[np.float32]

FRONT_END = PRESET = "synthetic"
_LENGTHS = (2, 6)  # frames a phone, half open: 80 to 200 ms


@dataclass(frozen=True, slots=True)
class SyntheticSpeech:
    """How many speakers, who of them is kept aside, and how they speak. `style` is the spread of
    a speaker's deviations over that of the common lip shapes."""

    speakers: int = 200
    holdout: int = 12
    clips: int = 6
    frames: int = 100
    phones: int = 24
    features: int = 32
    style: float = 0.7
    noise: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Language:
    """What all speakers share: the sound `[P, D]` and the lip shape `[P, 13]` of each phone."""

    sounds: Array
    shapes: Array

    @classmethod
    def draw(cls, config: SyntheticSpeech) -> Language:
        rng = np.random.default_rng(config.seed)
        sounds = rng.normal(size=(config.phones, config.features))
        return cls(sounds.astype(np.float32), _draw_shapes(rng, config.phones))


def make_synthetic(space: Workspace, config: SyntheticSpeech, face_model: FaceModel) -> Workspace:
    """Write the clips of all speakers into an empty work folder; its last speakers are kept aside.

    Raises RequestError where there are clips already, or where everybody would be kept aside.
    """
    if space.clips.exists():
        raise RequestError(f"{space.clips} holds clips already; choose another work folder.")
    if config.holdout >= config.speakers:
        raise RequestError("Nobody is left to train on; keep fewer speakers aside.")
    names = [f"synthetic{number:03d}" for number in range(config.speakers)]
    holdout = tuple(names[len(names) - config.holdout :])
    space = space.keep_choices(Choices(PRESET, FRONT_END, holdout))
    space.data.mkdir(parents=True, exist_ok=True)
    face_model.save(space.face_model)
    language = Language.draw(config)
    for number, name in enumerate(names):
        (space.clips / name).mkdir(parents=True)
        rng = np.random.default_rng((config.seed, number))
        shapes, rest = draw_speaker(language, config, rng)
        for clip in range(config.clips):
            speech, motion = speak(language, shapes, rest, config, rng)
            tensors = _tensors_of(speech, motion, face_model)
            save_file(tensors, space.clips / name / f"clip{clip}.safetensors")
    write_index(space.clips)
    return space


def draw_speaker(
    language: Language, config: SyntheticSpeech, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A speaker's lip shape of each phone `[P, 13]`, and the rest `[13]`."""
    deviation = config.style * _draw_shapes(rng, config.phones)
    gain = np.exp(rng.normal(0, 0.15))
    rest = 0.2 * _draw_shapes(rng, 1)[0]
    return np.asarray(gain * (language.shapes + deviation), np.float32), rest


def speak(
    language: Language,
    shapes: Array,
    rest: Array,
    config: SyntheticSpeech,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Speech features `[T, D]` and lip motion `[T, 13]` of random phones, both flowing into each
    other as neighbouring sounds do."""
    phones = np.repeat(
        rng.integers(0, config.phones, config.frames), rng.integers(*_LENGTHS, config.frames)
    )[: config.frames]
    heard = gaussian_filter1d(language.sounds[phones], 0.6, axis=0)
    speech = heard + config.noise * rng.standard_normal(heard.shape)
    moved = gaussian_filter1d(shapes[phones], 1.0, axis=0)
    motion = moved + rest + 0.05 * _draw_shapes(rng, config.frames)
    return speech.astype(np.float32), motion.astype(np.float32)


def _draw_shapes(rng: np.random.Generator, count: int) -> Array:
    """Random mouth parameters `[count, 13]`, the first components strongest, as in real ones."""
    spread = 1.0 / np.sqrt(1.0 + np.arange(MOUTH))
    return np.asarray(rng.normal(size=(count, MOUTH)) * spread, np.float32)


def _tensors_of(speech: Array, motion: Array, face_model: FaceModel) -> dict[str, Array]:
    """A prepared clip's tensors but for its pictures: a face that looks straight ahead."""
    frames = len(motion)
    beta = np.zeros((frames, len(face_model.expression)), np.float32)
    beta[:, :MOUTH] = motion
    return {
        "points": np.zeros((frames, 0, 2), np.float32),
        "beta": beta,
        "alpha": np.zeros(len(face_model.identity), np.float32),
        "neutral": face_model.mean.astype(np.float32),
        "angles": np.zeros((frames, 3), np.float32),
        "scale": np.ones(frames, np.float32),
        "rotation": np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1)),
        "speech": speech,
    }
