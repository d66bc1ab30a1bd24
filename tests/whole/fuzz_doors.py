"""More doors for the fuzz: the panel's protocol, a farm's files, scripts, lines and images."""

from __future__ import annotations

import functools
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from fuzz_damage import damage_bytes, damage_words

from stylesync_engine.request import DubError

_SUFFIXES = {
    b"v": ".exr", b"\x89": ".png", b"I": ".tif", b"M": ".tif", b"S": ".dpx", b"X": ".dpx",
}  # fmt: skip
_STUDIO = {"consent": "required", "certificate": "chain.pem", "key": "key.pem"}
_RULES = {
    "version": "pathmapping-1.0",
    "path_mapping_rules": [
        {"source_path_format": "POSIX", "source_path": "/mnt/a", "destination_path": "/srv/a"},
        {"source_path_format": "WINDOWS", "source_path": "Z:\\a", "destination_path": "/srv/z"},
    ],
}
_LINES = {
    "format": 1, "timeline": "cut.otio", "cast": [{"name": "ADA", "style": "shot"}],
    "lines": [{
        "number": "12", "start": "01:00:00:00", "end": "01:00:02:00", "character": "ADA",
        "text": "Guten Tag.", "status": "ready", "sound": "012.wav", "fit": 0.1,
        "anchor": {"clip": "A", "media": "a.mov", "at": "3/25"},
    }],
}  # fmt: skip
SCRIPTS = (
    b"No;Character;TC In;TC Out;Dialogue\n1;ADA;01:00:00:00;01:00:02:00;Guten Tag.\n"
    b'2;BEN;01:00:03:00;01:00:04:00;"Hallo; du."\n',
    b"1\n00:00:01,000 --> 00:00:02,500\nGuten <i>Tag</i>.\n\n2\n00:00:03,000 --> 00:00:04,000\nJa.",
    b"WEBVTT\n\n1\n00:01.000 --> 00:02.500 line:0\n<v Ada>Guten Tag.\n\nNOTE x\n",
    b'<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    b'<p begin="00:00:01.000" end="00:00:02.5">Guten<br/>Tag.</p></div></body></tt>',
)
_SCRIPT_SUFFIXES = (".csv", ".srt", ".vtt", ".ttml")


def make_protocol(request: dict[str, Any]) -> list[bytes]:
    """One line for every method."""
    shown = {"video": "shot.mov", "frames": [0, 5], "height": 40, "folder": "f"}
    asked: dict[str, Any] = {
        "dub": request, "prepare": {"request": request, "work": "w"},
        "render": {"work": "w", "frames": "0:4"}, "assemble": {"work": "w"},
        "probe": {"path": "shot.mov"}, "facts": {"path": "shot.mov"}, "thumbnails": shown,
        "rendered": {**shown, "work": "w"}, "waveform": {"path": "line.wav", "bins": 90},
        "survey": {"video": "shot.mov", "frames": "0:9", "samples": 4},
        "sound": {"path": "line.wav", "output": "s.wav"}, "cancel": None, "ping": {},
        "proxy": {"video": "shot.mov", "frames": "0:9", "height": 90, "output": "p.bin"},
    }  # fmt: skip
    return [
        json.dumps({"id": str(number), "method": name, "params": params}).encode()
        for number, (name, params) in enumerate(asked.items())
    ]


@functools.cache
def _desk() -> tuple[Any, io.StringIO]:
    """One for all cases, as one serves a panel all day; and what it says."""
    from stylesync_engine.serve.jobs import LineWriter
    from stylesync_engine.serve.server import Desk

    said = io.StringIO()
    return Desk(LineWriter(said)), said


def read_protocol(data: bytes, folder: Path) -> None:
    """One line to a desk: it answers in JSON, never with a fault of its own, and goes on."""
    desk, said = _desk()
    for line in data.decode("utf-8", "replace").splitlines():
        desk.take(line)
    desk.take('{"id": "last", "method": "ping"}')
    deadline = time.monotonic() + 30
    while desk._jobs:
        assert time.monotonic() < deadline, "a job hangs"
        time.sleep(0.001)
    answers = [json.loads(line, parse_constant=_refuse) for line in said.getvalue().splitlines()]
    said.seek(0)
    said.truncate()
    assert any(a.get("id") == "last" and a["event"] == "result" for a in answers)
    faults = [a for a in answers if a["event"] == "error" and a["kind"] == "InternalError"]
    assert not faults, faults


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def make_farm(request: dict[str, Any]) -> list[bytes]:
    entry = {"request": {**request, "work": "work/0001"}, "frames": [10, 85]}
    return [json.dumps(data).encode() for data in (
        {"format": 2, "dubs": [entry]}, _RULES, _STUDIO, _LINES,
    )]  # fmt: skip


