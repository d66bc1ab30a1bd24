"""Overlays: laid over the source they are the composite, in numbers, in files and in ffmpeg."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clip_fixtures import MODELS, Ffmpeg
from numpy.typing import NDArray

from stylesync_engine.assembling.overlay import lift_changes, overlay_layout
from stylesync_engine.media import Frame, VideoInfo, VideoWriter, probe_video, read_frames
from stylesync_engine.pictures.converting import black_picture, convert
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec, DubOptions, DubRequest, FrameRange, RequestError

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models

Array = NDArray[np.float32]
WIDTH, HEIGHT, COUNT = 96, 72, 4
TEN_BIT = 1023.0


def noise_picture(name: str, seed: int = 0, **settings: Any) -> PixelImage:
    """Noise over all code values, or 0..1 in a floating format."""
    layout = layout_of(name, HEIGHT, **settings)
    random = np.random.default_rng(seed)
    planes = []
    for plane in black_picture(layout, WIDTH, HEIGHT).planes:
        values = random.random(plane.shape)
        planes.append(values * layout.peak if layout.floating else values * (layout.peak + 1))
    return PixelImage(tuple(plane.astype(layout.dtype) for plane in planes), layout)


def ramp_picture(name: str) -> PixelImage:
    """What a camera could see: a slow slope of colours, within the legal range."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    rgb = np.stack([0.2 + 0.5 * x / WIDTH, 0.3 + 0.4 * y / HEIGHT, 0.6 - 0.3 * x / WIDTH], axis=2)
    black = black_picture(layout_of(name, HEIGHT), WIDTH, HEIGHT)
    return black.blend_region((0, 0, WIDTH, HEIGHT), rgb, np.ones((HEIGHT, WIDTH), np.float32))


def soft_disc(size: int = 40) -> Array:
    """A matte `[size, size]` that falls from 1 to 0."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip(1.6 - np.hypot(x, y) / (size / 3.2), 0, 1).astype(np.float32)


def dubbed_picture(source: PixelImage, box: tuple[int, int, int, int], seed: int) -> PixelImage:
    colours = np.random.default_rng(seed).random((box[3] - box[1], box[2] - box[0], 3), np.float32)
    return source.blend_region(box, 0.25 + 0.5 * colours, soft_disc())


def colours_of(image: PixelImage) -> NDArray[np.float64]:
    """Code values `[3, H, W]` of a picture without subsampling, on the scale of 10 bit."""
    planes = np.stack([image.component(number) for number in range(3)]).astype(np.float64)
    return planes * TEN_BIT / image.layout.peak


def alpha_of(image: PixelImage) -> NDArray[np.float64]:
    return image.component(3).astype(np.float64) / image.layout.peak


def over(overlay: PixelImage, source: PixelImage) -> NDArray[np.float64]:
    """The overlay over the source, as every compositing program does it: floating pictures have
    their alpha multiplied in."""
    alpha = alpha_of(overlay)
    laid = colours_of(overlay) * (1 if overlay.layout.floating else alpha)
    return np.asarray(laid + (1 - alpha) * colours_of(convert(source, overlay.layout)))


@pytest.mark.parametrize("box", [(20, 15, 60, 55), (-12, 40, 28, 80), (70, -20, 110, 20)])
@pytest.mark.parametrize(
    "name",
    [
        *("yuv420p", "yuvj422p", "yuv411p", "yuv422p10le", "yuv444p12le", "yuv420p16le"),
        *("gray", "rgb24", "rgba", "gbrp10le", "gbrp16le", "gbrpf32le"),
    ],
)
def test_over_the_source_it_is_the_composite(name: str, box: tuple[int, int, int, int]) -> None:
    source = noise_picture(name)
    changed = dubbed_picture(source, box, 1)
    layout = overlay_layout(source.layout, HEIGHT)
    overlay = lift_changes(source, changed, box, soft_disc(), layout)
    want = colours_of(convert(changed, layout))
    assert np.abs(want - colours_of(convert(source, layout))).max() > 100
    assert layout.depth >= max(10, source.layout.depth)
    assert np.abs(over(overlay, source) - want).max() <= 0.51


def test_the_alpha_is_the_matte_and_nothing_lies_far_from_it() -> None:
    source, box = ramp_picture("yuv420p10le"), (20, 15, 60, 55)
    changed = source.blend_region(box, np.full((40, 40, 3), 0.5, np.float32), soft_disc())
    overlay = lift_changes(source, changed, box, soft_disc(), overlay_layout(source.layout, HEIGHT))
    alpha, matte = alpha_of(overlay), np.zeros((HEIGHT, WIDTH))
    matte[15:55, 20:60] = soft_disc()
    assert np.abs(alpha - matte).max() < 0.02
    assert alpha[matte > 0].min() > 0
    far = np.ones((HEIGHT, WIDTH), bool)
    far[13:57, 18:62] = False
    assert not alpha[far].any()


def test_a_mouth_beyond_the_picture_is_transparent() -> None:
    source, box = noise_picture("yuv420p"), (-900, -900, -860, -860)
    overlay = lift_changes(source, source, box, soft_disc(), overlay_layout(source.layout, HEIGHT))
    assert not overlay.component(3).any()
    assert overlay.size == (WIDTH, HEIGHT)
    assert set(np.unique(overlay.component(0))) == {64}
    assert set(np.unique(overlay.component(1))) == {512}


def made_overlay(
    path: Path, codec: Codec, name: str
) -> tuple[list[PixelImage], list[PixelImage], VideoInfo]:
    """Sources, composites, and the overlay between them in a file with rate and time code."""
    sources = [ramp_picture(name) for _ in range(COUNT)]
    rate = Fraction(30000, 1001)
    info = VideoInfo(
        "made", rate, COUNT, WIDTH, HEIGHT, sources[0].layout, "none", COUNT / rate, 1 / rate,
        timecode="01:00:00;02",
    )  # fmt: skip
    like = replace(info, layout=overlay_layout(info.layout, HEIGHT))
    composites = []
    with VideoWriter(path, like, codec) as writer:
        for index, source in enumerate(sources):
            box = (20 + index, 15, 60 + index, 55)
            smooth = np.full((40, 40, 3), 0.45 + 0.05 * index, np.float32)
            composites.append(source.blend_region(box, smooth, soft_disc()))
            lifted = lift_changes(source, composites[-1], box, soft_disc(), writer.layout)
            writer.write(Frame(index, index / rate, 1 / rate, lifted))
    return sources, composites, info


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "gbrp10le"])
@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("prores4444", ".mov")])
def test_in_a_file(codec: Codec, suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"overlay{suffix}"
    sources, composites, info = made_overlay(path, codec, name)
    found = probe_video(path)
    assert (found.frames, found.rate, found.timecode) == (COUNT, info.rate, info.timecode)
    assert found.has_alpha
    gaps = []
    for frame, source, composite in zip(read_frames(path), sources, composites, strict=True):
        want = colours_of(convert(composite, frame.image.layout))
        gaps.append(np.abs(over(frame.image, source) - want))
        assert alpha_of(frame.image).max() > 0.99
    # What a program that composites in 10 bit stores is within one code value.
    assert np.max(gaps) <= (0.51 if codec == "ffv1" else 1.49)
    assert np.sqrt(np.mean(np.square(gaps))) < 0.2


def ffmpeg_over(source: Path, overlay: Path) -> NDArray[np.uint16]:
    """`[T, 3, H, W]` in 10 bit: what ffmpeg makes of the two, by the overlay's alpha."""
    graph = (
        "[0]format=yuv444p10le[a];[1]split[b][c];[b]format=yuv444p10le[d];"
        "[c]extractplanes=a,mergeplanes=0x000000:yuv444p10le[e];[a][d][e]maskedmerge"
    )
    command = ["ffmpeg", "-v", "error", "-i", source, "-i", overlay, "-filter_complex", graph]
    command += ["-pix_fmt", "yuv444p10le", "-f", "rawvideo", "-"]
    out = subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout
    return np.frombuffer(out, "<u2").reshape(-1, 3, HEIGHT, WIDTH)


