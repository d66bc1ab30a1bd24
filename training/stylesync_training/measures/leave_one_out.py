"""Stage 1 on people whom it has never seen: Table III's form, with error bars.

Each fold keeps speakers aside, trains every network variant on the others for every seed, and
measures the mean distance of lip vertices in face heights. What is measured stays in a file, and
what is trained in another, so the same command goes on where it stopped. The face model is shared
by all folds.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork, ReferenceUse
from stylesync_engine.preparing.late_sound import SeenLips
from stylesync_engine.preparing.shot_rest import rest_of_shot
from stylesync_engine.request import RequestError
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.speech.style import (
    ClosedFormReading,
    NetworkReading,
    StyleReading,
    StyleReference,
)
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.data.workspace import read_json, write_json
from stylesync_training.fitting.lip_motion import (
    LipMotionTraining,
    lip_basis,
    reference_of,
    train_lip_motion,
)
from stylesync_training.fitting.loop import Schedule
from stylesync_training.measures.fold_report import SWAP_FIGURES, SWAPPED, table_of

Array = NDArray[np.float32]
Say = Callable[[str, int, int], None]

# What a network that reads a reference is trained with where the preset's own reads none.
_ATTENTION = LipMotionTraining(
    schedule=Schedule(steps=90, rate=3e-4, warm_up=15, ema=0.96), batch=12, every=8, noise=0.4
)

REFERENCES = (64, 128, 256)  # n of Table III
_LONGEST_NAME = 100  # characters
_MOST_MEASURED = 6  # clips a speaker, so that nobody's many clips take most of the time


@dataclass(frozen=True, slots=True)
class Variant:
    """A network to train, and how its reference is read when it is measured; with `rest` a dub's
    own next step is taken too: the shot's rest, from its old lips and sound, is added."""

    name: str
    reference: ReferenceUse
    vertex_loss: bool = True
    reading: Literal["network", "closed form", "attention", "static"] = "network"
    lengths: tuple[int, ...] = (256,)
    swap: bool = False
    rest: bool = False


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("no reference", "none", lengths=(0,)),
        Variant("static style code", "static"),
        Variant("w/o reference speech", "lips-only"),
        Variant("w/o vertex loss", "audio-aware", vertex_loss=False),
        Variant("network", "audio-aware", lengths=REFERENCES, swap=True),
        Variant("static mixing", "none", reading="static"),
        Variant("closed form", "none", reading="closed form", lengths=REFERENCES, swap=True),
        Variant("explicit values", "none", reading="attention", lengths=REFERENCES),
        Variant("no reference + rest", "none", lengths=(0,), rest=True),
        Variant("closed form + rest", "none", True, "closed form", REFERENCES, rest=True),
    )
}
LEAVE_ONE_OUT = (
    *("no reference", "static style code", "static mixing", "network", "closed form"),
    *("explicit values", "no reference + rest", "closed form + rest"),
)


def run_folds(
    clips: Sequence[TrainingClip],
    face_model: FaceModel,
    folds: Sequence[Sequence[str]],
    variants: Sequence[str],
    seeds: Sequence[int],
    config: LipMotionTraining,
    closed_form: ClosedFormSettings,
    folder: Path,
    say: Say,
) -> dict[str, Any]:
    """Train and measure all variants; `folder` gets `rows.json` as it goes. Returns all rows and
    the table of means."""
    unknown = [name for name in variants if name not in VARIANTS]
    if unknown:
        raise RequestError(
            f"There is no variant '{unknown[0]}'; choose from {', '.join(VARIANTS)}."
        )
    path = folder / "rows.json"
    rows: list[dict[str, Any]] = read_json(path) if path.exists() else []
    done, total = 0, len(folds) * len(seeds) * len(variants)
    for fold in folds:
        for seed in seeds:
            for name in variants:
                key = {"fold": name_fold(fold), "seed": seed, "variant": name}
                if not any(all(row[k] == v for k, v in key.items()) for row in rows):
                    variant = VARIANTS[name]
                    network = train_fold(variant, clips, face_model, fold, seed, config, folder)
                    measured = measure(variant, network, clips, face_model, fold, closed_form)
                    rows += [{**key, **row} for row in measured]
                    write_json(path, rows)
                done += 1
                say("train and measure", done, total)
    return {"rows": rows, "means": table_of(rows)}


def name_fold(fold: Sequence[str]) -> str:
    """Who is left out, short enough for a file's name."""
    joined = "+".join(fold)
    if len(joined) <= _LONGEST_NAME:
        return joined
    digest = hashlib.sha256(joined.encode()).hexdigest()[:8]
    return f"{fold[0]}+{len(fold) - 1}-{digest}"


