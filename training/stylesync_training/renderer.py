"""Train stage 2: cache what the frozen autoencoder sees, then the conditional diffusion model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylesync_engine.appearance import ReferenceBank, match_colour, reference_cost, triangulate, warp_reference
from stylesync_engine.diffusion import TRAIN_STEPS, add_noise, training_scheduler
from stylesync_engine.face_model import MOUTH, FaceModel, Pose
from stylesync_engine.models.autoencoder import Autoencoder, to_pictures
from stylesync_engine.models.renderer import Conditions, Renderer, RendererSizes, motion_rows
from stylesync_engine.mouth import LOWER, draw_lip_map, mask_lower, place_in_crop
from stylesync_training.dataset import TrainingClip
from stylesync_training.loop import Run, Schedule
from stylesync_training.losses import PerceptualDistance

Array = NDArray[np.float32]

_APART = 12  # frames around the target that may not be its reference
_PATCH_ROWS, _PATCH_COLUMNS = slice(36, 60), slice(16, 48)  # latent px around the mouth


@dataclass(frozen=True, slots=True)
class RendererTraining:
    """What a run of the renderer needs; a preset is one of these."""

    sizes: RendererSizes = RendererSizes()
    schedule: Schedule = Schedule(steps=5000, rate=5e-4, ema=0.999)
    batch: int = 16
    frames_per_speaker: int = 700
    variants: int = 2
    references: int = 150
    mouth_weight: float = 3.0
    pixel_weight: float = 0.5
    perceptual_weight: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RendererSamples:
    """N cached training samples: latents fp16, conditions; `clip` numbers clip and variant."""

    clean: Tensor  # [N, C, 64, 64]
    aligned: Tensor  # [N, C, rows + context, 64]
    context: Tensor  # [N, C, context, 64]
    lip_map: Tensor  # [N, rows + context, 64, 3] uint8
    motion: Tensor  # [N, W, P]
    clip: Tensor  # [N]
    speaker: Tensor  # [N]

    def save(self, path: Path) -> None:
        save_file({name: getattr(self, name).contiguous() for name in self.__slots__}, path)

    @classmethod
    def load(cls, path: Path) -> RendererSamples:
        tensors = load_file(path)
        return cls(**{name: tensors[name] for name in cls.__slots__})


class SampleCache:
    """Builds the samples of one clip after another."""

    def __init__(self, config: RendererTraining, face_model: FaceModel, autoencoder: Autoencoder) -> None:
        self.config, self.face_model, self.autoencoder = config, face_model, autoencoder
        self.rng = np.random.default_rng(config.seed)

    def build(self, clips: Sequence[TrainingClip]) -> RendererSamples:
        """All samples of `clips`: at most `frames_per_speaker` frames a speaker, each `variants` times."""
        names = sorted({clip.speaker for clip in clips})
        parts: list[dict[str, Tensor]] = []
        for variant in range(self.config.variants):
            for number, speaker in enumerate(names):
                own = [clip for clip in clips if clip.speaker == speaker]
                stride = max(1, round(sum(len(c.crops) for c in own) / self.config.frames_per_speaker))
                for clip in own:
                    part = self._of_clip(clip, own, stride)
                    part["clip"] = torch.full((len(part["clean"]),), len(parts))
                    part["speaker"] = torch.full((len(part["clean"]),), number)
                    parts.append(part)
                print(f"cached {speaker} variant {variant}", flush=True)
        return RendererSamples(**{name: torch.cat([p[name] for p in parts]) for name in RendererSamples.__slots__})

    def _of_clip(self, clip: TrainingClip, own: Sequence[TrainingClip], stride: int) -> dict[str, Tensor]:
        rng, sizes = self.rng, self.config.sizes
        frames = np.arange(rng.integers(stride), len(clip.crops), stride)
        look = _Look.draw(rng)
        wanted = rebuilt_points(self.face_model, clip)
        triangles = triangulate(wanted[0])
        sources, numbers = self._references(clip, own)
        cost = reference_cost(sources, wanted[frames], clip.angles[frames])
        near = np.abs(frames[:, None] - numbers[None]) <= _APART
        best = np.where(near & (numbers >= 0)[None], 1e6, cost).argmin(axis=1)
        aligned = []
        for frame, k in zip(frames, best, strict=True):
            warped = warp_reference(sources.crops[k], sources.points[k], wanted[frame], triangles)
            warped = match_colour(warped, clip.crops[frame], clip.points[frame])
            warped[:LOWER] = clip.crops[frame][:LOWER]
            aligned.append(warped)
        maps = np.stack([draw_lip_map(wanted[frame])[sizes.top :] for frame in frames])
        motion = motion_rows(clip.beta[:, :MOUTH], clip.alpha, clip.angles, sizes)[frames]
        out = encode_samples(self.autoencoder, sizes, look.apply(clip.crops[frames]), look.apply(np.stack(aligned)))
        if look.flip:
            motion = self._mirror(motion)
            maps = maps[:, :, ::-1]
        return {**out, "lip_map": torch.from_numpy(np.ascontiguousarray(maps)), "motion": torch.from_numpy(motion)}

    def _references(self, clip: TrainingClip, own: Sequence[TrainingClip]) -> tuple[ReferenceBank, NDArray[np.int64]]:
        """Candidates from this clip and up to four others; `numbers` are this clip's frames, else -1."""
        others = [c for c in own if c is not clip]
        picked = [others[i] for i in self.rng.permutation(len(others))[:4]]
        pool = [(c, i) for c in picked for i in range(len(c.crops))]
        if len(picked) < 2 or self.rng.random() < 0.5:
            pool += [(clip, i) for i in range(len(clip.crops))]
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