def test_ffmpeg_lays_it_over_the_source(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg("there.mkv", "-f", "lavfi", "-i", "color=s=16x16:d=0.1")
    overlay, clip = tmp_path / "overlay.mkv", tmp_path / "source.mkv"
    sources, composites, info = made_overlay(overlay, "ffv1", "yuv444p10le")
    with VideoWriter(clip, info, "ffv1") as writer:
        for index, source in enumerate(sources):
            writer.write(Frame(index, index / info.rate, 1 / info.rate, source))
    got = ffmpeg_over(clip, overlay).astype(int)
    assert len(got) == COUNT
    for picture, composite in zip(got, composites, strict=True):
        want = np.stack([composite.component(number) for number in range(3)]).astype(int)
        assert np.abs(picture - want).max() <= 1


def ask(video: Path, speech: Path, output: Path, **options: Any) -> DubRequest:
    settings = {"models": MODELS, "quality": "draft", "codec": "ffv1", "device": "cpu", **options}
    return DubRequest(
        str(video), str(speech), str(output), frames=FrameRange(4, 10),
        work=str(output.parent / "work"), options=DubOptions(**settings),
    )  # fmt: skip


@pytest.mark.parametrize("codec", ["ffv1", "prores4444", "png"])
def test_a_dub_as_an_overlay(
    codec: Codec, models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    from stylesync_engine import dubbing

    dubbing.dub(ask(talking, other_speech, tmp_path / "composite.mkv"), models)
    name = {"ffv1": "overlay.mkv", "prores4444": "overlay.mov", "png": "overlay.%04d.png"}[codec]
    options = {"codec": codec, "delivery": "overlay"}
    stages: list[str] = []
    result = dubbing.dub(
        ask(talking, other_speech, tmp_path / name, **options),
        models,
        lambda progress: stages.append(progress.stage),
    )
    assert set(stages) == {"render", "assemble"}, "the same windows serve both deliveries"
    assert (result.frames, result.changed) == (6, 6)
    if codec == "png":
        assert len(list(tmp_path.glob("overlay.*.png"))) == 6
        return
    composite = read_frames(tmp_path / "composite.mkv")
    source = read_frames(talking, FrameRange(4, 10))
    for shown, before, want in zip(read_frames(tmp_path / name), source, composite, strict=True):
        # FFV1 does not say where chroma lies; the source's codec does.
        composited = PixelImage(want.image.planes, before.image.layout)
        wanted = colours_of(convert(composited, shown.image.layout))
        gap = np.abs(over(shown.image, before.image) - wanted)
        assert alpha_of(shown.image).any()
        assert gap.max() <= (0.51 if codec == "ffv1" else 2.0)
        assert shown.time == want.time


def test_an_overlay_needs_a_codec_with_alpha() -> None:
    with pytest.raises(RequestError, match="alpha"):
        DubOptions(delivery="overlay", codec="h264")
