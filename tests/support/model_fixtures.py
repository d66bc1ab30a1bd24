"""Small stand-ins for what training makes: a face of 468 points, its face model, model folders.

Heavy modules are imported inside the fixtures, so that tests which need none stay fast.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stylesync_engine.faces.face_model import FaceModel
    from stylesync_engine.plan.plan import Plan

Array = NDArray[np.float32]

IDENTITIES, EXPRESSIONS = 6, 20
_CENTRE = {168: 0.0, 6: 0.13, 197: 0.25, 195: 0.35, 5: 0.45, 4: 0.54, 1: 0.6, 2: 0.72}
_CENTRE |= {8: -0.12, 9: -0.2, 151: -0.4}
_RIGHT = {33: (0.5, 0.0), 160: (0.42, -0.06), 158: (0.3, -0.06), 133: (0.2, 0.02)}
_RIGHT |= {153: (0.3, 0.05), 144: (0.42, 0.05)}
_RIGHT |= {70: (0.62, -0.2), 63: (0.5, -0.28), 105: (0.38, -0.3), 66: (0.27, -0.28)}
_RIGHT |= {107: (0.15, -0.24), 98: (0.12, 0.7), 97: (0.06, 0.715), 129: (0.2, 0.62)}
_LEFT_OF = {33: 263, 160: 387, 158: 385, 133: 362, 153: 380, 144: 373, 70: 300, 63: 293}
_LEFT_OF |= {105: 334, 66: 296, 107: 336, 98: 327, 97: 326, 129: 358}


def front_of_face() -> Array:
    """A face seen from the front, `[468, 2]`: outer eye distance 1, origin between the eyes, the
    landmarks that the engine names where they belong, the others spread over the face."""
    from stylesync_engine.faces.face_model import FACE_OVAL, LIPS

    points = np.full((468, 2), np.nan)
    turn = np.arange(36) * 2 * np.pi / 36
    points[list(FACE_OVAL)] = np.stack([0.95 * np.sin(turn), 0.45 - 1.15 * np.cos(turn)], axis=1)
    for first, width, low, high in ((0, 0.35, 0.16, 0.13), (20, 0.26, 0.01, 0.01)):
        along = np.arange(20) * np.pi / 10
        height = np.where(np.arange(20) <= 10, low, high) * np.sin(along)
        points[list(LIPS[first : first + 20])] = np.stack([-width * np.cos(along), 1 + height], 1)
    for index, y in _CENTRE.items():
        points[index] = 0, y
    for index, (x, y) in _RIGHT.items():
        points[index] = -x, y
        points[_LEFT_OF[index]] = x, y
    spread = np.arange(1, 2000)
    radius, angle = np.sqrt((spread * 0.0137) % 1) * 0.93, spread * 2.399963
    free = np.stack([0.95 * radius * np.sin(angle), 0.45 - 1.15 * radius * np.cos(angle)], axis=1)
    free = free[(np.abs(free[:, 0]) > 0.4) | (np.abs(free[:, 1] - 1) > 0.2)]
    rest = np.flatnonzero(np.isnan(points[:, 0]))
    points[rest] = free[: len(rest)]
    return points.astype(np.float32)


@pytest.fixture(scope="session")
def face() -> Array:
    """The same in a crop, in px."""
    from stylesync_engine.mouth.crop import CROP, EYE_DISTANCE, EYES_ROW

    return front_of_face() * EYE_DISTANCE + np.array([CROP / 2, EYES_ROW], np.float32)


def depth_of(points: Array) -> Array:
    """z (away from the camera) of points `[..., 2]` on the face: an egg with a nose."""
    x, y = points[..., 0], points[..., 1]
    egg = 0.7 * (x / 0.95) ** 2 + 0.3 * ((y - 0.45) / 1.15) ** 2 - 0.1
    nose = 0.35 * np.exp(-((x / 0.12) ** 2) - ((y - 0.55) / 0.25) ** 2)
    return np.asarray(egg - nose, np.float32)


def smooth_field(points: Array, seed: int, size: float = 0.03) -> Array:
    """A slow movement of the face, `[N, 3]` at points `[N, 2 or 3]`."""
    numbers = np.random.default_rng(seed)
    waves, phases = numbers.normal(size=(3, 4, 2)), numbers.uniform(0, 6.28, (3, 4))
    angles = np.einsum("cwd,nd->ncw", 1.8 * waves, points[:, :2]) + phases
    return np.asarray(size * np.sin(angles).mean(axis=2), np.float32)


def jaw_field(points: Array, size: float = 0.06) -> Array:
    """The mouth opens: what lies below the line between the lips goes down, `[N, 3]`."""
    x, y = points[:, 0], points[:, 1]
    drop = np.where(y > 1.0 + 1e-4, np.clip(1 - (x / 0.5) ** 2, 0, 1), 0) * size
    return np.stack([0 * drop, drop, 0.3 * drop], axis=1).astype(np.float32)


def make_face_model(identities: int = IDENTITIES, expressions: int = EXPRESSIONS) -> FaceModel:
    """A face model whose first component opens the mouth and whose others are slow waves."""
    from scipy.spatial import Delaunay

    from stylesync_engine.faces.face_model import MOUTH, FaceModel

    front = front_of_face()
    mean = np.column_stack([front, depth_of(front)]).astype(np.float32)
    ramp = np.clip((mean[:, 1] - mean[2, 1]) / (mean[0, 1] - mean[2, 1]), 0, 1)
    support = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    mouth = [jaw_field(mean), *(smooth_field(mean, 100 + k) for k in range(MOUTH - 1))]
    others = [smooth_field(mean, 200 + k) for k in range(expressions - MOUTH)]
    return FaceModel(
        mean=mean,
        identity=np.stack([smooth_field(mean, 300 + k, 0.05) for k in range(identities)]),
        expression=np.concatenate([np.stack(mouth) * support[:, None], np.stack(others)]),
        support=support,
        triangles=Delaunay(mean[:, :2]).simplices.astype(np.int32),
    )


def make_parts(paper: bool = False) -> dict[str, Any]:
    """The arguments of `save_models` with tiny random networks of the starter's or paper's kind."""
    import torch

    from stylesync_engine.models.autoencoder import (
        PAPER_VQ,
        AutoencoderSizes,
        PaperAutoencoder,
        StarterAutoencoder,
    )
    from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
    from stylesync_engine.models.renderer import PAPER_SIZES, Renderer, RendererSizes
    from stylesync_engine.speech.log_mel import LogMelFrontEnd

    torch.manual_seed(0)
    front_end = LogMelFrontEnd()
    reference: Any = "audio-aware" if paper else "none"
    lips = LipMotionSizes(front_end.dim, 32, 4, 64, 1, 1, reference=reference)
    small = {"heads": 2, "code": 32, "identity": IDENTITIES, "blocks": 1}
    autoencoder: PaperAutoencoder | StarterAutoencoder
    if paper:
        sizes = dataclasses.replace(PAPER_SIZES, widths=(8, 16, 16, 16), **small)
        vq = {"block_out_channels": [8, 8, 8], "norm_num_groups": 4, "num_vq_embeddings": 32}
        autoencoder = PaperAutoencoder({**PAPER_VQ, **vq, "layers_per_block": 1})
    else:
        sizes = RendererSizes(widths=(16, 32), attention=(1,), **small)
        autoencoder = StarterAutoencoder(AutoencoderSizes(4, 4, 16, 1, 16, 1))
    renderer = Renderer(sizes)
    for parameter in renderer.parameters():  # else its zero layers would make every output alike
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return {
        "face_model": make_face_model(),
        "front_end": front_end,
        "lip_motion": LipMotionNetwork(lips),
        "autoencoder": autoencoder,
        "renderer": renderer,
    }


def make_plan(face: Array, count: int = 1, **fields: Any) -> Plan:
    """A plan of `count` frames that show this face `[468, 2]` and wish for nothing else."""
    from stylesync_engine.plan.plan import Plan
    from stylesync_engine.request import DubRequest, FrameRange

    return Plan(**{
        "request": DubRequest("a.mov", "s.wav", "o.mov"),
        "frames": FrameRange(0, count),
        "fingerprint": "f" * 64,
        "shown": np.arange(count),
        "matrices": np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1)),
        "before": np.stack([face] * count),
        "after": np.stack([face] * count),
        "motion": np.zeros((count, 5, 20), np.float32),
        "references": np.zeros((count, 2), np.int64),
        "shares": np.tile(np.array([1, 0], np.float32), (count, 1)),
        "lacking": np.zeros(count, np.float32),
        "hidden": np.zeros((count, 16, 32), np.uint8),
        "mesh": face,
        **fields,
    })  # fmt: skip


@pytest.fixture(scope="session")
def face_model() -> FaceModel:
    return make_face_model()


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny random models of the starter's kind; do not write into it."""
    from stylesync_engine.weights.loading import save_models

    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_models(folder, name="tiny", **make_parts())
    return folder


@pytest.fixture(scope="session")
def tiny_paper_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the paper's kind: VQ autoencoder, noise prediction, 200 DDIM steps."""
    from stylesync_engine.weights.loading import save_models

    folder = tmp_path_factory.mktemp("models") / "tiny-paper"
    settings: dict[str, Any] = {"prediction": "epsilon", "style_reading": "network"}
    save_models(folder, name="tiny-paper", **settings, **make_parts(paper=True))
    return folder


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models directory of the user's."""
    folder = tmp_path / "own models"
    monkeypatch.setenv("STYLESYNC_MODELS", str(folder))
    return folder