def train_fold(
    variant: Variant,
    clips: Sequence[TrainingClip],
    face_model: FaceModel,
    fold: Sequence[str],
    seed: int,
    config: LipMotionTraining,
    folder: Path,
) -> LipMotionNetwork:
    """The variant's network without the fold's speakers, as `folder` has it or trained now;
    variants that train alike share it."""
    others = [clip for clip in clips if clip.speaker not in fold]
    if not others:
        raise RequestError("Nobody is left to train on; leave fewer speakers out.")
    speech = others[0].speech.shape[1]
    if config.sizes.members and variant.reference != "none":  # a committee reads no reference
        config = replace(_ATTENTION, restyle=config.restyle, reference=config.reference)
    sizes = replace(config.sizes, reference=variant.reference, speech=speech)
    own = replace(
        config,
        sizes=sizes,
        vertex_weight=config.vertex_weight if variant.vertex_loss else 0.0,
        restyle=0.0 if variant.reference == "none" else config.restyle,
        seed=seed,
    )
    name = variant.reference if variant.vertex_loss else f"{variant.reference}-no-vertices"
    run = folder / f"{name_fold(fold)}-{seed}-{name}"
    kept = run.with_suffix(".safetensors")
    if kept.exists():
        network = LipMotionNetwork(sizes)
        network.load_state_dict(load_file(kept))
        return network
    network = train_lip_motion(own, face_model, others, [], run)
    # Dozens of finished runs with their optimisers would fill the disk.
    (run / "ema.safetensors").replace(kept)
    shutil.rmtree(run)
    return network


def measure(
    variant: Variant,
    network: LipMotionNetwork,
    clips: Sequence[TrainingClip],
    face_model: FaceModel,
    fold: Sequence[str],
    settings: ClosedFormSettings,
) -> list[dict[str, Any]]:
    """Errors on the fold's clips with references of each length from the speaker's other clips,
    and with the longest one of somebody else, beside what that swap changes."""
    reading = read_style(variant, network, settings, face_model)
    basis = lip_basis(face_model)
    rows = []
    people = {speaker: _people(clips, speaker) for speaker in fold}

    def say(clip: TrainingClip, own: Sequence[TrainingClip], length: int) -> Array:
        motion = reading.predict(clip.speech, reference_for(clip, own, length))
        return with_rest(motion, clip, face_model) if variant.rest else motion

    for length in variant.lengths:
        made = {
            speaker: [say(clip, own, length) for clip in _spread(own)]
            for speaker, (own, _) in people.items()
        }
        errors = {s: _mean_error(made[s], _spread(own), basis) for s, (own, _) in people.items()}
        rows.append({"n": length, "reference": "own", "errors": errors})
    if variant.swap:
        swaps = {
            s: compare_swap(reading, made[s], own, other, variant.lengths[-1], basis)
            for s, (own, other) in people.items()
        }
        by_figure = {name: {s: swap[name] for s, swap in swaps.items()} for name in SWAP_FIGURES}
        rows.append({"n": variant.lengths[-1], "reference": SWAPPED, **by_figure})
    return rows


def with_rest(motion: Array, clip: TrainingClip, face_model: FaceModel) -> Array:
    """Predicted lips `[T, 13]` of a clip with what a dub of it adds to them: how its old lips rest,
    turn with the head and drift beyond those that its own sound lets expect. Here that sound is
    what is said again."""
    steps = np.arange(len(motion))
    lips = SeenLips(clip.beta[:, :MOUTH], np.ones(len(motion), bool), steps)
    return motion + rest_of_shot(motion, lips, clip.angles, 0, face_model)


def read_style(
    variant: Variant,
    network: LipMotionNetwork,
    settings: ClosedFormSettings,
    face_model: FaceModel,
) -> StyleReading:
    """How the variant reads a reference."""
    if variant.reading == "network":
        return NetworkReading(network)
    if variant.reading != "static":
        attend = variant.reading == "attention"
        return ClosedFormReading(network, settings, 0.0, face_model, attend)
    return StaticMixing(NetworkReading(network), settings.rest)


