"""What reads files of unknown origin, with whole files to begin with and ways to damage them.

A target passes when it reads the damaged file, or refuses it with one of our errors.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from fuzz_damage import damage_bytes, damage_json, damage_tensors, damage_words, damage_zip
from fuzz_doors import (
    damage_script,
    make_farm,
    make_images,
    make_protocol,
    make_scripts,
    read_farm,
    read_image,
    read_protocol,
    read_script,
)
from places import ROOT, SUPPORT

SAMPLES = ROOT.parent / "shared" / "data" / "timelines"
LARGEST_SEED = 120_000

Seeds = Callable[[Path], list[bytes]]
Damage = Callable[[random.Random, list[bytes]], bytes]
Read = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Target:
    """`share` of the cases it gets; `read` may write below the folder that it is given."""

    name: str
    share: int
    seeds: Seeds
    damage: Damage
    read: Read


def _as_json(*entries: Any) -> list[bytes]:
    return [json.dumps(entry).encode() for entry in entries]


def _samples(folder: str, suffix: str) -> list[bytes]:
    """Files of other applications, where they are at hand."""
    found = sorted((SAMPLES / folder).glob(f"*{suffix}")) if SAMPLES.is_dir() else []
    return [data for data in (path.read_bytes() for path in found) if len(data) <= LARGEST_SEED]


REQUEST = {
    "video": "shot.mov", "speech": "line.wav", "output": "dub.mov", "frames": [10, 85],
    "speech_samples": {"start": 0, "end": 48000}, "style": "r.mov", "style_frames": "0:250",
    "speaker": {"frame": 12, "x": 640.0, "y": 300.5}, "work": "w", "consent": "c.json",
    "person": "Ada",
    "options": {"models": "starter", "quality": "good", "device": "cpu", "steps": 10, "seed": 7,
                "strength": 0.5, "codec": "ffv1", "delivery": "overlay", "appearance": "f.png:0:5"},
}  # fmt: skip
JOBS = {
    "version": 1, "options": {"quality": "draft"}, "search": ["media"],
    "jobs": [
        {"clip": "A", "range": ["00:00:01:00", 49], "speech": {"file": "l.wav", "samples": [0, 9]},
         "style": {"file": "r.mov", "frames": "0:9"}, "speaker": "3:4,5", "options": {"seed": 1}},
        {"track": "V1", "index": 1, "speech": {"track": "A1"}, "style": "shot", "second": "vfx"},
    ],
}  # fmt: skip
CONSENT = {
    "format": 1, "person": "Ada", "purpose": "p", "since": "2026-01-01", "until": "9999-12-31",
    "media": ["shot*"], "document": "d",
}  # fmt: skip
MANIFEST = {
    "format": 1, "name": "tiny", "base": {"models": "starter", "fingerprint": "0" * 64},
    "parts": {"renderer": {"kind": "renderer", "files": {"renderer.safetensors": "a" * 64}},
              "speech": {"kind": "log-mel", "files": {}}},
    "settings": {"style_reading": "none", "prediction": "sample"},
}  # fmt: skip
FAULTS = [b"error", b"crash", b"hang", b"write", b"network", b"program"]
EDL = b"""TITLE: cut
FCM: DROP FRAME

001  AX       V     C        00:00:10:00 00:00:12:00 01:00:00:00 01:00:02:00
* FROM CLIP NAME: A.mov
002  AX       V     C        00:00:00:00 00:00:00:00 01:00:02:00 01:00:02:00
002  BX       V     D    012 00:00:05:00 00:00:07:00 01:00:02:00 01:00:04:00
M2   BX       050.0                00:00:05:00
* TO CLIP NAME: B.mov
003  AX       V     C        00:00:20:00 00:00:22:00 01:00:04:00 01:00:06:00
"""


def read_request(data: bytes, _: Path) -> None:
    from stylesync_engine.request import DubRequest

    request = DubRequest.from_json(data.decode("utf-8", "replace"))
    assert DubRequest.from_json(request.to_json()) == request


def read_jobs(data: bytes, folder: Path) -> None:
    from stylesync_plugin.jobs import read_jobs

    read_jobs(_put(folder / "jobs.json", data))


def read_records(data: bytes, folder: Path) -> None:
    """Consent, sidecar and models' table: the same damaged file as each of them."""
    from stylesync_engine.origin import consent, sidecar
    from stylesync_engine.request import DubError
    from stylesync_engine.weights import table

    _put(folder / "models.json", data)
    for read in (
        lambda: consent.read_consent(folder / "models.json"),
        lambda: sidecar.read_sidecar(folder / "models.json"),
        lambda: table.effective(table.read_manifest(folder)),
    ):
        try:
            read()
        except DubError:
            continue


