"""Colour spaces of pictures: to a display-referred view for the networks, and exactly back.

HDR, camera log and linear pictures are shown to the networks as a viewer would see them: light
relative to reference white, in BT.709 primaries, under a shoulder that keeps highlights, as a
display's signal of gamma 2.4. Every step has an inverse, so a mouth goes back to where the picture
lives. Ordinary display-referred pictures (BT.709, sRGB, SDR BT.2020) are their own view.

Sources: SMPTE ST 2084 and ITU-R BT.2100 (PQ, HLG), BT.2408 (reference white), BT.709, BT.1886;
the shoulder is Reinhard et al. 2002, equation 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stylesync_engine.request import MediaError, RequestError

FloatImage = npt.NDArray[np.float32]
Curve = Callable[[FloatImage], FloatImage]

DISPLAY: Final = "bt709"
"""Pictures that are their own view."""

_PRIMARIES: Final = {
    "bt709": (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    "bt2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "acescg": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
    "aces2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
}
"""x, y of red, green, blue and white."""

_WHITE_NITS: Final = 203.0
"""HDR reference white in cd/m² (BT.2408)."""
_HLG_WHITE: Final = 0.75
"""HDR reference white as an HLG signal (BT.2408)."""
_LINEAR_PEAK: Final = 16.0
"""Light, relative to reference white, that linear and log pictures are shown up to."""
_GAMMA: Final = 2.4

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """`to_linear` gives light in BT.709 primaries, 1 at reference white; `peak` is the most that
    the view shows."""

    name: str
    to_linear: Curve
    from_linear: Curve
    peak: float

    def to_view(self, rgb: FloatImage) -> FloatImage:
        """Pictures `[h, w, 3]` in this space -> display signal 0..1 (more beyond the peak)."""
        light = np.maximum(self.to_linear(rgb), 0)
        shown = light * (1 + light / np.float32(self.peak**2)) / (1 + light)
        return np.asarray(shown ** np.float32(1 / _GAMMA), np.float32)

    def from_view(self, rgb: FloatImage) -> FloatImage:
        """The inverse, for a signal of 0..1."""
        shown = np.clip(rgb, 0, 1).astype(np.float64) ** _GAMMA
        dark = 1 - shown
        light = self.peak**2 / 2 * (np.sqrt(dark**2 + 4 * shown / self.peak**2) - dark)
        return self.from_linear(light.astype(np.float32))


@lru_cache(maxsize=8)
def find_space(name: str) -> ColourSpace:
    """A space by our name or by one of OpenColorIO's. Raises RequestError for an unknown one."""
    if name in _BUILT_IN:
        primaries, decode, encode, peak = _BUILT_IN[name]
        to_709 = _change_of_primaries(primaries, "bt709")
        from_709 = np.asarray(np.linalg.inv(to_709), np.float64)
        return ColourSpace(
            name,
            lambda rgb: _mix(decode(rgb), to_709),
            lambda light: encode(_mix(light, from_709)),
            peak,
        )
    return _camera_space(name)


def check_space(name: str) -> None:
    """Raises RequestError for a name that is no colour space, MediaError where OpenColorIO would
    be needed to know."""
    if name != DISPLAY:
        find_space(name)


def space_of_tags(primaries: int, transfer: int, matrix: int) -> str:
    """The space of a picture by its tags of ITU-T H.273; its own view where they say no more."""
    if transfer == 16:
        return "pq"
    if transfer == 18:
        return "hlg"
    if transfer == 8:
        return "linear-bt2020" if primaries == 9 else "linear"
    return DISPLAY


def is_ambiguous(primaries: int, transfer: int, matrix: int) -> bool:
    """Whether tags speak of a wide gamut and leave open whether it is HDR."""
    return transfer in (0, 2) and (primaries == 9 or matrix in (9, 10))


def linear_of(name: str) -> str:
    """The space that holds the light of another one."""
    if name in ("pq", "hlg"):
        return "linear-bt2020"
    return name if name in _BUILT_IN and _BUILT_IN[name][1] is _keep else "linear"


def primaries_of(name: str) -> tuple[float, ...]:
    """x, y of red, green, blue and white, as EXR states them."""
    return _PRIMARIES[_BUILT_IN[name][0] if name in _BUILT_IN else "bt709"]


def linear_space_of(chromaticities: tuple[float, ...] | None) -> str:
    """The linear space that an EXR's chromaticities name; BT.709 where there are none."""
    for name in ("linear-bt2020", "acescg", "aces2065-1"):
        if chromaticities and np.allclose(chromaticities, primaries_of(name), atol=2e-3):
            return name
    return "linear"


def _decode_pq(signal: FloatImage) -> FloatImage:
    power = np.clip(signal, 0, 1).astype(np.float64) ** (1 / _M2)
    nits = 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return (nits / _WHITE_NITS).astype(np.float32)


