"""What the renderer is trained on: a run's settings, and the samples that the frozen autoencoder
makes of the clips once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.spatial import cKDTree
from torch import Tensor

from stylesync_engine.faces.face_model import MOUTH, FaceModel, Pose
from stylesync_engine.models.autoencoder import to_pictures
from stylesync_engine.models.diffusion import Prediction
from stylesync_engine.models.frame_codec import Autoencoder
from stylesync_engine.models.renderer import RendererSizes, motion_rows
from stylesync_engine.mouth.crop import LOWER, draw_lip_map, mask_lower, place_in_crop
from stylesync_engine.mouth.references import ReferenceBank, lip_openings, reference_cost
from stylesync_engine.mouth.warping import match_colour, triangulate, warp_maps, warp_reference
from stylesync_engine.request import ModelError
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.fitting.loop import Schedule

Array = NDArray[np.float32]

APART = 12  # frames around the target that may not be its reference


@dataclass(frozen=True, slots=True)
class RendererTraining:
    """What a run of the renderer needs; a preset is one of these.

    A batch is `batch` videos with `sequence` successive frames each. `frames_per_speaker` 0 takes
    all frames. `last_step` is the share of samples that start from pure noise. `early` of the
    others take their step from the first half of the schedule, and `from_aligned` of those are the
    aligned reference noised instead of the truth: what sampling with a strength below 1 begins
    with, so that the network learns to repair the reference instead of trusting it. Of `lacking`
    of the clips the references are their person's least open mouths alone: a shot of somebody who
    listens has no other.
    """

    sizes: RendererSizes = field(default_factory=RendererSizes)
    schedule: Schedule = field(default_factory=lambda: Schedule(steps=4500, rate=5e-4, ema=0.999))
    batch: int = 16
    prediction: Prediction = "sample"
    sequence: int = 1
    frames_per_speaker: int = 700
    variants: int = 2
    references: int = 150
    mouth_weight: float = 3.0
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.15
    last_step: float = 0.15
    early: float = 0.6
    from_aligned: float = 0.6
    lacking: float = 0.2
    vary_colours: bool = True
    mirror: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RendererSamples:
    """N cached training samples: latents fp16, conditions; `clip` numbers clip and variant, whose
    samples lie together in the order of their `frame`s."""

    clean: Tensor  # [N, C, 64, 64]
    aligned: Tensor  # [N, C, rows + context, 64], no rows where the sizes do not ask for it
    context: Tensor  # [N, C, context, 64]
    lip_map: Tensor  # [N, rows + context, 64, 3] uint8
    motion: Tensor  # [N, W, P]
    clip: Tensor  # [N]
    speaker: Tensor  # [N]
    frame: Tensor  # [N]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        save_file({name: getattr(self, name).contiguous() for name in self.__slots__}, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> RendererSamples:
        """Raises ModelError where the file is damaged."""
        try:
            tensors = load_file(path)
            # Older caches number no frames; positions are nearer to each other than frames are.
            tensors.setdefault("frame", _positions(tensors["clip"]))
            return cls(**{name: tensors[name] for name in cls.__slots__})
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(
                f"{path} is damaged ({error}); delete it and run stylesync-train renderer again."
            ) from error

    def part(self, index: Tensor) -> RendererSamples:
        """The samples of these numbers."""
        return RendererSamples(**{name: getattr(self, name)[index] for name in self.__slots__})


def _positions(clip: Tensor) -> Tensor:
    """Each sample's place within its clip, `[N]`."""
    starts = torch.searchsorted(clip.contiguous(), clip.contiguous())
    return torch.arange(len(clip)) - starts


