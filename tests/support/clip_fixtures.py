"""Real clips and the models that dub them; what is not there is skipped with a reason.

`../shared/data` holds footage that may not be redistributed; the demo's own clips stand in where
it is absent.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from places import DATA, DEMO

from stylesync_engine.request import DubOptions, DubRequest, FrameRange

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models

MODELS = os.environ.get("STYLESYNC_TEST_MODELS", "starter")

Ffmpeg = Callable[..., Path]


def ask(video: Path, speech: Path, output: Path, frames: str | None, **options: Any) -> DubRequest:
    settings = {"models": MODELS, "quality": "draft", "codec": "ffv1", "device": "cpu", **options}
    return DubRequest(
        str(video),
        str(speech),
        str(output),
        frames=FrameRange.parse(frames) if frames else None,
        work=str(output.with_name(output.stem + ".work")),
        options=DubOptions(**settings),
    )


@contextmanager
def disk_of(limit: int) -> Iterator[None]:
    """Files of this process may not grow beyond `limit` bytes: what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session")
def grid() -> Callable[[str], Path]:
    """A GRID clip by its speaker and name, 360x288 at 25, 75 frames: `grid("s30/bbac3n")`."""

    def find(name: str) -> Path:
        path = DATA / "speakers" / f"{name}.mpg"
        if not path.is_file():
            pytest.skip(f"needs {path}")
        return path

    return find


@pytest.fixture(scope="session")
def clip() -> Callable[[str], Path]:
    """One of the other real clips by its name."""

    def find(name: str) -> Path:
        path = DATA / "clips" / name
        if not path.is_file():
            pytest.skip(f"needs {path}")
        return path

    return find


@pytest.fixture(scope="session")
def talking() -> Path:
    """A person who speaks, about 3 s at 25 frames/s, with sound."""
    for path in (DATA / "speakers" / "s30" / "bbac3n.mpg", DEMO / "take_to_dub.mp4"):
        if path.is_file():
            return path
    pytest.skip("needs packaging/demo/take_to_dub.mp4 or ../shared/data")


@pytest.fixture(scope="session")
def other_speech() -> Path:
    """Speech of another sentence."""
    for path in (DATA / "speakers" / "s30" / "bbac4s.mpg", DEMO / "line.wav"):
        if path.is_file():
            return path
    pytest.skip("needs packaging/demo/line.wav or ../shared/data")


@pytest.fixture(scope="session")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> Ffmpeg:
    """Make a clip with the ffmpeg program: `ffmpeg("name.mov", "-i", source, ...)`."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str, *words: str | Path) -> Path:
        path = folder / name
        command = ["ffmpeg", "-v", "error", "-y", *map(str, words), str(path)]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=120)
        except FileNotFoundError:
            pytest.skip("needs the ffmpeg program")
        return path

    return make


@pytest.fixture(scope="session")
def models() -> Models:
    """Models that dub: STYLESYNC_TEST_MODELS, else the starter once all its parts are there."""
    from stylesync_engine.request import ModelError
    from stylesync_engine.weights import loading

    try:
        return loading.load_models(MODELS, "cpu")
    except ModelError as error:
        pytest.skip(f"needs whole models: {error}")


@pytest.fixture
def warm(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run inside this process take the loaded models instead of reading them again."""
    from stylesync_engine import dubbing

    monkeypatch.setattr(dubbing, "load_models", lambda name, device: models)