def mirror_matrix(face_model: FaceModel) -> Array:
    """`[13, 13]`: mouth parameters of a face -> those of its mirror image."""
    from scipy.spatial import cKDTree

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
    autoencoder: Autoencoder, sizes: RendererSizes, crops: NDArray[np.uint8], aligned: NDArray[np.uint8]
) -> dict[str, Tensor]:
    """Latents of T crops `[T, 256, 256, 3]` and their aligned references."""
    clean, warped, context = [], [], []
    with torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(crops), 16):
            pictures = to_pictures(torch.from_numpy(crops[start : start + 16]))
            reference = to_pictures(torch.from_numpy(aligned[start : start + 16]))
            clean.append(autoencoder.encode(pictures).half())
            warped.append(autoencoder.encode(reference)[:, :, sizes.top :].half())
            masked = autoencoder.encode(mask_lower(pictures))
            context.append(masked[:, :, sizes.top : sizes.top + sizes.context].half())
    return {"clean": torch.cat(clean), "aligned": torch.cat(warped), "context": torch.cat(context)}


@dataclass(frozen=True, slots=True)
class _Look:
    """One clip's random colours and mirroring: speakers are few, cameras are many."""

    flip: bool
    gain: Array
    offset: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Look:
        return cls(bool(rng.random() < 0.5), rng.uniform(0.8, 1.2, 3).astype(np.float32), float(rng.uniform(-20, 20)))

    def apply(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        table = np.clip(np.arange(256)[:, None] * self.gain + self.offset, 0, 255).round().astype(np.uint8)
        out = np.stack([table[:, c][crops[..., c]] for c in range(3)], axis=-1)
        return np.ascontiguousarray(out[:, :, ::-1] if self.flip else out)


def draw_batches(samples: RendererSamples, batch: int, seed: int) -> Iterator[dict[str, Tensor]]:
    """Endless batches, speakers balanced, each with a random other frame of its clip as reference face."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.bincount(samples.speaker).float()
    weights = counts[samples.speaker] ** -0.6
    order = torch.argsort(samples.clip, stable=True)
    starts = torch.searchsorted(samples.clip[order], torch.arange(int(samples.clip.max()) + 2))
    while True:
        index = torch.multinomial(weights, batch, replacement=True, generator=generator)
        first, last = starts[samples.clip[index]], starts[samples.clip[index] + 1]
        other = order[first + (torch.rand(batch, generator=generator) * (last - first)).long()]
        motion = samples.motion[index].clone()
        motion[torch.rand(batch, generator=generator) < 0.5, :, MOUTH:-3] = 0.0  # alpha would name the speaker
        yield {
            "clean": samples.clean[index].float(),
            "aligned": samples.aligned[index].float(),
            "context": samples.context[index].float(),
            "lip_map": samples.lip_map[index].permute(0, 3, 1, 2).float() / 255.0,
            "motion": motion,
            "reference": samples.clean[other].float(),
        }


def train_renderer(
    config: RendererTraining, samples: RendererSamples, autoencoder: nn.Module, folder: Path, check: RendererSamples | None = None
) -> Renderer:
    """Diffusion of the clean lower latent (Eq. 6, x0 form), mouth weighted, with a loss on the
    decoded mouth so that teeth and lips stay readable."""
    torch.manual_seed(config.seed)
    network = Renderer(config.sizes).to(memory_format=torch.channels_last)
    loss_of = _RendererLoss(config, autoencoder)

    def on_save(ema: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(ema, Renderer)
        return {} if check is None else loss_of.check(ema, check)

    out = Run(folder).train(network, config.schedule, draw_batches(samples, config.batch, config.seed), loss_of, on_save)
    assert isinstance(out, Renderer)
    return out


class _RendererLoss:
    def __init__(self, config: RendererTraining, autoencoder: nn.Module) -> None:
        self.config = config
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.scheduler = training_scheduler("sample")
        self.perceptual = PerceptualDistance().to(memory_format=torch.channels_last)

    def __call__(self, network: nn.Module, batch: object, step: int) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(batch, dict) and isinstance(network, Renderer)
        config, sizes = self.config, self.config.sizes
        clean = batch["clean"][:, :, sizes.top + sizes.context :]
        steps = torch.randint(0, TRAIN_STEPS, (len(clean),))
        steps = torch.where(torch.rand(len(clean)) < 0.15, torch.full_like(steps, TRAIN_STEPS - 1), steps)
        noisy = add_noise(self.scheduler, clean, torch.randn_like(clean), steps)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(noisy, steps, conditions_of(network, batch)).float()
            error = ((predicted - clean).square() * self._weight(batch)).mean()
            pixels, perceptual = self._on_mouth(predicted, batch["clean"])
        loss = error + config.pixel_weight * pixels + config.perceptual_weight * perceptual
        figures = {"latent": float(error.detach()), "pixels": float(pixels.detach()), "perceptual": float(perceptual.detach())}
        return loss, figures

    def _weight(self, batch: dict[str, Tensor]) -> Tensor:
        lips = batch["lip_map"][:, :1, self.config.sizes.context :]
        near = nn.functional.max_pool2d(lips, 9, 1, 4)
        return 1.0 + self.config.mouth_weight * near

    def _on_mouth(self, predicted: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        offset = self.config.sizes.top + self.config.sizes.context
        rows = slice(_PATCH_ROWS.start - offset, _PATCH_ROWS.stop - offset)
        decoded = self.autoencoder.decode(predicted[:, :, rows, _PATCH_COLUMNS])
        with torch.no_grad():
            truth = self.autoencoder.decode(clean[:, :, _PATCH_ROWS, _PATCH_COLUMNS])
        return (decoded - truth).abs().mean().float(), self.perceptual(decoded, truth).float()

    @torch.no_grad()
    def check(self, network: Renderer, samples: RendererSamples) -> dict[str, float]:
        """Latent error of one step from pure noise, as a share of the aligned reference's own error."""
        index = torch.linspace(0, len(samples.clean) - 1, 48).long()
        batch = next(draw_batches(replace(samples, **{n: getattr(samples, n)[index] for n in ("clean", "aligned", "context", "lip_map", "motion", "speaker")}, clip=torch.zeros(48, dtype=torch.long)), 48, 1))
        top = self.config.sizes.top + self.config.sizes.context
        clean = batch["clean"][:, :, top:]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(noise, torch.full((48,), TRAIN_STEPS - 1), conditions_of(network, batch)).float()
        own = (batch["aligned"][:, :, self.config.sizes.context :] - clean).square().mean()
        return {"check": float((predicted - clean).square().mean() / own)}


def conditions_of(network: Renderer, batch: dict[str, Tensor]) -> Conditions:
    return Conditions(
        motion=batch["motion"],
        context=batch["context"],
        reference=network.reference(batch["reference"]),
        aligned=batch["aligned"],
        lip_map=batch["lip_map"],
    )