class SampleCache:
    """Builds the samples of one clip after another."""

    def __init__(
        self, config: RendererTraining, face_model: FaceModel, autoencoder: Autoencoder
    ) -> None:
        self.config, self.face_model, self.autoencoder = config, face_model, autoencoder
        self.rng = np.random.default_rng(config.seed)

    def build(
        self,
        clips: Sequence[TrainingClip],
        on_speaker: Callable[[str, int], None] | None = None,
        references: Sequence[TrainingClip] | None = None,
    ) -> RendererSamples:
        """All samples of `clips`: at most `frames_per_speaker` frames a speaker, each `variants`
        times. `on_speaker(name, variant)` hears who is done; `references` are the clips that
        the aligned references come from, by default the speaker's own."""
        names = sorted({clip.speaker for clip in clips})
        parts: list[dict[str, Tensor]] = []
        for variant in range(self.config.variants):
            for number, speaker in enumerate(names):
                own = [clip for clip in clips if clip.speaker == speaker]
                stride = self._stride(sum(len(clip.crops) for clip in own))
                for clip in own:
                    part = self._of_clip(clip, references or own, stride)
                    part["clip"] = torch.full((len(part["clean"]),), len(parts))
                    part["speaker"] = torch.full((len(part["clean"]),), number)
                    parts.append(part)
                if on_speaker:
                    on_speaker(speaker, variant)
        joined = {n: torch.cat([p[n] for p in parts]) for n in RendererSamples.__slots__}
        return RendererSamples(**joined)

    def _stride(self, frames: int) -> int:
        most = self.config.frames_per_speaker
        return max(1, round(frames / most)) if most else 1

    def _of_clip(
        self, clip: TrainingClip, own: Sequence[TrainingClip], stride: int
    ) -> dict[str, Tensor]:
        sizes = self.config.sizes
        frames = np.arange(self.rng.integers(min(stride, len(clip.crops))), len(clip.crops), stride)
        look = _Look.draw(self.rng, self.config)
        wanted = rebuilt_points(self.face_model, clip)
        aligned = self._aligned(clip, own, frames, wanted) if sizes.aligned else None
        maps = np.stack([draw_lip_map(wanted[frame])[sizes.top :] for frame in frames])
        motion = motion_rows(clip.beta[:, :MOUTH], clip.alpha, clip.angles, sizes)[frames]
        warped = None if aligned is None else look.apply(aligned)
        out = encode_samples(self.autoencoder, sizes, look.apply(clip.crops[frames]), warped)
        if look.flip:
            motion = self._mirror(motion)
            maps = maps[:, :, ::-1]
        return {
            **out,
            "lip_map": torch.from_numpy(np.ascontiguousarray(maps)),
            "motion": torch.from_numpy(motion),
            "frame": torch.from_numpy(frames),
        }

    def _aligned(
        self,
        clip: TrainingClip,
        own: Sequence[TrainingClip],
        frames: NDArray[np.int64],
        wanted: Array,
    ) -> NDArray[np.uint8]:
        """The aligned references of `frames`, the true upper halves above them."""
        triangles = triangulate(wanted[0])
        sources, numbers = self._references(clip, own)
        cost = reference_cost(sources, wanted[frames], clip.angles[frames])
        best = np.where(is_near(frames, numbers), 1e6, cost).argmin(axis=1)
        aligned = []
        for frame, k in zip(frames, best, strict=True):
            warped = warp_reference(
                sources.crops[k], warp_maps(sources.points[k], wanted[frame], triangles)
            )
            warped = match_colour(warped, clip.crops[frame], clip.points[frame])
            warped[:LOWER] = clip.crops[frame][:LOWER]
            aligned.append(warped)
        return np.stack(aligned)

    def _references(
        self, clip: TrainingClip, own: Sequence[TrainingClip]
    ) -> tuple[ReferenceBank, NDArray[np.int64]]:
        """Candidates from this clip and up to four others; `numbers` are this clip's frames, -1
        elsewhere."""
        others = [c for c in own if c is not clip]
        picked = [others[i] for i in self.rng.permutation(len(others))[:4]]
        pool = [(c, i) for c in picked for i in range(len(c.crops))]
        own_too = any(c is clip for c in own)
        if own_too and (len(picked) < 2 or self.rng.random() < 0.5):
            pool += [(clip, i) for i in range(len(clip.crops))]
        if self.rng.random() < self.config.lacking:
            pool = _least_open(pool, float(self.rng.uniform(0.05, 0.4)))
        chosen = [pool[i] for i in self.rng.permutation(len(pool))[: self.config.references]]
        bank = ReferenceBank(
            np.stack([c.crops[i] for c, i in chosen]),
            np.stack([c.points[i] for c, i in chosen]),
            np.stack([c.angles[i] for c, i in chosen]),
            np.arange(len(chosen)),
        )
        return bank, np.array([i if c is clip else -1 for c, i in chosen])

    def _mirror(self, motion: Array) -> Array:
        """The rows of a mirrored face, by mirroring what Eq. 1 makes of them."""
        mirror = mirror_matrix(self.face_model)
        out = motion.copy()
        out[..., :MOUTH] = motion[..., :MOUTH] @ mirror
        out[..., -2:] = -motion[..., -2:]  # yaw and roll
        out[..., MOUTH:-3] = 0.0
        return out


