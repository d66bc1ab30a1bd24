"""`stylesync doctor`: what is here and what is missing, without loading a model."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import opentimelineio as otio

from stylesync_engine.request import ModelError, RequestError
from stylesync_plugin.commands.panel import panel_problem
from stylesync_plugin.hosts.installing import HOSTS, find_folder, is_installed

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
    """Look at Python, packages, device, models, codecs, formats, programs and editors."""
    return [
        Finding("Python", True, f"{platform.python_version()} on {platform.system()}"),
        *(_package(name) for name in ("torch", "av", "OpenTimelineIO")),
        _package("PySide6-Essentials", needed=False),
        _panel(),
        *_engine(),
        *_models(),
        *_formats(),
        *(_program(name) for name in ("melt", "ffmpeg")),
        *(_host(host) for host in HOSTS),
    ]


def _package(name: str, needed: bool = True) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name), needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", needed)


def _panel() -> Finding:
    problem = panel_problem()
    return Finding("panel", problem is None, problem or "can be shown", needed=False)


def _engine() -> Iterator[Finding]:
    """Devices and codecs, as the engine's own doctor tells them in a process of its own."""
    words = [sys.executable, "-m", "stylesync_engine", "doctor", "--json"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    if asked.returncode:
        said = (asked.stderr.strip().splitlines() or ["it does not start"])[-1]
        yield Finding("engine", False, said)
        return
    found = json.loads(asked.stdout.splitlines()[-1])
    for device in found["devices"]:
        yield Finding("device", True, f"{device['device']} {device.get('name', '')}".strip())
    for codec, state in found["codecs"].items():
        yield Finding(f"codec {codec}", state == "works", state, needed=False)


def _models() -> Iterator[Finding]:
    """The starter weights and the user's own, each file against its hash."""
    from stylesync_engine.weights.table import MANIFEST, models_directory

    own = sorted(path.parent.name for path in models_directory().glob(f"*/{MANIFEST}"))
    yield _verified("starter", "starter weights", needed=True)
    for name in own:
        yield _verified(name, f"models '{name}'", needed=False)


def _verified(name: str, title: str, needed: bool) -> Finding:
    from stylesync_engine.weights.table import effective, find_folder, read_manifest

    try:
        folder = find_folder(name)
        for located in effective(read_manifest(folder))[0].values():
            located.paths()
    except ModelError as error:
        return Finding(title, False, str(error), needed)
    return Finding(title, True, str(folder), needed)


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
