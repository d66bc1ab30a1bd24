"""What the editor sets once: models, device, previews, consent; kept as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QStandardPaths
from stylesync_plugin.batch.records import read_json, write_json

ORIGINAL_SOUNDS = ("off", "-20dB", "keep")
PREVIEW_HEIGHTS = (360, 540, 720, 1080)


@dataclass(frozen=True, slots=True)
class Preferences:
    """`cache_mb` bounds the previews on disk; `models_folder` holds models beside the starter's;
    media that have moved are looked for in `media_folders`. `window` is Qt's geometry in hex, and
    `splits` are px of each splitter's parts."""

    models_folder: str = ""
    media_folders: list[str] = field(default_factory=list)
    device: str = "auto"
    cache_mb: int = 2000
    preview_height: int = 540
    consent_required: bool = False
    seen_help: bool = False
    sound_on: bool = True
    original_sound: str = "off"
    window: str = ""
    splits: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Preferences:
        """What was kept; anything unreadable is the default."""
        try:
            data = read_json(file)
        except (OSError, ValueError):
            return cls()
        plain = cls()
        known = {
            entry.name: data[entry.name]
            for entry in dataclasses.fields(cls)
            if isinstance(data, dict)
            and type(data.get(entry.name)) is type(getattr(plain, entry.name))
        }
        if known.get("original_sound") not in ORIGINAL_SOUNDS:
            known.pop("original_sound", None)
        return cls(**known)

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(Path(str(folder)) for folder in self.media_folders)

    def write(self, file: Path) -> None:
        try:
            write_json(file, dataclasses.asdict(self))
        except OSError:
            return


@dataclass(frozen=True, slots=True)
class Home:
    """The panel's own folders: settings and queue in `config`, previews in `cache`."""

    config: Path
    cache: Path

    @classmethod
    def default(cls) -> Home:
        kinds = QStandardPaths.StandardLocation
        config = QStandardPaths.writableLocation(kinds.GenericConfigLocation)
        cache = QStandardPaths.writableLocation(kinds.GenericCacheLocation)
        return cls(Path(config) / "StyleSync", Path(cache) / "StyleSync" / "previews")

    @property
    def preferences(self) -> Path:
        return self.config / "preferences.json"

    @property
    def queue(self) -> Path:
        return self.config / "queue.json"
