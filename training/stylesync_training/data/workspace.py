"""The work folder: where each command finds what the one before made.

WORK/choices.json                   preset, speakers kept aside, front end
WORK/data/                          tracks, face model, clips with their index (see `prepare`)
WORK/autoencoder, lip-motion, renderer    one run each (see `loop`)
WORK/train.safetensors, check.safetensors  what the frozen autoencoder sees of the clips
WORK/report/, WORK/models/          figures, and the models ready to dub
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from stylesync_engine.files import replacing
from stylesync_engine.records import parse_json
from stylesync_engine.request import RequestError
from stylesync_engine.weights.table import hash_file
from stylesync_training.data.corpora import SourceClip

R = TypeVar("R")
CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Choices:
    """What `prepare` was told and later commands keep to.

    Nothing is trained on `holdout` and `check`; `check` speakers give the curves' figures.
    """

    preset: str = "starter"
    front_end: str = "whisper-base"
    holdout: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def kept_aside(self) -> frozenset[str]:
        return frozenset(self.holdout) | frozenset(self.check)

    def use_of(self, speaker: str) -> str:
        """What a speaker's clips are for."""
        if speaker in self.holdout:
            return "holdout"
        return "check" if speaker in self.check else "training"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The places of one training."""

    folder: Path
    choices: Choices = field(default_factory=Choices)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tracks(self) -> Path:
        return self.data / "tracks"

    @property
    def clips(self) -> Path:
        return self.data / "clips"

    @property
    def face_model(self) -> Path:
        return self.data / "face_model.safetensors"

    @property
    def report(self) -> Path:
        return self.folder / "report"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def run(self, name: str) -> Path:
        return self.folder / name

    def samples(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def speakers(self) -> list[str]:
        """Everybody whose clips are prepared."""
        return sorted(path.name for path in self.clips.glob("*") if any(path.glob("*.safetensors")))

    def training_speakers(self) -> list[str]:
        """Those to train on. Raises RequestError where nobody is left."""
        left = [name for name in self.speakers() if name not in self.choices.kept_aside()]
        if not left:
            raise RequestError(
                f"{self.clips} holds no clips to train on; run stylesync-train prepare first, and"
                " keep not everybody aside."
            )
        return left

    def keep_choices(self, choices: Choices) -> Workspace:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "choices.json", dataclasses.asdict(choices))
        return Workspace(self.folder, choices)

    def keep_sources(self, clips: Sequence[SourceClip]) -> None:
        rows = [
            [c.speaker, c.name, str(c.path), [str(s) for s in c.seconds] if c.seconds else None]
            for c in clips
        ]
        write_json(self.data / "sources.json", rows)

    def source_clips(self) -> list[SourceClip]:
        """The clips that were prepared, where they lie. Raises RequestError before `prepare`."""
        path = self.data / "sources.json"
        if not path.exists():
            raise RequestError(f"{path} is missing; run stylesync-train prepare first.")
        return [
            SourceClip(speaker, name, Path(file), _span(seconds))
            for speaker, name, file, seconds in read_json(path)
        ]

    def check_made_with(self, front_end: str) -> None:
        """Write down what the clips are made with; raises RequestError where they were made with
        something else, since the networks would then learn from a mixture."""
        made = {"front_end": front_end, "face_model": hash_file(self.face_model)}
        path = self.clips / "made_with.json"
        if path.exists() and read_json(path) != made:
            raise RequestError(
                f"The clips in {self.clips} were cut with another face model or speech front end;"
                " delete that folder or choose another work folder."
            )
        self.clips.mkdir(parents=True, exist_ok=True)
        write_json(path, made)


def open_workspace(folder: Path) -> Workspace:
    """A work folder as `prepare` left it; with the defaults where there is nothing yet."""
    path = folder / "choices.json"
    if not path.exists():
        return Workspace(folder)
    try:
        data = read_json(path)
        lists = {k: tuple(data.get(k, ())) for k in ("holdout", "check", "sources")}
        return Workspace(folder, Choices(data["preset"], data["front_end"], **lists))
    except (RequestError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} cannot be read ({error}); run prepare again.") from error


def keep_config(run: Path, config: Any) -> None:
    """Write a run's settings beside it. Raises RequestError where the run was started with other
    sizes; other settings may change as it goes on."""
    path = run / CONFIG
    data = json.loads(json.dumps(dataclasses.asdict(config)))
    if path.exists():
        before = read_json(path)
        if before.get("sizes") != data["sizes"]:
            raise RequestError(
                f"The run in {run} was started with other sizes; delete it or choose another"
                " work folder."
            )
    run.mkdir(parents=True, exist_ok=True)
    write_json(path, data)


def read_sizes(run: Path, sizes_type: type[R], default: R) -> R:
    """The sizes that a run was started with, `default` where it does not say."""
    path = run / CONFIG
    if not path.exists():
        return default
    data = read_json(path)["sizes"]
    return sizes_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def read_json(path: Path) -> Any:
    """What one of the work folder's files says. Raises RequestError where it cannot be read."""
    try:
        return parse_json(path.read_bytes(), f"file {path}")
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}); check it.") from error


def write_json(path: Path, data: Any) -> None:
    """The file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        draft.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _span(seconds: Sequence[str] | None) -> tuple[Fraction, Fraction] | None:
    return (Fraction(seconds[0]), Fraction(seconds[1])) if seconds else None
