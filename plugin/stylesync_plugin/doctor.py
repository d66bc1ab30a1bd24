"""`stylesync doctor`: what is here and what is missing, without loading a model."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from dataclasses import dataclass

import opentimelineio as otio

from stylesync_engine.request import ModelError

_FORMATS = {
    "fcp_xml": ("FCP 7 XML", "otio-fcp-adapter"),
    "cmx_3600": ("EDL", "otio-cmx3600-adapter"),
    "AAF": ("AAF", "otio-aaf-adapter"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for; `needed` things must be there for a dub."""

    what: str
    ok: bool
    found: str
    needed: bool = True


def examine() -> list[Finding]:
    """Look at Python, packages, weights, formats and programs of the neighbourhood."""
    return [
        Finding("Python", True, f"{platform.python_version()} on {platform.system()}"),
        *(_package(name) for name in ("torch", "av", "OpenTimelineIO")),
        _package("PySide6-Essentials", needed=False),
        _weights(),
        *_formats(),
        *(_program(name) for name in ("melt", "ffmpeg")),
    ]


def _package(name: str, needed: bool = True) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name), needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", needed)


def _weights() -> Finding:
    from stylesync_engine.manifest import find_folder

    try:
        return Finding("starter weights", True, str(find_folder("starter")))
    except ModelError as error:
        return Finding("starter weights", False, str(error))


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