def make_plans(folder: Path) -> list[bytes]:
    """A plan's file: the header's length, the header, the tensors."""
    import numpy as np

    from stylesync_engine.mouth.references import ReferenceBank
    from stylesync_engine.plan.plan import Facts, Plan
    from stylesync_engine.request import DubRequest, FrameRange

    def values(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    plan = Plan(
        request=DubRequest.from_dict(REQUEST), frames=FrameRange(10, 14), fingerprint="f" * 64,
        shown=np.arange(2), matrices=values(2, 2, 3), before=values(2, 468, 2),
        after=values(2, 468, 2), motion=values(2, 5, 20), references=np.zeros((2, 2), np.int64),
        shares=values(2, 2), lacking=values(2), hidden=np.zeros((2, 16, 32), np.uint8),
        mesh=values(468, 2),
        facts=Facts("m", "f", {}, passed_through=((2, 4),)),
    )  # fmt: skip
    crops = np.zeros((1, 256, 256, 3), np.uint8)
    plan.save(folder, ReferenceBank(crops, values(1, 468, 2), values(1, 3), np.arange(1)))
    return [(folder / "plan.safetensors").read_bytes()]


def damage_plan(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """The file, or what its header says; the seal is put right half of the time."""
    if numbers.randrange(2):
        return damage_tensors(numbers, seeds)
    length = struct.unpack("<Q", seeds[0][:8])[0]
    header = json.loads(seeds[0][8 : 8 + length])
    plan = damage_json(numbers, [header["__metadata__"]["plan"].encode()])
    if numbers.randrange(2):
        try:
            data = json.loads(plan)
            data.pop("seal", None)
            text = json.dumps(data, sort_keys=True)
            data["seal"] = hashlib.sha256(text.encode()).hexdigest()
            plan = json.dumps(data).encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass  # sealed or not, it is no header
    header["__metadata__"]["plan"] = plan.decode("utf-8", "replace")
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + seeds[0][8 + length :]


def read_plan(data: bytes, folder: Path) -> None:
    from stylesync_engine.plan.plan import Plan, read_references
    from stylesync_engine.plan.windows import has_window, load_window

    tensors = _put(folder / "plan.safetensors", data)
    _put(folder / "windows" / f"{'f' * 64}.safetensors", tensors.read_bytes()[:4096])
    has_window(folder, "f" * 64)
    load_window(folder, "f" * 64)
    plan = Plan.load(folder)
    for _window in plan.windows:
        read_references(folder, plan.references[:2].ravel())


def make_weights(folder: Path) -> list[bytes]:
    sys.path.insert(0, str(SUPPORT))
    from model_fixtures import make_parts

    from stylesync_engine.weights.loading import save_models

    save_models(folder / "tiny", name="tiny", **make_parts())
    files = sorted((folder / "tiny").glob("*.safetensors"), key=lambda path: path.stat().st_size)
    return [path.read_bytes() for path in files if path.stat().st_size < 2_000_000]


def read_weights(data: bytes, folder: Path) -> None:
    from stylesync_engine.weights import networks

    path = _put(folder / "weights.safetensors", data)
    networks.count_parameters(path)
    readers: dict[str, Callable[[Path], object]] = {
        "lip-motion": networks.read_lip_motion, "autoencoder": networks.read_autoencoder,
        "face-model": networks.read_face_model,
    }  # fmt: skip
    readers.get(networks.kind_of(path), networks.read_renderer)(path)


def make_timelines(suffix: str, *samples: str) -> Seeds:
    """Our own cut in this format, and those of other applications."""

    def make(folder: Path) -> list[bytes]:
        from stylesync_plugin.formats.files import write_timeline

        if suffix == ".edl":
            return [EDL, *_samples("edl", ".edl")]
        path = folder / f"cut{suffix}"
        write_timeline(_cut(folder), path)
        own = [path.read_bytes()]
        return own + [entry for name in samples for entry in _samples(name, suffix)]

    return make


def _cut(folder: Path) -> Any:
    import timeline_material as made

    rate = Fraction(25)
    path = made.made_up(folder, rate, 400, 90000)
    one = made.clip("A", path, 90010, 50, 25, (90000, 400))
    two = made.clip("B", path, 90100, 60, 25, (90000, 400))
    sound = made.clip("S", path, 90010, 110, 25, (90000, 400))
    pictures = made.track(one, made.dissolve(5, 6, 25), two, made.gap(10, 25))
    return made.timeline(pictures, made.track(sound, kind="Audio"))


def read_timeline(suffix: str) -> Read:
    """Read, lay out, plan and, where something was planned, write back."""

    def read(data: bytes, folder: Path) -> None:
        from stylesync_plugin.formats import files
        from stylesync_plugin.jobs import job_from
        from stylesync_plugin.planning.planner import PlanSettings, plan
        from stylesync_plugin.writing.write_back import list_dubs, remove

        path = _put(folder / f"cut{suffix}", data)
        bundle = folder / "bundle" / hashlib.sha256(data).hexdigest()[:12]
        timeline = files.read_timeline(path, Fraction(25), extract_to=bundle)
        settings = PlanSettings(folder / "out", (folder,), probe=_AnyProbe())
        jobs = [job_from({"track": "V1", "index": 1, "speech": {"track": "A1"}}, "a")]
        plan(timeline, jobs, settings)
        list_dubs(timeline)
        remove(timeline)

    return read


class _AnyProbe:
    """The facts that our own cut's media have, whatever a file is called."""

    def picture(self, path: str) -> Any:
        from timeline_material import MadeUpProbe

        return MadeUpProbe().picture("25-1_400_90000.mov")

    def sound(self, path: str) -> Any:
        from timeline_material import MadeUpProbe

        return MadeUpProbe().sound(path)


def make_clips(folder: Path) -> list[bytes]:
    """Tiny files of the kinds that people give us, by our own writer and by PyAV's."""
    import numpy as np
    import soundfile
    from timeline_material import write_clip

    from stylesync_engine.media import VideoWriter, probe_video, read_frames

    base = write_clip(folder / "base.mkv", Fraction(25), 4, 1)
    like, frames = probe_video(base), list(read_frames(base))
    tone = np.sin(np.arange(4800) / 10, dtype=np.float32)[None]
    names: dict[str, Any] = {
        "a.mov": "prores4444", "b.mp4": "h264", "c.mkv": "ffv1", "d.mov": "prores422hq",
    }  # fmt: skip
    for name, codec in names.items():
        with VideoWriter(folder / name, like, codec, (tone, 48_000)) as writer:
            for frame in frames:
                writer.write(frame)
    for name in ("e.wav", "f.flac"):
        soundfile.write(folder / name, tone[0], 48_000)
    return [(folder / name).read_bytes() for name in (*names, "e.wav", "f.flac")]


def read_clip(data: bytes, folder: Path) -> None:
    """Facts, the first pictures and the first sound; each refused on its own."""
    from stylesync_engine.media import probe_sound, probe_video, read_audio_blocks, read_frames
    from stylesync_engine.request import DubError

    path = _put(folder / "clip.bin", data)
    reads: tuple[Callable[[], object], ...] = (
        lambda: probe_video(path),
        lambda: [frame.to_rgb() for frame in islice(read_frames(path), 3)],
        lambda: probe_sound(path),
        lambda: list(islice(read_audio_blocks(path), 3)),
    )
    for read in reads:
        try:
            read()
        except DubError:
            continue


def make_signed(folder: Path) -> list[bytes]:
    from stylesync_engine.origin import credentials, test_certificate

    movie = folder / "movie.mov"
    movie.write_bytes(make_clips(folder)[3])
    source = credentials.Source(str(movie), "parentOf")
    speech = credentials.Source(str(movie), "componentOf")
    statement = {"format": 1, "models": {"name": "m"}, "pictures": ["0" * 64]}
    signer = test_certificate.make_test_signer()
    credentials.write_credential(movie, folder / "o.mov", statement, [source, speech], signer)
    return [(folder / "o.mov").read_bytes()]


def read_signed(data: bytes, folder: Path) -> None:
    from stylesync_engine.origin import verification

    verification.verify(_put(folder / "signed.mov", data))


def misbehave(data: bytes, folder: Path) -> None:
    """Everything that must be found, so that finding nothing means something."""
    faults: dict[bytes, Callable[[], object]] = {
        b"crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        b"hang": lambda: [None for _ in iter(int, 1)],
        b"write": lambda: (folder.parent / "escaped").write_bytes(data),
        b"network": lambda: socket.create_connection(("127.0.0.1", 9)),
        b"program": lambda: subprocess.run(["true"], check=False),
        b"error": lambda: {}[data],
    }
    faults[data]()


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _timeline(suffix: str, share: int, damage: Damage, *samples: str) -> Target:
    name = suffix[1:]
    return Target(name, share, make_timelines(suffix, *samples), damage, read_timeline(suffix))


TARGETS = {
    target.name: target
    for target in (
        Target("request", 500, lambda _: _as_json(REQUEST), damage_json, read_request),
        Target("jobs", 200, lambda _: _as_json(JOBS), damage_json, read_jobs),
        Target("records", 100, lambda _: _as_json(CONSENT, MANIFEST), damage_json, read_records),
        Target("farm", 80, lambda _: make_farm(REQUEST), damage_json, read_farm),
        Target("protocol", 20, lambda _: make_protocol(REQUEST), damage_json, read_protocol),
        Target("script", 20, make_scripts, damage_script, read_script),
        Target("plan", 6, make_plans, damage_plan, read_plan),
        Target("weights", 5, make_weights, damage_tensors, read_weights),
        _timeline(".otio", 6, damage_json, "otio", "ayon"),
        _timeline(".fcpxml", 6, damage_words, "fcpxml"),
        _timeline(".xml", 5, damage_words, "fcp_xml"),
        _timeline(".edl", 10, damage_words),
        _timeline(".mlt", 6, damage_words),
        _timeline(".otioz", 5, damage_zip),
        Target("media", 6, make_clips, damage_bytes, read_clip),
        Target("images", 10, make_images, damage_bytes, read_image),
        Target("credentials", 3, make_signed, damage_bytes, read_signed),
        Target(
            "faulty", 0, lambda _: FAULTS, lambda numbers, seeds: numbers.choice(seeds), misbehave
        ),
    )
}