@dataclass(frozen=True, slots=True)
class StaticMixing:
    """A static style in closed form: whatever the sound, what a network without reference says is
    mixed and moved in the same way, by ridge regression of what it misses on what it says."""

    plain: NetworkReading
    rest: float
    ridge: float = 30.0

    def predict(self, speech: Array, reference: StyleReference | None) -> Array:
        motion = self.plain.predict(speech, None)
        if reference is None:
            return motion
        said = self.plain.predict(reference.speech, None)
        missed = reference.motion - said
        middle, spread = said.mean(axis=0), (said.std(axis=0) + 1e-6) * np.sqrt(MOUTH)
        known, asked = (said - middle) / spread, (motion - middle) / spread
        always = missed.mean(axis=0)
        square = known.T @ known + self.ridge * np.eye(MOUTH, dtype=np.float32)
        mixing = np.linalg.solve(square, known.T @ (missed - always))
        believed = always * (len(missed) / (len(missed) + self.rest))
        return np.asarray(motion + asked @ mixing + believed, np.float32)


def _people(
    clips: Sequence[TrainingClip], speaker: str
) -> tuple[list[TrainingClip], list[TrainingClip]]:
    """A speaker's clips, and those of the next one."""
    others = sorted({clip.speaker for clip in clips} - {speaker})
    other = next((name for name in others if name > speaker), others[0])
    return (
        [clip for clip in clips if clip.speaker == speaker],
        [clip for clip in clips if clip.speaker == other],
    )


def _spread(own: Sequence[TrainingClip]) -> Sequence[TrainingClip]:
    """At most `_MOST_MEASURED` of a speaker's clips."""
    return own[:: -(-len(own) // _MOST_MEASURED)]


def _mean_error(made: Sequence[Array], clips: Sequence[TrainingClip], basis: torch.Tensor) -> float:
    errors = [motion_error(m, clip, basis) for m, clip in zip(made, clips, strict=True)]
    return float(np.mean(errors))


def compare_swap(
    reading: StyleReading,
    made: Sequence[Array],
    own: Sequence[TrainingClip],
    other: Sequence[TrainingClip],
    length: int,
    basis: torch.Tensor,
) -> dict[str, float]:
    """The same speech with two people's references: `errors`, the swapped one's mean error;
    `apart`, how far the two lips are from each other, face heights; `nearer_truth`, the share of
    clips that the speaker's own reference brings nearer to what was really said; `nearer_owner`,
    the share in which of the two results the one with a person's reference has the way of moving
    (see `manner_of`) that is nearer to that person's."""
    errors, apart, truth, owner = [], [], [], []
    for mine, clip in zip(made, _spread(own), strict=True):
        reference = reference_for(clip, other, length)
        swapped = reading.predict(clip.speech, reference)
        errors.append(motion_error(swapped, clip, basis))
        apart.append(lip_distance(mine, swapped, basis))
        truth.append(motion_error(mine, clip, basis) < errors[-1])
        manners = [manner_of(motion, basis) for motion in (mine, swapped)]
        people = (reference_for(clip, own, length), reference)
        known = [manner_of(person.motion, basis) for person in people if person]
        for index, manner in enumerate(known):
            far = [float(np.linalg.norm(found - manner)) for found in manners]
            owner.append(far[index] < far[1 - index])
    means = [float(np.mean(values)) for values in (errors, apart, truth, owner)]
    return dict(zip(SWAP_FIGURES, means, strict=True))


def manner_of(motion: Array, basis: torch.Tensor) -> Array:
    """Whatever is said: mean and spread of each lip vertex in the picture, `[2 V 2]`."""
    vertices = np.einsum("tk,kvc->tvc", motion, basis.numpy())[..., :2].reshape(len(motion), -1)
    return np.concatenate([vertices.mean(axis=0), vertices.std(axis=0)])


def reference_for(
    clip: TrainingClip, owner: Sequence[TrainingClip], length: int
) -> StyleReference | None:
    """`length` frames of `owner`'s clips, those after `clip` first, never of `clip` itself; fewer
    where there are not so many, None for none."""
    if not length:
        return None
    names = [other.name for other in owner]
    start = names.index(clip.name) + 1 if clip.name in names else 0
    turned = [*owner[start:], *owner[:start]]
    others = [other for other in turned if other is not clip]
    if not others:
        raise RequestError(
            f"Speaker {clip.speaker} has a single clip, so there is no reference to read;"
            " leave out others."
        )
    whole = reference_of(others)
    return StyleReference(whole.speech[:length], whole.motion[:length])


def motion_error(motion: Array, clip: TrainingClip, basis: torch.Tensor) -> float:
    """`lip_distance` of lip motion `[T, 13]` from the truth."""
    return lip_distance(motion, clip.beta[:, :MOUTH], basis)


def lip_distance(one: Array, other: Array, basis: torch.Tensor) -> float:
    """Mean distance in the picture of lip vertices, face heights, of lip motions `[T, 13]`."""
    change = np.einsum("tk,kvc->tvc", one - other, basis.numpy())
    return float(np.linalg.norm(change[..., :2], axis=-1).mean())
