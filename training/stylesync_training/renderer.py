"""Train stage 2: cache what the frozen autoencoder sees, then the conditional diffusion model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.spatial import cKDTree
from torch import Tensor, nn

from stylesync_engine.appearance import (
    ReferenceBank,
    match_colour,
    reference_cost,
    triangulate,
    warp_reference,
)
from stylesync_engine.contact_sheet import CELL, lay_out
from stylesync_engine.diffusion import (
    TRAIN_STEPS,
    Prediction,
    Sampling,
    add_noise,
    sample,
    shared_noise,
)
from stylesync_engine.face_model import MOUTH, FaceModel, Pose
from stylesync_engine.models.autoencoder import Autoencoder, to_crops, to_pictures
from stylesync_engine.models.renderer import (
    LATENT_SIDE,
    Conditions,
    Renderer,
    RendererSizes,
    motion_rows,
)
from stylesync_engine.mouth import CROP, LOWER, draw_lip_map, mask_lower, place_in_crop
from stylesync_engine.previews import write_png
from stylesync_engine.request import ModelError
from stylesync_training.dataset import TrainingClip
from stylesync_training.loop import (
    Figures,
    Run,
    Schedule,
    channels_last,
    frozen_on_device,
    half_precision,
)
from stylesync_training.losses import PerceptualDistance, noise_loss

Array = NDArray[np.float32]

_APART = 12  # frames around the target that may not be its reference
_PATCH_ROWS, _PATCH_COLUMNS = slice(36, 60), slice(16, 48)  # latent px around the mouth


@dataclass(frozen=True, slots=True)
class RendererTraining:
    """What a run of the renderer needs; a preset is one of these.

    A batch is `batch` videos with `sequence` successive frames each. `frames_per_speaker` 0 takes
    all frames. `last_step` is the share of samples that start from pure noise. `early` of the
    others take their step from the first half of the schedule, and `from_aligned` of those are the
    aligned reference noised instead of the truth: what sampling with a strength below 1 begins
    with, so that the network learns to repair the reference instead of trusting it.
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
            warped = warp_reference(sources.crops[k], sources.points[k], wanted[frame], triangles)
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


