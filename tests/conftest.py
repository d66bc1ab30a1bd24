"""What the tests share: one thread each, no network, and a stand-in engine for the front doors."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest
from places import ROOT, SUPPORT

# Before anything imports torch or Qt; nothing above does.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.pop("STYLESYNC_DEBUG", None)
# Errors that tests make on purpose are not the user's.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="stylesync-tests-")

# Programs that tests start hear signals, also where the tests run in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGTERM", "SIGQUIT"):
    if hasattr(signal, _name):
        signal.signal(getattr(signal, _name), signal.SIG_DFL)

# A busy machine is no fault of the code, and a test that passed once passes again.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")

pytest_plugins = ["clip_fixtures", "model_fixtures", "package_fixtures"]

STAND_IN = SUPPORT / "stand_in_engine.py"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The stand-in engine in place of the real modules, inside this process."""
    monkeypatch.syspath_prepend(str(STAND_IN.parent))
    import stand_in_engine

    stand_in_engine.calls.clear()
    for name in stand_in_engine.REPLACED:
        room, _, module = f"stylesync_engine.{name}".rpartition(".")
        monkeypatch.setitem(sys.modules, f"{room}.{module}", stand_in_engine)
        monkeypatch.setattr(importlib.import_module(room), module, stand_in_engine, raising=False)
    return stand_in_engine


@pytest.fixture(scope="session")
def run_engine() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `stylesync-engine` with the stand-in engine as a process of its own."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(STAND_IN), *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
