"""Real encodes of every kind through a dub and back: what is kept, measured, as a table.

    python packaging/encode_table.py [--clips DIR] [--only NAME] [--output packaging/encodes.md]

Each row is made by ffmpeg from a clip of a person who speaks, dubbed at good quality, and
compared with what was given by `stylesync_engine.review.comparing`; the overlay of the same dub
is laid over its source and compared with the composite. Needs the ffmpeg and melt programs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stylesync_engine import dubbing
from stylesync_engine.assembling.frames import excerpt_info
from stylesync_engine.media import Clip, Reading, VideoInfo, probe_video, read_audio, read_frames
from stylesync_engine.pictures.converting import convert
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec, DubOptions, DubRequest, FrameRange
from stylesync_engine.review.comparing import compare
from stylesync_engine.weights.loading import Models, load_models

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT.parent / "shared" / "data" / "clips"
DEMO = ROOT / "packaging" / "demo"
FRAMES = FrameRange(2, 8)
READING = Reading(rate=Fraction(25), deinterlace=True)
TEN_BIT = 1023.0
MELT_SECONDS = 20.0
MELT_TRIES = 8
"""melt now and then waits for ever, its result still empty: the thread that is to play had ended
before melt noted that it runs. Asked again, it plays."""
Planes = NDArray[np.float64]

BT709 = "-color_primaries bt709 -color_trc bt709 -colorspace bt709"
PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc"
HLG = "-color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc"
MXF_SOUND = "-ar 48000 -c:a pcm_s16le"


@dataclass(frozen=True)
class Encode:
    """One row: what ffmpeg is told to make of the clip, and how the dub of it is delivered."""

    name: str
    file: str
    make: str
    codec: Codec
    suffix: str
    overlay: Codec = "prores4444"
    filters: str = "crop=1280:960:320:0,scale=640:480"


ENCODES = [
    Encode("23.976 H.264 8 bit", "a.mp4", f"-r 24000/1001 -c:v libx264 -crf 12 {BT709}",
           "prores422hq", "mov"),
    Encode("24 ProRes 422 HQ 10 bit", "b.mov",
           f"-r 24 -c:v prores_ks -profile:v 3 -timecode 01:00:00:00 {BT709}", "ffv1", "mkv",
           "ffv1"),
    Encode("25 XDCAM 4:2:2 8 bit MXF", "c.mxf",
           f"-r 25 -c:v mpeg2video -pix_fmt yuv422p -b:v 50M -timecode 10:00:00:00 {MXF_SOUND}",
           "dnxhr", "mxf"),
    Encode("29.97 DF ProRes 4:2:2 10 bit", "d.mov",
           f"-r 30000/1001 -c:v prores_ks -profile:v 2 -timecode 00:59:59;20 {BT709}",
           "prores4444", "mov"),
    Encode("29.97 NDF DNxHR HQX 10 bit", "e.mov",
           "-r 30000/1001 -c:v dnxhd -profile:v dnxhr_hqx -pix_fmt yuv422p10le"
           f" -timecode 00:59:59:20 {BT709}", "prores422hq", "mov"),
    Encode("30 H.264 8 bit, full range", "f.mp4",
           "-r 30 -c:v libx264 -crf 12 -pix_fmt yuvj420p -color_range pc", "h264", "mp4"),
    Encode("50 HEVC 10 bit, PQ BT.2020", "g.mov",
           f"-r 50 -c:v libx265 -pix_fmt yuv420p10le -tag:v hvc1 {PQ}", "prores4444", "mov"),
    Encode("60 HEVC 4:2:2 10 bit, HLG BT.2020", "h.mov",
           f"-r 60 -c:v libx265 -pix_fmt yuv422p10le -tag:v hvc1 {HLG}", "ffv1", "mkv", "ffv1"),
    Encode("59.94 H.264 4:2:2 10 bit", "i.mov",
           f"-r 60000/1001 -c:v libx264 -pix_fmt yuv422p10le -timecode 02:00:00;00 {BT709}",
           "prores422hq", "mov"),
    Encode("variable rate H.264 8 bit", "j.mp4", "-fps_mode vfr -c:v libx264",
           "prores422hq", "mov",
           filters="select='mod(n,5)-2*not(mod(n,7))',crop=1280:960:320:0,scale=640:480"),
    Encode("24 FFV1 4:4:4 12 bit", "k.mkv", "-r 24 -c:v ffv1 -pix_fmt yuv444p12le -color_range tv",
           "ffv1", "mkv", "ffv1"),
    Encode("25 FFV1 RGB 16 bit", "l.mkv", "-r 25 -c:v ffv1 -pix_fmt rgb48le", "png", "png",
           "ffv1"),
    Encode("30 H.264 8 bit, turned by 90 degrees", "m.mp4", "-r 30 -c:v libx264", "ffv1", "mkv",
           "ffv1", "crop=1280:960:320:0,scale=640:480,transpose=1"),
    Encode("25 MPEG-2 8 bit, pixels 16:15", "n.mpg", "-r 25 -c:v mpeg2video -b:v 20M -ar 48000",
           "prores422hq", "mov", filters="crop=1280:960:320:0,scale=720:576,setsar=16/15"),
    Encode("30 FFV1 8 bit, odd size", "o.mkv", "-r 30 -c:v ffv1 -pix_fmt yuv420p", "ffv1", "mkv",
           "ffv1", "crop=1280:960:320:0,scale=641:481"),
    Encode("30 H.264 8 bit, fragmented", "p.mp4",
           "-r 30 -c:v libx264 -movflags frag_keyframe+empty_moov -g 8", "ffv1", "mkv", "ffv1"),
    Encode("24 ProRes 4444 with alpha", "q.mov",
           f"-r 24 -c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le {BT709}",
           "prores4444", "mov", filters="crop=1280:960:320:0,scale=640:480,format=yuva444p10le"),
    Encode("25 interlaced MPEG-2 8 bit, deinterlaced", "r.mov",
           "-r 25 -c:v mpeg2video -b:v 30M -flags +ilme+ildct", "h265", "mp4", "ffv1",
           filters="fps=50,crop=1280:960:320:0,scale=640:480,tinterlace=interleave_top,setfield=tff"),
    Encode("23.976 ProRes 422 HQ 10 bit", "t.mov",
           f"-r 24000/1001 -c:v prores_ks -profile:v 3 -timecode 01:00:00:00 {BT709}",
           "dnxhr", "mov"),
    Encode("24 FFV1 4:4:4 10 bit", "u.mkv", "-r 24 -c:v ffv1 -pix_fmt yuv444p10le -color_range tv",
           "dnxhr", "mov"),
    Encode("25 OpenEXR, linear half", "s/s.%04d.exr", "-r 25 -c:v exr -format half -an",
           "exr", "exr", "exr", "crop=1280:960:320:0,scale=640:480,format=gbrpf32le"),
]  # fmt: skip


@dataclass
class Row:
    """What came out of one encode, in the words of the table."""

    name: str
    delivered: str
    frames: str
    rate: str
    timecode: str
    duration: str
    tags: str
    outside: str
    sound: str
    overlay: str
    readers: str

    def line(self) -> str:
        return "| " + " | ".join(astuple(self)) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=Path, default=CLIPS)
    parser.add_argument("--only", default="", help="Only rows whose name holds this, again.")
    parser.add_argument("--output", type=Path, default=ROOT / "packaging" / "encodes.md")
    chosen = parser.parse_args()
    clip = chosen.clips / "Apologizing.mp4"
    clip = clip if clip.is_file() else DEMO / "take_to_dub.mp4"
    models = load_models("starter", "cpu")
    lines = read_lines(chosen.output) if chosen.only else {}
    with tempfile.TemporaryDirectory() as folder:
        for encode in ENCODES:
            if chosen.only in encode.name:
                lines[encode.name] = measure(encode, clip, Path(folder), models).line()
                print(lines[encode.name], flush=True)
                chosen.output.write_text(describe(lines, clip), encoding="utf-8")
    return 0


def measure(encode: Encode, clip: Path, folder: Path, models: Models) -> Row:
    """Encode, dub, and compare."""
    source = make_clip(encode, clip, folder)
    stem = encode.file[0]
    composite = folder / output_name(f"{stem}_dub", encode.suffix)
    work = folder / f"{stem}_work"
    request = DubRequest(
        str(source), str(DEMO / "line.wav"), str(composite), frames=FRAMES, work=str(work),
        options=DubOptions(
            quality="good", codec=encode.codec, device="cpu", images_rate=str(READING.rate),
            deinterlace=READING.deinterlace,
        ),
    )  # fmt: skip
    result = dubbing.dub(request, models)
    given = excerpt_info(probe_video(Clip(source, READING)), FRAMES)
    made = probe_video(Clip(composite, READING))
    found = compare(source, composite, matte=work, reading=READING)
    depth = "floating" if made.layout.floating else f"{made.bit_depth} bit"
    return Row(
        name=encode.name,
        delivered=f"{encode.codec} {depth}",
        frames=f"{len(FRAMES)} -> {made.frames} ({result.changed} dubbed)",
        rate=same(describe_rate(given), describe_rate(made)),
        timecode=same(given.timecode or "none", made.timecode or "none"),
        duration=same(f"{float(given.duration):.4f} s", f"{float(made.duration):.4f} s"),
        tags=same(describe_tags(given), describe_tags(made)),
        outside=f"{found.outside.largest:g} of {depth}{at_given_depth(source, composite, work)}",
        sound=sound_offset(composite, made),
        overlay=overlay_gap(encode, request, source, composite, models),
        readers=read_by_others(composite, made.frames),
    )


def make_clip(encode: Encode, clip: Path, folder: Path) -> Path:
    path = folder / encode.file
    path.parent.mkdir(exist_ok=True)
    words = ["-i", str(clip), "-vf", encode.filters, *encode.make.split(), "-frames:v", "12"]
    run("ffmpeg", "-v", "error", "-y", *words, "-t", "0.8", str(path))
    if "turned" in encode.name:
        turned = path.with_stem("turned")
        known = "display_rotation" in run("ffmpeg", "-h", "full")
        before = ["-display_rotation", "-90"] if known else []
        after = [] if known else ["-metadata:s:v", "rotate=90"]
        copied = ["-i", str(path), "-c", "copy", *after]
        run("ffmpeg", "-v", "error", "-y", *before, *copied, str(turned))
        return turned
    return path


def output_name(stem: str, suffix: str) -> str:
    return f"{stem}/f.%04d.{suffix}" if suffix in ("png", "exr") else f"{stem}.{suffix}"


def same(before: str, after: str) -> str:
    return after if before == after else f"**{before} -> {after}**"


def describe_rate(info: VideoInfo) -> str:
    return "variable" if info.variable_rate else str(info.rate)


def describe_tags(info: VideoInfo) -> str:
    """Primaries/transfer/matrix as codes of H.273, the range, the shape of pixels."""
    tags = info.colour
    range_ = "full" if info.layout.full_range else "limited"
    shape = "" if info.sample_aspect == 1 else f" {info.sample_aspect}"
    matrix = 0 if info.layout.kind == "rgb" else tags.matrix
    return f"{tags.primaries}/{tags.transfer}/{matrix} {range_}{shape}"


def at_given_depth(source: Path, composite: Path, work: Path) -> str:
    """The largest difference outside the matte where both are rounded to the depth of the source,
    or to 10 bit where the codec takes no more; nothing where no more was delivered."""
    given, made = (probe_video(Clip(path, READING)) for path in (source, composite))
    depth = min(given.bit_depth, 10) if made.codec == "prores" else given.bit_depth
    if made.layout.floating or made.bit_depth <= depth:
        return ""
    found = compare(source, composite, matte=work, depth=depth, reading=READING)
    return f", {found.outside.largest:g} of {depth} bit"


def sound_offset(path: Path, info: VideoInfo) -> str:
    """Samples by which the speech lies beside where it belongs, and how far it is changed."""
    if path.suffix in (".png", ".exr"):
        path = path.parent / "f.wav"
    got, rate = read_audio(path, mono=True)
    want, _ = read_audio(DEMO / "line.wav", rate, mono=True)
    length = round(info.duration * rate)
    want = np.pad(want, ((0, 0), (0, max(0, length - want.shape[1]))))[:, :length]
    size = 1 << (2 * length).bit_length()
    spectrum = np.fft.rfft(got[0, :length], size) * np.conj(np.fft.rfft(want[0], size))
    offset = int(np.fft.irfft(spectrum, size).argmax())
    return str(offset if offset < size // 2 else offset - size)


def overlay_gap(
    encode: Encode, request: DubRequest, source: Path, composite: Path, models: Models
) -> str:
    """The largest difference, at 10 bit, of the overlay over its source to a lossless composite,
    and the share of samples that differ by more than one."""
    suffix = {"ffv1": "mkv", "prores4444": "mov", "exr": "exr"}[encode.overlay]
    folder = Path(request.work or "").parent
    overlay = folder / output_name(f"{encode.file[0]}_overlay", suffix)
    options = replace(request.options, delivery="overlay", codec=encode.overlay)
    dubbing.dub(replace(request, output=str(overlay), options=options), models)
    exact: Codec = "exr" if encode.overlay == "exr" else "ffv1"
    lossless = folder / output_name(f"{encode.file[0]}_exact", "exr" if exact == "exr" else "mkv")
    options = replace(request.options, codec=exact)
    dubbing.dub(replace(request, output=str(lossless), options=options), models)
    gaps = []
    clips = (
        read_frames(Clip(overlay, READING)),
        read_frames(Clip(source, READING), FRAMES),
        read_frames(Clip(lossless, READING)),
    )
    for laid, before, wanted in zip(*clips, strict=True):
        layout = replace(laid.image.layout, siting=before.image.layout.siting)
        sited = replace(wanted.image.layout, siting=before.image.layout.siting)
        want = ten_bit(convert(PixelImage(wanted.image.planes, sited), layout))
        alpha = laid.image.component(3) / layout.peak
        multiplied = 1 if layout.floating else alpha
        over = multiplied * ten_bit(laid.image) + (1 - alpha) * ten_bit(
            convert(before.image, layout)
        )
        gaps.append(np.abs(np.rint(over) - np.rint(want)))
    share = float(np.mean([(gap > 1).mean() for gap in gaps]))
    more = f", {share:.1e} above 1" if share else ""
    return f"{np.max(gaps):g} ({encode.overlay}){more}"


def ten_bit(image: PixelImage) -> Planes:
    """The colours' code values `[3, H, W]` on the scale of 10 bit."""
    planes = np.stack([image.component(number) for number in range(3)]).astype(np.float64)
    return planes * TEN_BIT if image.layout.floating else planes / 2.0 ** (image.layout.depth - 10)