def read_farm(data: bytes, folder: Path) -> None:
    """A bundle, the rules of a worker's paths, a studio's settings and lines: the same file as
    each of them."""
    from stylesync_plugin.lines.document import read_lines

    from stylesync_engine.farm import bundles, path_mapping
    from stylesync_engine.origin import studio

    path = folder / "bundle.json"
    path.write_bytes(data)
    rules = path_mapping.read_path_mapping
    _each(
        lambda: bundles.read_bundle(folder),
        lambda: rules(path).map("/mnt/a/../../x"),
        lambda: studio._read(path, wanted=True),
        lambda: read_lines(path),
    )


def make_scripts(folder: Path) -> list[bytes]:
    import openpyxl

    book = openpyxl.Workbook()
    for row in SCRIPTS[0].decode().splitlines():
        book.active.append(row.split(";"))
    book.save(folder / "script.xlsx")
    return [*SCRIPTS, (folder / "script.xlsx").read_bytes()]


def read_script(data: bytes, folder: Path) -> None:
    from stylesync_plugin.lines.rows import read_rows

    if data[:2] == b"PK":
        suffixes: Sequence[str] = (".xlsx",)
    else:
        suffixes = _SCRIPT_SUFFIXES
    for suffix in suffixes:
        path = folder / f"script{suffix}"
        path.write_bytes(data)
        _each(lambda path=path: read_rows(path))  # type: ignore[misc]


def damage_script(numbers: random.Random, seeds: list[bytes]) -> bytes:
    if numbers.randrange(8) == 0:
        return damage_bytes(numbers, seeds[-1:])
    return damage_words(numbers, seeds[:-1])


def make_images(folder: Path) -> list[bytes]:
    """A tiny picture in each of the kinds that are read as sequences."""
    from timeline_material import write_clip

    from stylesync_engine.media import VideoWriter, probe_video, read_frames

    base = write_clip(folder / "base.mkv", Fraction(25), 1, 1)
    like, frames = probe_video(base), list(read_frames(base))
    made = []
    for codec in ("exr", "png"):
        with VideoWriter(folder / f"a.%04d.{codec}", like, codec) as writer:
            for frame in frames:
                writer.write(frame)
        made.append(next(folder.glob(f"a.*.{codec}")).read_bytes())
    return [*made, *_by_library(folder)]


def _by_library(folder: Path) -> list[bytes]:
    import numpy as np
    import OpenImageIO

    made = []
    for suffix in (".dpx", ".tif"):
        path = folder / f"b{suffix}"
        spec = OpenImageIO.ImageSpec(16, 16, 3, OpenImageIO.UINT16)
        with_file = OpenImageIO.ImageOutput.create(str(path))
        with_file.open(str(path), spec)
        with_file.write_image(np.zeros((16, 16, 3), np.uint16))
        with_file.close()
        made.append(path.read_bytes())
    return made


def read_image(data: bytes, folder: Path) -> None:
    """A sequence of one image: facts, and its picture."""
    from stylesync_engine.media import Clip, probe_video, read_frames
    from stylesync_engine.media.clips import Reading

    suffix = _SUFFIXES.get(data[:1], ".exr")
    (folder / f"shot.0001{suffix}").write_bytes(data)
    pattern = folder / f"shot.%04d{suffix}"
    clip = Clip(str(pattern), Reading(rate=Fraction(24)))
    _each(
        lambda: probe_video(clip),
        lambda: [frame.to_rgb() for frame in read_frames(clip)],
    )


def _each(*reads: Callable[[], object]) -> None:
    """Every one of these, each refused on its own."""
    for read in reads:
        try:
            read()
        except DubError:
            continue
