"""OpenEXR images: float pictures, their windows, layers and what VFX pipelines write into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stylesync_engine.media.containers import check_size
from stylesync_engine.pictures.colour import linear_space_of, primaries_of
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import MediaError

Layer = npt.NDArray[np.float32]
_COLOURS: Final = ("R", "G", "B")
_FIELD: Final = 1 << 15
"""The field bit of a time code, as OpenEXR packs it."""
_MOST_LABELS: Final = 40
"""A time code's tens of frames have two bits."""


@dataclass(frozen=True, slots=True)
class ExrImage:
    """A picture and what its file says; `codec` is `exr-half` or `exr-float`, `display` the
    display window's left and top px."""

    image: PixelImage
    codec: str
    rate: Fraction | None
    timecode: str | None
    reel: str | None
    sample_aspect: Fraction
    display: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ExrPart:
    """Channels `[h, w, C]` with their names; `corner` is the data window's left and top px, counted
    from the display window's."""

    name: str
    channels: tuple[str, ...]
    pixels: Layer
    corner: tuple[int, int] = (0, 0)


def require_openimageio() -> Any:
    """The library. Raises MediaError, saying how to get it, where it is not installed."""
    try:
        import OpenImageIO
    except ImportError as error:
        raise MediaError(
            "EXR needs OpenImageIO, which is not installed; pip install 'stylesync[exr]'."
        ) from error
    return OpenImageIO


def read_exr(path: Path, rate: Fraction | None = None) -> ExrImage:
    """The picture of the first part that has one, in its display window; what lies around the data
    window is 0.

    `rate` is the sequence's, where it is known; its time code counts by it.
    """
    spec, numbers, pixels = _read_part(path)
    planes = [_in_display_window(pixels[:, :, number], spec) for number in numbers]
    name = "gbrapf32le" if len(planes) == 4 else "gbrpf32le"
    layout = layout_of(name, spec.full_height)
    layout = replace(layout, colour=linear_space_of(_numbers(spec, "chromaticities", 8)))
    ordered = (planes[1], planes[2], planes[0], *planes[3:])
    half = str(spec.format) == "half"
    own_rate = _rate_of(spec)
    return ExrImage(
        PixelImage(ordered, layout),
        "exr-half" if half else "exr-float",
        own_rate,
        _timecode_of(spec, rate or own_rate),
        reel if isinstance(reel := spec.getattribute("reelName"), str) else None,
        _aspect_of(spec),
        (spec.full_x, spec.full_y),
    )


def with_surroundings(path: Path, shown: Layer) -> tuple[Layer, tuple[int, int]]:
    """A display window's picture `[h, w, C]` in the data window of the file that it was read from:
    what that holds beyond the display stays as it is. Also the data window's corner, px from the
    display window's."""
    spec, numbers, pixels = _read_part(path)
    whole = np.stack([pixels[:, :, number] for number in numbers], axis=2)
    if whole.shape[2] != shown.shape[2]:
        return shown, (0, 0)
    in_data, in_display = _shared(spec)
    whole[in_data] = shown[in_display]
    return whole, (spec.x - spec.full_x, spec.y - spec.full_y)