def read_by_others(path: Path, frames: int) -> str:
    """Whether ffmpeg and melt see the same number of frames."""
    if path.suffix in (".png", ".exr"):
        first = min(int(file.stem[2:]) for file in path.parent.glob(f"*{path.suffix}"))
        numbered = ["-start_number", str(first), "-i", str(path)]
    else:
        numbered = ["-i", str(path)]
    out = run("ffmpeg", "-v", "info", *numbered, "-map", "0:v", "-f", "null", "-")
    counted = re.findall(r"frame=\s*(\d+)", out)
    seen = f"ffmpeg {'yes' if counted and int(counted[-1]) == frames else '**no**'}"
    shown = play(path)
    if shown is None:
        return f"{seen}, melt **does not answer**"
    return f"{seen}, melt {'yes' if shown >= frames else f'**{shown} of {frames}**'}"


def play(path: Path) -> int | None:
    """How many frames melt shows of a clip; None where it never ends."""
    played = path.with_name(f"{path.stem.replace('%', '')}.melt.txt")
    name = f"avformat:{path}" if path.suffix in (".png", ".exr") else str(path)
    consumer = [f"avformat:{played}", "f=framemd5", "an=1", "vcodec=rawvideo", "real_time=-1"]
    for _ in range(MELT_TRIES):
        played.unlink(missing_ok=True)
        with suppress(subprocess.TimeoutExpired):
            run("melt", name, "-consumer", *consumer, seconds=MELT_SECONDS)
            lines = played.read_text().splitlines() if played.is_file() else []
            return sum(not line.startswith("#") for line in lines)
    return None