def _encode_pq(light: FloatImage) -> FloatImage:
    power = (np.clip(light.astype(np.float64) * _WHITE_NITS / 10000, 0, 1)) ** _M1
    return (((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2).astype(np.float32)


def _decode_hlg(signal: FloatImage) -> FloatImage:
    return np.asarray(_scene_of_hlg(signal) / _scene_of_hlg(np.float64(_HLG_WHITE)), np.float32)


def _scene_of_hlg(signal: Any) -> Any:
    value = np.clip(signal, 0, 1.2)
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - _C) / _A) + _B) / 12)


def _encode_hlg(light: FloatImage) -> FloatImage:
    scene = np.maximum(light.astype(np.float64), 0) * _scene_of_hlg(np.float64(_HLG_WHITE))
    low = np.sqrt(3 * np.minimum(scene, 1 / 12))
    high = _A * np.log(np.maximum(12 * scene, 1) - _B) + _C
    return np.asarray(np.where(scene <= 1 / 12, low, high), np.float32)


def _decode_bt709(signal: FloatImage) -> FloatImage:
    low = signal / np.float32(4.5)
    high = (np.maximum(signal, 0.081) + np.float32(0.099)) / np.float32(1.099)
    return np.where(signal < 0.081, low, high ** np.float32(1 / 0.45)).astype(np.float32)


def _encode_bt709(light: FloatImage) -> FloatImage:
    high = np.float32(1.099) * np.maximum(light, 0.018) ** np.float32(0.45) - np.float32(0.099)
    return np.where(light < 0.018, light * np.float32(4.5), high).astype(np.float32)


def _keep(values: FloatImage) -> FloatImage:
    return values


_BUILT_IN: Final[dict[str, tuple[str, Curve, Curve, float]]] = {
    DISPLAY: ("bt709", _decode_bt709, _encode_bt709, 1.0),
    "pq": ("bt2020", _decode_pq, _encode_pq, 10000 / _WHITE_NITS),
    "hlg": ("bt2020", _decode_hlg, _encode_hlg, float(1 / _scene_of_hlg(_HLG_WHITE))),
    "linear": ("bt709", _keep, _keep, _LINEAR_PEAK),
    "linear-bt2020": ("bt2020", _keep, _keep, _LINEAR_PEAK),
    "acescg": ("acescg", _keep, _keep, _LINEAR_PEAK),
    "aces2065-1": ("aces2065-1", _keep, _keep, _LINEAR_PEAK),
}


def _mix(rgb: FloatImage, matrix: npt.NDArray[np.float64]) -> FloatImage:
    return np.asarray(rgb @ matrix.T.astype(np.float32), np.float32)


def _change_of_primaries(source: str, target: str) -> npt.NDArray[np.float64]:
    """`[3, 3]`: linear light in one set of primaries -> in another, white to white."""
    return np.asarray(np.linalg.inv(_to_xyz(target)) @ _to_xyz(source), np.float64)


def _to_xyz(name: str) -> npt.NDArray[np.float64]:
    """`[3, 3]`: RGB -> XYZ relative to the space's own white (SMPTE RP 177)."""
    points = np.array(_PRIMARIES[name]).reshape(4, 2)
    columns = np.stack([[x / y, 1, (1 - x - y) / y] for x, y in points], axis=1)
    scales = np.linalg.solve(columns[:, :3], columns[:, 3])
    # Relative to white, so that white goes to white between D65 and ACES' D60.
    return np.asarray(columns[:, :3] * scales / columns[:, 3:], np.float64)


def _camera_space(name: str) -> ColourSpace:
    """One of the spaces of OpenColorIO's studio configuration, camera logs among them."""
    try:
        import PyOpenColorIO
    except ImportError as error:
        raise MediaError(
            f"The colour space '{name}' needs OpenColorIO; pip install 'stylesync[exr]', or give"
            f" one of {', '.join(_BUILT_IN)}."
        ) from error
    config = PyOpenColorIO.Config.CreateFromFile("ocio://studio-config-latest")
    if config.getColorSpace(name) is None:
        cameras = [n for n in config.getColorSpaceNames() if "Log" in n]
        raise RequestError(
            f"'{name}' is no colour space; give one of {', '.join(_BUILT_IN)}, or of"
            f" OpenColorIO's, such as {', '.join(cameras[:6])}."
        )
    light = "Linear Rec.709 (sRGB)"
    there, back = (
        config.getProcessor(*pair).getDefaultCPUProcessor()
        for pair in ((name, light), (light, name))
    )
    return ColourSpace(name, lambda v: _apply(there, v), lambda v: _apply(back, v), _LINEAR_PEAK)


def _apply(processor: Any, rgb: FloatImage) -> FloatImage:
    values = np.ascontiguousarray(rgb, np.float32).copy()
    processor.applyRGB(values)
    return values
