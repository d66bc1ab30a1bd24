"""Measures that are only what they are called with their published weights: LPIPS, FID, SyncScore.

The weights may not be shipped. Whoever has them names their folder, in `STYLESYNC_MEASURES` or
with `--measures`; what is missing there is left out of the tables, and `missing()` says how to
get it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.media import read_audio, read_frames
from stylesync_engine.request import MediaError, ModelError

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

ALEXNET = "alexnet-owt-7be5be79.pth"
LPIPS = "alex.pth"
INCEPTION = "inception-2015-12-05.pt"
SYNCNET = "syncnet_v2.model"
_NEEDED = {
    "LPIPS": ((ALEXNET, LPIPS), "torchvision's AlexNet and the linear layers of lpips 0.1"),
    "FID": ((INCEPTION,), "the TorchScript Inception of the StyleGAN3 metrics"),
    "SyncScore": ((SYNCNET,), "SyncNet's published weights"),
}
_SYNC_FRAMES, _SYNC_SHIFT, _SYNC_SIDE = 5, 15, 224


@dataclass(slots=True)
class Published:
    """The measures whose weights lie in `folder`."""

    folder: Path | None = None
    _networks: dict[str, Any] = field(default_factory=dict)

    def available(self) -> list[str]:
        return [name for name, (files, _) in _NEEDED.items() if self._has(files)]

    def missing(self) -> list[str]:
        """One sentence for each measure whose weights are not there."""
        place = self.folder or "a folder that STYLESYNC_MEASURES or --measures names"
        return [
            f"{name} is left out: put {' and '.join(files)} ({what}) into {place}."
            for name, (files, what) in _NEEDED.items()
            if not self._has(files)
        ]

    def pictures(self, made: Image, truth: Image) -> dict[str, float]:
        """LPIPS (AlexNet) of pairs and FID of the two sets, `[T, H, W, 3]` both."""
        figures = {}
        if "LPIPS" in self.available():
            figures["LPIPS"] = self._lpips()(made, truth)
        if "FID" in self.available() and len(made) > 1:
            features = [self._inception(pictures) for pictures in (made, truth)]
            figures["FID"] = frechet_distance(*features)
        return figures

    def sync(self, video: Path, landmarks: NDArray[np.float32]) -> dict[str, float]:
        """LSE-C and LSE-D of a video with its own sound."""
        if "SyncScore" not in self.available():
            return {}
        if "SyncScore" not in self._networks:
            self._networks["SyncScore"] = read_syncnet(self._path(SYNCNET))
        try:
            return sync_score(self._networks["SyncScore"], video, landmarks)
        except MediaError:
            return {}

    def _has(self, files: tuple[str, ...]) -> bool:
        return self.folder is not None and all((self.folder / f).is_file() for f in files)

    def _path(self, name: str) -> Path:
        if self.folder is None:
            raise ModelError(f"{name} is missing; name its folder with --measures.")
        return self.folder / name

    def _lpips(self) -> LpipsDistance:
        if "LPIPS" not in self._networks:
            files = self._path(ALEXNET), self._path(LPIPS)
            self._networks["LPIPS"] = LpipsDistance(*map(_read_state, files))
        network: LpipsDistance = self._networks["LPIPS"]
        return network

    @torch.no_grad()
    def _inception(self, pictures: Image) -> Array:
        """Inception's pool features `[T, 2048]`."""
        if "FID" not in self._networks:
            self._networks["FID"] = torch.jit.load(str(self._path(INCEPTION))).eval()
        network = self._networks["FID"]
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        parts = [network(batch[i : i + 16], return_features=True) for i in range(0, len(batch), 16)]
        return np.asarray(torch.cat(parts).double().numpy())


def find_published(folder: Path | None) -> Published:
    """The measures of a folder, of `STYLESYNC_MEASURES` where none is given."""
    named = os.environ.get("STYLESYNC_MEASURES")
    return Published(folder or (Path(named).expanduser() if named else None))