def _read_part(path: Path) -> tuple[Any, list[int], Layer]:
    """The description of the first part with a picture, its data window with the picture's
    channels, and which of its planes these are."""
    oiio = require_openimageio()
    with _plainly_named(path) as name:
        file = oiio.ImageInput.open(name)
    if file is None:
        with suppress(UnicodeDecodeError):  # it quotes what the file says
            oiio.geterror()  # else it is printed later
        raise MediaError(f"'{path}' is no EXR image or is damaged; export it again.")
    try:
        part, spec, numbers = _part_with_picture(file, path)
        first, end = min(numbers), max(numbers) + 1
        for width, height in ((spec.width, spec.height), (spec.full_width, spec.full_height)):
            check_size(path, width, height * max(1, (end - first) // 4))
        pixels = file.read_image(part, 0, first, end, oiio.FLOAT)
    finally:
        file.close()
    if pixels is None:
        raise MediaError(f"'{path}' is damaged; export it again.")
    return spec, [number - first for number in numbers], pixels


@contextmanager
def _plainly_named(path: Path) -> Iterator[str]:
    """A name of the file that the library takes: it knows no others than those in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with TemporaryDirectory() as folder:
            link = Path(folder) / "image.exr"
            link.symlink_to(path.absolute())
            yield str(link)
    else:
        yield str(path)


def write_exr(
    path: Path, parts: Sequence[ExrPart], size: tuple[int, int], half: bool, facts: dict[str, Any]
) -> None:
    """Write parts that share a display window of `size`, width and height in px.

    `facts` may hold colour, rate, timecode, reel, sample_aspect and display, the display window's
    left and top px. Losslessly compressed (ZIP by sixteen lines). Raises MediaError for what cannot
    be written.
    """
    oiio = require_openimageio()
    specs = [_spec_of(oiio, part, size, half, facts, len(parts) > 1) for part in parts]
    with _plainly_named(path) as name:
        _write_parts(oiio, name, parts, specs)


def _write_parts(oiio: Any, path: str, parts: Sequence[ExrPart], specs: Sequence[Any]) -> None:
    file = oiio.ImageOutput.create(path)
    try:
        opened = file.open(path, list(specs)) if len(specs) > 1 else file.open(path, specs[0])
        for number, (part, spec) in enumerate(zip(parts, specs, strict=True)):
            if number:
                opened = opened and file.open(path, spec, "AppendSubimage")
            opened = opened and file.write_image(np.ascontiguousarray(part.pixels, np.float32))
        if not opened:
            raise OSError(f"{path}: {file.geterror()}")
    finally:
        file.close()


def _part_with_picture(file: Any, path: Path) -> tuple[int, Any, list[int]]:
    """The number of the first part that has channels of a picture, its description, and which these
    are."""
    part = 0
    while file.seek_subimage(part, 0):
        spec = file.spec()
        if numbers := _picture_channels(list(spec.channelnames)):
            return part, spec, numbers
        part += 1
    raise MediaError(f"'{path}' has no channels R, G and B; export the picture's layer.")


def _picture_channels(names: list[str]) -> list[int]:
    """Where R, G, B and A lie, of the picture itself or else of its first layer; Y is gray."""
    names = [layer + dot + name.upper() for layer, dot, name in (n.rpartition(".") for n in names)]
    for prefix in dict.fromkeys(["", *(name.rpartition(".")[0] + "." for name in names)]):
        wanted = [f"{prefix}{colour}" for colour in (*_COLOURS, "A")]
        if all(name in names for name in wanted[:3]):
            return [names.index(name) for name in wanted if name in names]
    if "Y" in names:
        return [names.index("Y")] * 3
    return []


def _in_display_window(plane: Layer, spec: Any) -> Layer:
    """A channel of the data window as the display window shows it."""
    shown = (spec.full_x, spec.full_y, spec.full_width, spec.full_height)
    if shown == (spec.x, spec.y, spec.width, spec.height):
        return np.ascontiguousarray(plane)
    whole = np.zeros((spec.full_height, spec.full_width), np.float32)
    in_data, in_display = _shared(spec)
    whole[in_display] = plane[in_data]
    return whole


def _shared(spec: Any) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns that data and display window share, as each counts them."""
    left, top = max(spec.x, spec.full_x), max(spec.y, spec.full_y)
    right = max(left, min(spec.x + spec.width, spec.full_x + spec.full_width))
    bottom = max(top, min(spec.y + spec.height, spec.full_y + spec.full_height))
    return (
        (slice(top - spec.y, bottom - spec.y), slice(left - spec.x, right - spec.x)),
        (
            slice(top - spec.full_y, bottom - spec.full_y),
            slice(left - spec.full_x, right - spec.full_x),
        ),
    )


def _spec_of(
    oiio: Any, part: ExrPart, size: tuple[int, int], half: bool, facts: dict[str, Any], named: bool
) -> Any:
    rows, columns = part.pixels.shape[:2]
    spec = oiio.ImageSpec(columns, rows, len(part.channels), oiio.HALF if half else oiio.FLOAT)
    spec.channelnames = part.channels
    spec.full_x, spec.full_y = facts.get("display", (0, 0))
    spec.x, spec.y = part.corner[0] + spec.full_x, part.corner[1] + spec.full_y
    spec.full_width, spec.full_height = size
    spec.attribute("compression", "zip")
    if named:
        spec.attribute("oiio:subimagename", part.name)
    spec.attribute(
        "chromaticities", oiio.TypeDesc("float[8]"), primaries_of(facts.get("colour", "linear"))
    )
    if rate := facts.get("rate"):
        kind = oiio.TypeDesc("rational")
        spec.attribute("FramesPerSecond", kind, (rate.numerator, rate.denominator))
        timecode = facts.get("timecode")
        if timecode and rate <= 2 * _MOST_LABELS:
            packed = _packed(timecode, _counts_pairs(rate))
            spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), packed)
    if reel := facts.get("reel"):
        spec.attribute("reelName", reel)
    spec.attribute("PixelAspectRatio", float(facts.get("sample_aspect", 1)))
    return spec


