"""`stylesync doctor`: what is here and what is missing, without loading a model."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import opentimelineio as otio

from stylesync_engine.request import Codec, DubError, ModelError, RequestError
from stylesync_plugin.installing import HOSTS, find_folder, is_installed
from stylesync_plugin.plan import SUFFIXES

_FORMATS = {
    "fcp_xml": ("FCP 7 XML", "otio-fcp-adapter"),
    "cmx_3600": ("EDL", "otio-cmx3600-adapter"),
    "AAF": ("AAF", "otio-aaf-adapter"),
}

_ASK_DEVICE = """
import torch
from stylesync_engine.checkpoints import resolve_device
device = resolve_device("auto")
print(device, torch.cuda.get_device_name(device) if device.type == "cuda" else "")
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for; `needed` things must be there for a dub."""

    what: str
    ok: bool
    found: str
    needed: bool = True


def examine() -> list[Finding]:
    """Look at Python, packages, device, models, codecs, formats, programs and editors."""
    return [
        Finding("Python", True, f"{platform.python_version()} on {platform.system()}"),
        *(_package(name) for name in ("torch", "av", "OpenTimelineIO")),
        _package("PySide6-Essentials", needed=False),
        _device(),
        *_models(),
        *(_codec(codec) for codec in get_args(Codec)),
        *_formats(),
        *(_program(name) for name in ("melt", "ffmpeg")),
        *(_host(host) for host in HOSTS),
    ]


def _package(name: str, needed: bool = True) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name), needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", needed)


def _device() -> Finding:
    """What `--device auto` takes; asked in a process of its own, since torch is heavy."""
    asked = subprocess.run(
        [sys.executable, "-c", _ASK_DEVICE], capture_output=True, text=True, check=False
    )
    found = asked.stdout.strip() or "torch does not start"
    return Finding("device", not asked.returncode, found)


def _models() -> Iterator[Finding]:
    """The starter weights and the user's own, each file against its hash."""
    from stylesync_engine.manifest import MANIFEST, models_directory

    own = sorted(path.parent.name for path in models_directory().glob(f"*/{MANIFEST}"))
    yield _verified("starter", "starter weights", needed=True)
    for name in own:
        yield _verified(name, f"models '{name}'", needed=False)


def _verified(name: str, title: str, needed: bool) -> Finding:
    from stylesync_engine.manifest import effective, find_folder, read_manifest

    try:
        folder = find_folder(name)
        for located in effective(read_manifest(folder))[0].values():
            located.paths()
    except ModelError as error:
        return Finding(title, False, str(error), needed)
    return Finding(title, True, str(folder), needed)


def _codec(codec: Codec) -> Finding:
    """One grey picture, really written."""
    import numpy as np

    from stylesync_engine.media import Frame, VideoInfo, VideoWriter
    from stylesync_engine.pixels import PixelImage, layout_of

    width, height, tick = 256, 144, Fraction(1, 25)
    layout = layout_of("gray", height)
    like = VideoInfo("", 1 / tick, 1, width, height, layout, "rawvideo", tick, tick)
    picture = PixelImage((np.full((height, width), 128, np.uint8),), layout)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with VideoWriter(
                Path(folder) / f"test{SUFFIXES.get(codec, '.mov')}", like, codec
            ) as file:
                file.write(Frame(0, Fraction(0), tick, picture))
        except DubError as error:
            return Finding(f"codec {codec}", False, str(error), needed=False)
    return Finding(f"codec {codec}", True, "writes", needed=False)


def _host(host: str) -> Finding:
    """Whether an editor is here, and whether our loader is in it."""
    title, _ = HOSTS[host]
    try:
        folder = find_folder(host)
    except RequestError:
        return Finding(title, False, "not found", needed=False)
    said = "loader installed" if is_installed(host, folder) else f"stylesync install {host}"
    return Finding(title, True, said, needed=False)


def _formats() -> list[Finding]:
    known = otio.adapters.available_adapter_names()
    return [
        Finding(
            text, name in known, "readable" if name in known else f"pip install {package}", False
        )
        for name, (text, package) in _FORMATS.items()
    ]


def _program(name: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, path is not None, path or "not found", needed=False)