def is_near(frames: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a candidate lies in the neighbourhood of a frame `[T]` of its own clip, `[T, K]`;
    `numbers` `[K]` are frames of that clip, -1 those of others."""
    near = np.abs(frames[:, None] - numbers[None]) <= _APART
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


Batch = dict[str, Tensor]


def draw_batches(
    samples: RendererSamples, batch: int, seed: int, sequence: int = 1
) -> Callable[[int], Batch]:
    """Step -> batch of `batch` x `sequence` samples: speakers balanced, successive frames of a
    clip, each with a random far frame of the same clip as its reference face."""
    counts = torch.bincount(samples.speaker).float()
    weights = counts[samples.speaker] ** -0.6
    ends = torch.searchsorted(samples.clip, samples.clip, right=True)
    starts = torch.searchsorted(samples.clip, samples.clip)

    def draw(step: int) -> Batch:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        first = torch.multinomial(weights, batch, replacement=True, generator=generator)
        run = first[:, None] + torch.arange(sequence)
        index = torch.minimum(run, ends[first, None] - 1).flatten()
        other = torch.stack([_far_frame(samples, i, starts, ends, generator) for i in index])
        motion = samples.motion[index].clone()
        hidden = torch.rand(len(index), generator=generator) < 0.5
        motion[hidden, :, MOUTH:-3] = 0.0  # alpha would name the speaker
        return {
            "clean": samples.clean[index].float(),
            "aligned": samples.aligned[index].float(),
            "context": samples.context[index].float(),
            "lip_map": samples.lip_map[index].permute(0, 3, 1, 2).float() / 255.0,
            "motion": motion,
            "reference": samples.clean[other].float(),
        }

    return draw


def _far_frame(
    samples: RendererSamples,
    index: Tensor,
    starts: Tensor,
    ends: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Number of a random sample of the same clip outside the neighbourhood of sample `index`, the
    farthest one where the clip is all neighbourhood."""
    first, last = int(starts[index]), int(ends[index])
    away = (samples.frame[first:last] - samples.frame[index]).abs()
    far = torch.nonzero(away > _APART)[:, 0]
    if not len(far):
        return first + away.argmax()
    return first + far[torch.randint(len(far), (), generator=generator)]


def train_renderer(
    config: RendererTraining,
    samples: RendererSamples,
    autoencoder: nn.Module,
    folder: Path,
    check: RendererSamples | None = None,
    on_figures: Callable[[Figures], None] | None = None,
    start: Renderer | None = None,
) -> Renderer:
    """Conditional diffusion of the clean lower latent (Eq. 6), from `start` or from scratch.

    The starter weighs the mouth and adds a loss on the decoded mouth, so that teeth and lips stay
    readable. A sheet of samples of `check` is drawn with every checkpoint.
    """
    torch.manual_seed(config.seed)
    network = channels_last(Renderer(config.sizes))
    if start is not None:
        network.load_state_dict(start.state_dict())
    loss_of = _RendererLoss(config, autoencoder)

    def on_save(ema: Renderer, step: int) -> Figures:
        if check is None:
            return {}
        draw_sheet(ema, autoencoder, check, config, folder / "sheets" / f"{step:06d}.png")
        return loss_of.check(ema, check)

    draw = draw_batches(samples, config.batch, config.seed, config.sequence)
    run = Run(folder, seed=config.seed, on_figures=on_figures)
    return run.train(network, config.schedule, draw, loss_of, on_save)


class _RendererLoss:
    def __init__(self, config: RendererTraining, autoencoder: nn.Module) -> None:
        self.config = config
        self.autoencoder: Any = frozen_on_device(autoencoder)
        self.perceptual = (
            frozen_on_device(channels_last(PerceptualDistance()))
            if config.perceptual_weight
            else None
        )

    def __call__(self, network: Renderer, batch: Batch, step: int) -> tuple[Tensor, Figures]:
        config, sizes = self.config, self.config.sizes
        clean = batch["clean"][:, :, sizes.top + sizes.context :]
        steps, repaired = (drawn.to(clean.device) for drawn in self._draw_steps(len(clean)))
        noise = torch.randn_like(clean)
        start = clean
        if repaired.any():
            aligned = batch["aligned"][:, :, sizes.context :]
            start = torch.where(repaired[:, None, None, None], aligned, clean)
        noisy = add_noise(start, noise, steps)
        with half_precision():
            predicted = network(noisy, steps, conditions_of(network, batch)).float()
            aim = clean if config.prediction == "sample" else noise
            error = noise_loss(predicted, aim, self._weight(batch))
            if config.prediction == "epsilon":
                return error, {}
            pixels, perceptual = self._on_mouth(predicted, batch["clean"])
        loss = error + config.pixel_weight * pixels + config.perceptual_weight * perceptual
        figures = {"latent": error, "pixels": pixels, "perceptual": perceptual}
        return loss, {name: float(value.detach()) for name, value in figures.items()}

    def _draw_steps(self, count: int) -> tuple[Tensor, Tensor]:
        """Random steps `[B]`, and which samples start from the aligned reference."""
        config = self.config
        steps = torch.randint(0, TRAIN_STEPS, (count,))
        early = torch.rand(count) < config.early
        steps = torch.where(early, steps // 2, steps)
        whole = config.prediction == "sample"  # the noise of a start that is not clean says nothing
        share = config.from_aligned if config.sizes.aligned and whole else 0.0
        repaired = early & (torch.rand(count) < share)
        last = ~early & (torch.rand(count) < config.last_step / max(1e-6, 1 - config.early))
        return torch.where(last, torch.full_like(steps, TRAIN_STEPS - 1), steps), repaired

    def _weight(self, batch: Batch) -> Tensor | float:
        if not self.config.mouth_weight:
            return 1.0
        lips = batch["lip_map"][:, :1, self.config.sizes.context :]
        near = nn.functional.max_pool2d(lips, 9, 1, 4)
        return 1.0 + self.config.mouth_weight * near

    def _on_mouth(self, predicted: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Error of the decoded mouth, in pixels and in perception."""
        nothing = predicted.new_zeros(())
        if not self.config.pixel_weight and self.perceptual is None:
            return nothing, nothing
        offset = self.config.sizes.top + self.config.sizes.context
        rows = slice(_PATCH_ROWS.start - offset, _PATCH_ROWS.stop - offset)
        decoded = self.autoencoder.decode(predicted[:, :, rows, _PATCH_COLUMNS])
        with torch.no_grad():
            truth = self.autoencoder.decode(clean[:, :, _PATCH_ROWS, _PATCH_COLUMNS])
        likeness = self.perceptual(decoded, truth).float() if self.perceptual else nothing
        return (decoded - truth).abs().mean().float(), likeness

    @torch.no_grad()
    def check(self, network: Renderer, samples: RendererSamples) -> Figures:
        """Error of one step from pure noise (`sample`: of the latent, as a share of the aligned
        reference's own where there is one; `epsilon`: of the noise at the schedule's middle)."""
        batch = check_batch(samples)
        sizes = self.config.sizes
        clean = batch["clean"][:, :, sizes.top + sizes.context :]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        whole = self.config.prediction == "sample"
        steps = torch.full((len(clean),), TRAIN_STEPS - 1 if whole else TRAIN_STEPS // 2)
        noisy = noise if whole else add_noise(clean, noise, steps)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(noisy, steps, conditions_of(network, batch)).float()
        error = noise_loss(predicted, clean if whole else noise)
        if whole and sizes.aligned:
            error = error / noise_loss(batch["aligned"][:, :, sizes.context :], clean)
        return {"check": float(error)}


def check_batch(samples: RendererSamples, count: int = 48) -> Batch:
    """`count` samples spread over all, always the same, each with the far reference of its clip."""
    index = torch.linspace(0, len(samples.clean) - 1, min(count, len(samples.clean))).long()
    generator = torch.Generator().manual_seed(1)
    starts = torch.searchsorted(samples.clip, samples.clip)
    ends = torch.searchsorted(samples.clip, samples.clip, right=True)
    other = torch.stack([_far_frame(samples, i, starts, ends, generator) for i in index])
    chosen = samples.part(index)
    return {
        "clean": chosen.clean.float(),
        "aligned": chosen.aligned.float(),
        "context": chosen.context.float(),
        "lip_map": chosen.lip_map.permute(0, 3, 1, 2).float() / 255.0,
        "motion": chosen.motion,
        "reference": samples.clean[other].float(),
    }


def conditions_of(network: Renderer, batch: Batch) -> Conditions:
    sizes = network.sizes
    return Conditions(
        motion=batch["motion"],
        context=batch["context"],
        reference=network.reference(batch["reference"]),
        aligned=batch["aligned"] if sizes.aligned else None,
        lip_map=batch["lip_map"] if sizes.lip_map else None,
    )


@torch.no_grad()
def render_samples(
    network: Renderer,
    autoencoder: Any,
    samples: RendererSamples,
    prediction: Prediction,
    reference: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower halves `[N, 3, 128, 256]` in [-1, 1] that the network renders from pure noise, and the
    decoded truth. `reference` `[1, C, 64, 64]` is the reference face of all."""
    rendered: list[Tensor] = []
    truth: list[Tensor] = []
    for start in range(0, len(samples.clean), 8):
        index = torch.arange(start, min(start + 8, len(samples.clean)))
        batch = check_batch(samples.part(index), len(index))
        if reference is not None:
            batch["reference"] = reference.float().expand(len(index), -1, -1, -1)
        latents = _sample(network, batch, prediction)
        for rows, out in ((latents, rendered), (batch["clean"], truth)):
            out.append(_decode_lower(autoencoder, network.sizes, batch["clean"], rows))
    return torch.cat(rendered), torch.cat(truth)


def _sample(network: Renderer, batch: Batch, prediction: Prediction) -> Tensor:
    """Lower latents in a few steps from pure noise, the same for all frames."""
    sizes = network.sizes
    noise = shared_noise((sizes.latent_channels, sizes.rows, LATENT_SIDE), 0)
    with torch.autocast("cpu", torch.bfloat16):
        conditions = conditions_of(network, batch)
        return sample(
            lambda noisy, steps: network(noisy, steps, conditions).float(),
            noise.expand(len(batch["clean"]), -1, -1, -1),
            Sampling("dpmpp", 4 if prediction == "sample" else 20),
            prediction,
        )


def _decode_lower(autoencoder: Any, sizes: RendererSizes, clean: Tensor, rows: Tensor) -> Tensor:
    """The lower half of pictures whose lower latent is `rows` (its last ones count)."""
    upper = clean[:, :, sizes.top : sizes.top + sizes.context]
    with torch.autocast("cpu", torch.bfloat16):
        decoded = autoencoder.decode(torch.cat([upper, rows[:, :, -sizes.rows :]], dim=2))
    lower: Tensor = decoded.float()[:, :, -(CROP - LOWER) :]
    return lower


@torch.no_grad()
def draw_sheet(
    network: Renderer,
    autoencoder: Any,
    samples: RendererSamples,
    config: RendererTraining,
    path: Path,
    columns: int = 8,
) -> None:
    """A PNG of lower halves: the truth, what the network renders, the aligned reference."""
    batch = check_batch(samples, columns)
    rows = {"truth": batch["clean"], "rendered": _sample(network, batch, config.prediction)}
    if network.sizes.aligned:
        rows["aligned reference"] = batch["aligned"]
    cells = [
        [_to_cell(p) for p in _decode_lower(autoencoder, network.sizes, batch["clean"], latents)]
        for latents in rows.values()
    ]
    labels = [str(number) for number in range(len(batch["clean"]))]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, lay_out(cells, labels, list(rows)))


def _to_cell(picture: Tensor) -> NDArray[np.uint8]:
    """A picture `[3, H, W]` in [-1, 1] in the middle of a sheet's cell."""
    image = (to_crops(picture).numpy() * 255).round().astype(np.uint8)
    scale = CELL / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    top = (CELL - small.shape[0]) // 2
    cell[top : top + small.shape[0], : small.shape[1]] = small
    return cell