class LpipsDistance(nn.Module):
    """LPIPS 0.1 with AlexNet (Zhang et al. 2018)."""

    def __init__(self, alexnet: dict[str, Tensor], linear: dict[str, Tensor]) -> None:
        super().__init__()
        layers = [(3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1)]
        layers += [(384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, k, s, p) for a, b, k, s, p in layers)
        for layer, index in zip(self.layers, (0, 3, 6, 8, 10), strict=True):
            names = ("weight", "bias")
            layer.load_state_dict({n: alexnet[f"features.{index}.{n}"] for n in names})
        self.weights = [linear[f"lin{index}.model.1.weight"] for index in range(5)]
        self.shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
        self.scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, made: Image, truth: Image) -> float:
        """uint8 `[T, H, W, 3]` twice -> the mean distance."""
        total = []
        for a, b in zip(made, truth, strict=True):
            pair = torch.from_numpy(np.stack([a, b])).permute(0, 3, 1, 2).float() / 127.5 - 1
            total.append(self._distance((pair - self.shift) / self.scale))
        return float(np.mean(total))

    def _distance(self, x: Tensor) -> float:
        distance = 0.0
        for index, (layer, weight) in enumerate(zip(self.layers, self.weights, strict=True)):
            x = F.max_pool2d(x, 3, 2) if index in (1, 2) else x
            x = F.relu(layer(x))
            unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
            distance += float(F.conv2d((unit[:1] - unit[1:]).square(), weight).mean())
        return distance


def frechet_distance(one: Array, other: Array) -> float:
    """The Frechet distance of two sets of features `[T, D]` taken as Gaussians (Heusel 2017)."""
    means, covariances = zip(
        *((f.mean(axis=0), np.cov(f, rowvar=False)) for f in (one, other)), strict=True
    )
    covariances = tuple(np.atleast_2d(c) for c in covariances)
    root = np.real(np.asarray(sqrtm(covariances[0] @ covariances[1])))
    spread = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root)
    return float(((means[0] - means[1]) ** 2).sum() + spread)


class SyncNet(nn.Module):
    """SyncNet (Chung and Zisserman 2016), named as its published weights are."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv2(1, 64, 3, 1),
            nn.MaxPool2d(1, 1),
            *_conv2(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2(192, 384, 3, 1),
            *_conv2(384, 256, 3, 1),
            *_conv2(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_conv2(256, 512, (5, 4), 0),
        )
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_conv3(3, 96, (5, 7, 7), (1, 2, 2), 0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3(256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_conv3(256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_conv3(256, 256, (1, 3, 3), 1, (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3(256, 512, (1, 6, 6), 1, 0),
        )
        self.netfclip = _head()

    def hear(self, mfcc: Tensor) -> Tensor:
        """MFCC windows `[B, 1, 13, 20]` -> `[B, 1024]`."""
        out: Tensor = self.netfcaud(self.netcnnaud(mfcc).flatten(1))
        return out

    def see(self, faces: Tensor) -> Tensor:
        """Face windows `[B, 3, 5, 224, 224]` (BGR, 0..255) -> `[B, 1024]`."""
        out: Tensor = self.netfclip(self.netcnnlip(faces).flatten(1))
        return out


def read_syncnet(path: Path) -> SyncNet:
    """Raises ModelError where the file does not hold SyncNet's tensors."""
    network = SyncNet()
    try:
        network.load_state_dict(_read_state(path))
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold SyncNet's weights; fetch it again.") from error
    network.eval().requires_grad_(False)
    return network