def _least_open(
    pool: list[tuple[TrainingClip, int]], share: float
) -> list[tuple[TrainingClip, int]]:
    """The `share` of frames whose lips are least apart, at least twelve."""
    openings = lip_openings(np.stack([clip.points[i] for clip, i in pool])).mean(axis=1)
    kept = np.argsort(openings)[: max(12, round(share * len(pool)))]
    return [pool[i] for i in sorted(kept)]


def is_near(frames: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a candidate lies in the neighbourhood of a frame `[T]` of its own clip, `[T, K]`;
    `numbers` `[K]` are frames of that clip, -1 those of others."""
    near = np.abs(frames[:, None] - numbers[None]) <= APART
    return near & (numbers >= 0)[None]


def mirror_matrix(face_model: FaceModel) -> Array:
    """`[13, 13]`: mouth parameters of a face -> those of its mirror image."""
    mirrored = face_model.mean * np.array([-1, 1, 1], np.float32)
    twins = cKDTree(face_model.mean).query(mirrored)[1]
    change = face_model.expression[:MOUTH][:, twins] * np.array([-1, 1, 1], np.float32)
    return face_model.lip_motion_of(change)


def rebuilt_points(face_model: FaceModel, clip: TrainingClip) -> Array:
    """Landmarks `[T, 468, 2]` in crop px that the 13 parameters rebuild (Eq. 1)."""
    shape = face_model.speak(clip.neutral, clip.beta, clip.beta[:, :MOUTH])
    pose = Pose(clip.scale, clip.rotation, np.zeros((len(clip.scale), 3), np.float32))
    return place_in_crop(shape, pose)


@torch.no_grad()
def encode_samples(
    autoencoder: Autoencoder,
    sizes: RendererSizes,
    crops: NDArray[np.uint8],
    aligned: NDArray[np.uint8] | None,
) -> dict[str, Tensor]:
    """Latents of T crops `[T, 256, 256, 3]` and their aligned references."""
    clean, warped, context = [], [], []
    with torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(crops), 16):
            pictures = to_pictures(torch.from_numpy(crops[start : start + 16]))
            clean.append(autoencoder.encode(pictures).half())
            masked = autoencoder.encode(mask_lower(pictures))
            context.append(masked[:, :, sizes.top : sizes.top + sizes.context].half())
            if aligned is None:
                warped.append(clean[-1][:, :, :0])
            else:
                reference = to_pictures(torch.from_numpy(aligned[start : start + 16]))
                warped.append(autoencoder.encode(reference)[:, :, sizes.top :].half())
    return {"clean": torch.cat(clean), "aligned": torch.cat(warped), "context": torch.cat(context)}


@dataclass(frozen=True, slots=True)
class _Look:
    """One clip's random colours and mirroring: speakers are few, cameras are many."""

    flip: bool
    gain: Array
    offset: float

    @classmethod
    def draw(cls, rng: np.random.Generator, config: RendererTraining) -> _Look:
        flip = bool(rng.random() < 0.5) and config.mirror
        gain, offset = rng.uniform(0.8, 1.2, 3).astype(np.float32), float(rng.uniform(-20, 20))
        if not config.vary_colours:
            return cls(flip, np.ones(3, np.float32), 0.0)
        return cls(flip, gain, offset)

    def apply(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        table = (
            np.clip(np.arange(256)[:, None] * self.gain + self.offset, 0, 255)
            .round()
            .astype(np.uint8)
        )
        out = np.stack([table[:, c][crops[..., c]] for c in range(3)], axis=-1)
        return np.ascontiguousarray(out[:, :, ::-1] if self.flip else out)