def run(*command: str, seconds: float | None = None) -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=seconds,
    )  # fmt: skip
    return done.stdout + done.stderr


def read_lines(path: Path) -> dict[str, str]:
    """The table's lines by the names of their encodes."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {line.split(" | ")[0][2:]: line for line in text.splitlines() if line[:2] == "| "}


def describe(lines: dict[str, str], clip: Path) -> str:
    names = [
        *("given", "delivered as", "frames", "rate", "time code", "duration", "colour tags"),
        *("outside the matte, largest difference", "sound offset, samples"),
        *("overlay over source against composite, code values at 10 bit", "read by"),
    ]
    heading = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    rows = [lines[encode.name] for encode in ENCODES if encode.name in lines]
    text = ["# What a dub keeps of what it was given", "", *notes(clip), "", *heading, *rows]
    return "\n".join(text) + "\n"


def notes(clip: Path) -> Iterator[str]:
    yield f"Made by `make encode-table` from frames {FRAMES} of encodes of `{clip.name}`: each is"
    yield "dubbed at good quality, delivered, and compared with what was given. Bold is what"
    yield "differs. Colour tags are primaries/transfer/matrix by their numbers in ITU-T H.273,"
    yield "then range and pixel shape. Differences are in code values of the delivered depth; where"
    yield "fewer bits were given, or the codec takes fewer, once more with both rounded to these:"
    yield "FFV1, PNG and EXR store every value; ProRes 4444 is read at 12 bit and takes 10; DNxHR's"
    yield "own tables stop it at coarser steps; H.264 and H.265 are for review."


if __name__ == "__main__":
    sys.exit(main())