def _rate_of(spec: Any) -> Fraction | None:
    rate = _numbers(spec, "FramesPerSecond", 2)
    return Fraction(int(rate[0]), int(rate[1])) if rate and min(rate) >= 1 else None


def _aspect_of(spec: Any) -> Fraction:
    found = _numbers(spec, "PixelAspectRatio", 1)
    sensible = found and 0.01 <= found[0] <= 100
    return Fraction(found[0]).limit_denominator(1000) if found and sensible else Fraction(1)


def _numbers(spec: Any, name: str, count: int) -> tuple[float, ...] | None:
    """An attribute of so many finite numbers; None where it is missing or anything else."""
    try:
        found = np.ravel(np.asarray(spec.getattribute(name), np.float64))
    except (TypeError, ValueError):
        return None
    return tuple(found.tolist()) if len(found) == count and np.isfinite(found).all() else None


def _counts_pairs(rate: Fraction | None) -> bool:
    """Whether a label is that of two frames, which the field bit tells apart (ST 12-1)."""
    return rate is not None and rate > 30


def _timecode_of(spec: Any, rate: Fraction | None) -> str | None:
    """SMPTE ST 12-1 as text, from its packed bits."""
    told = spec.getattribute("smpte:TimeCode")
    if isinstance(told, str):
        return told
    packed = _numbers(spec, "smpte:TimeCode", 2)
    if packed is None:
        return None
    bits = int(packed[0])
    digits = [bits >> shift & 0xFF for shift in (24, 16, 8, 0)]
    masks = (0x3F, 0x7F, 0x7F, 0x3F)
    hours, minutes, seconds, frames = (
        (value & mask) // 16 * 10 + (value & mask) % 16
        for value, mask in zip(digits, masks, strict=True)
    )
    if rate and _counts_pairs(rate) and 2 * frames < rate:  # some write what they can of the label
        frames = 2 * frames + bool(bits & _FIELD)
    mark = ";" if bits & 0x40 else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frames:02d}"


def _packed(timecode: str, pairs: bool) -> tuple[int, int]:
    values = [int(timecode[at : at + 2]) for at in (0, 3, 6, 9)]
    bits = 0
    if pairs:
        values[3], second = divmod(values[3], 2)
    for value in values:
        bits = bits << 8 | value // 10 << 4 | value % 10
    field = _FIELD if pairs and second else 0
    return bits | (0x40 if timecode[8] == ";" else 0) | field, 0