@torch.no_grad()
def sync_score(network: SyncNet, video: Path, landmarks: NDArray[np.float32]) -> dict[str, float]:
    """LSE-D, the least mean distance over shifts of +-15 frames, and LSE-C, the median's distance
    from it, over windows of 5 frames at 25 Hz (the video's own rate has to be that)."""
    faces = _face_crops(video, landmarks)
    samples, _ = read_audio(str(video), sample_rate=16000, mono=True)
    coefficients = mfcc(samples[0].astype(np.float64) * 32768.0)  # [100 Hz, 13]
    count = min(len(faces), len(coefficients) // 4) - _SYNC_FRAMES
    if count < 1:
        return {}
    seen = [network.see(_window(faces, t)) for t in range(count)]
    heard = [
        network.hear(
            torch.from_numpy(coefficients[4 * t : 4 * t + 20].T.copy()).float()[None, None]
        )
        for t in range(count)
    ]
    return distances_to_score(torch.cat(seen), torch.cat(heard))


def distances_to_score(seen: Tensor, heard: Tensor) -> dict[str, float]:
    """LSE-C and LSE-D of embeddings `[T, D]` of pictures and of sound."""
    padded = F.pad(heard, (0, 0, _SYNC_SHIFT, _SYNC_SHIFT))
    shifts = range(2 * _SYNC_SHIFT + 1)
    means = torch.stack(
        [F.pairwise_distance(seen, padded[s : s + len(seen)]).mean() for s in shifts]
    )
    least = float(means.min())
    return {"LSE-C": float(means.median()) - least, "LSE-D": least}


def mfcc(samples: Array) -> Array:
    """13 mel cepstra at 100 Hz of 16 kHz samples, as SyncNet was trained with: pre-emphasis 0.97,
    25 ms windows, 512-point power spectrum, 26 bands, lifter 22, the first one log energy."""
    emphasised = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    frames = librosa.util.frame(np.pad(emphasised, (0, 400)), frame_length=400, hop_length=160).T
    power = np.abs(np.fft.rfft(frames, 512)) ** 2 / 512
    energy = np.log(np.maximum(power.sum(axis=1), np.finfo(float).eps))
    bands = np.log(np.maximum(power @ _mel_filters().T, np.finfo(float).eps))
    cepstra = dct(bands, type=2, axis=1, norm="ortho")[:, :13]
    cepstra = cepstra * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    cepstra[:, 0] = energy
    return np.asarray(cepstra)


def _mel_filters() -> Array:
    """26 triangles over 257 bins, corners on whole bins."""
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    corners = np.floor(513 * 700 * (10 ** (mels / 2595) - 1) / 16000)
    bins = np.arange(257)
    rising = (bins - corners[:-2, None]) / np.maximum(1, np.diff(corners)[:-1, None])
    falling = (corners[2:, None] - bins) / np.maximum(1, np.diff(corners)[1:, None])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def _face_crops(video: Path, landmarks: NDArray[np.float32]) -> list[Image]:
    """Square crops of 224 px around the face, BGR."""
    crops = []
    for frame in read_frames(str(video)):
        points = landmarks[frame.index, :, :2]
        if not np.isfinite(points).all():
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        side, centre = 1.4 * float((high - low).max()), (low + high) / 2
        scale = _SYNC_SIDE / side
        shift = _SYNC_SIDE / 2 - scale * centre
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        crop = cv2.warpAffine(frame.to_rgb(), matrix, (_SYNC_SIDE, _SYNC_SIDE))
        crops.append(np.asarray(crop[:, :, ::-1], np.uint8))
    return crops


def _window(faces: list[Image], first: int) -> Tensor:
    stacked = np.stack(faces[first : first + _SYNC_FRAMES])
    return torch.from_numpy(stacked).permute(3, 0, 1, 2).float()[None]


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what unpickling raises
        raise ModelError(f"{path} cannot be read as weights; fetch it again.") from error
    return state


def _conv2(a: int, b: int, kernel: int | tuple[int, int], pad: int) -> list[nn.Module]:
    return [nn.Conv2d(a, b, kernel, 1, pad), nn.BatchNorm2d(b), nn.ReLU()]


def _conv3(a: int, b: int, kernel: Any, stride: Any, pad: Any) -> list[nn.Module]:
    return [nn.Conv3d(a, b, kernel, stride, pad), nn.BatchNorm3d(b), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))
