"""Proxies of clips, made by the engine in the background: one file, every frame found at once.

proxies.want("a.mov", 100, 250, 540)
place = proxies.place("a.mov", 120, 540)    # None until the frame is there
image = place.read()                        # in any thread
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from stylesync_ui.engine.link import EngineLink, Event
from stylesync_ui.engine.preview_folder import PreviewFolder

_BYTES = 2**26  # of a picture


@dataclass(slots=True)
class Proxy:
    """Frames `start` to `end` of a file, `height` px high; `count` of them are there."""

    path: str
    start: int
    end: int
    height: int
    file: Path
    count: int = 0

    @property
    def is_whole(self) -> bool:
        return self.count >= self.end - self.start


@dataclass(frozen=True, slots=True)
class PlaceInProxy:
    """Where a frame lies: the `number`-th picture of a proxy file, from 0."""

    file: Path
    number: int

    def read(self) -> QImage:
        """The picture; empty where it cannot be read."""
        try:
            with self.file.with_suffix(".index").open("rb") as index:
                index.seek(max(0, self.number - 1) * 8)
                known = index.read(16 if self.number else 8)
            ends = [int.from_bytes(known[n : n + 8], "little") for n in range(0, len(known), 8)]
            first, last = (ends[0], ends[1]) if self.number else (0, ends[0])
            if not 0 <= last - first <= _BYTES:
                return QImage()
            with self.file.open("rb") as pictures:
                pictures.seek(first)
                return QImage.fromData(pictures.read(last - first))
        except (OSError, IndexError, OverflowError):
            return QImage()


class Proxies(QObject):
    """One is made at a time, the one that was asked for last first; `grown` names its clip."""

    grown = Signal(str)

    def __init__(self, link: EngineLink, folder: PreviewFolder) -> None:
        super().__init__()
        self._link, self._folder = link, folder
        self._known: dict[tuple[str, int, int, int], Proxy] = {}
        self._of_file: dict[tuple[str, int], list[Proxy]] = {}
        self._waiting: list[Proxy] = []
        self._made: Proxy | None = None
        link.state_changed.connect(lambda _: self._next())

    def want(self, path: str, start: int, end: int, height: int) -> None:
        """See to it that these frames get their proxy."""
        key = (path, start, end, height)
        if key in self._known or end <= start:
            return
        folder = self._folder.of(path, f"proxy{height}_{start}_{end}")
        proxy = Proxy(path, start, end, height, folder / "proxy.mjpeg")
        try:
            proxy.count = proxy.file.with_suffix(".index").stat().st_size // 8
        except OSError:
            proxy.count = 0
        self._known[key] = proxy
        self._of_file.setdefault((path, height), []).append(proxy)
        if not proxy.is_whole:
            self._waiting.append(proxy)
            self._next()

    def place(self, path: str, frame: int, height: int) -> PlaceInProxy | None:
        """Where a frame lies, if it is there."""
        for proxy in self._of_file.get((path, height), ()):
            if proxy.start <= frame < proxy.start + min(proxy.count, proxy.end - proxy.start):
                return PlaceInProxy(proxy.file, frame - proxy.start)
        return None

    def forget_file(self, path: str) -> None:
        """A file has changed: its proxies are those of another one."""
        self._known = {key: proxy for key, proxy in self._known.items() if key[0] != path}
        self._of_file = {key: found for key, found in self._of_file.items() if key[0] != path}
        self._waiting = [proxy for proxy in self._waiting if proxy.path != path]

    def _next(self) -> None:
        if self._made is not None or not self._waiting or self._link.state != "ready":
            return
        proxy = self._made = self._waiting.pop()
        params = {
            "video": proxy.path, "frames": f"{proxy.start}:{proxy.end}", "height": proxy.height,
            "output": str(proxy.file),
        }  # fmt: skip
        self._link.ask("proxy", params, lambda event: self._hear(proxy, event))

    def _hear(self, proxy: Proxy, event: Event) -> None:
        """What cannot be made is not asked again: single pictures are shown in its place."""
        kind = event["event"]
        if kind == "progress":
            proxy.count = max(proxy.count, event["done"])
            self.grown.emit(proxy.path)
        elif kind != "started":
            self._made = None
            if kind == "lost":
                self._waiting.append(proxy)
            self._next()
