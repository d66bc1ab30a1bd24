"""Pictures, outlines and facts of media, asked of the engine and loaded beside the GUI thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal
from PySide6.QtGui import QImage
from stylesync_plugin.timeline.sources import PictureFacts, SoundFacts
from stylesync_plugin.times import parse_time

from stylesync_ui.engine import request_queue
from stylesync_ui.engine.link import EngineLink, Event
from stylesync_ui.engine.loading import Load, LoadOutline, Store
from stylesync_ui.engine.preview_folder import PreviewFolder
from stylesync_ui.engine.proxies import Proxies
from stylesync_ui.engine.request_queue import QueuedRequest, RequestQueue

IMAGE_BYTES = 384 * 2**20
WAVEFORM_BINS_A_SECOND = 60
MOST_BINS = 60_000
BATCH = 12


class MediaCache(QObject):
    """What widgets ask for comes at once or is None, and `arrived` says when to ask again."""

    arrived = Signal(str)
    face_found = Signal(str)
    _loaded = Signal(object, object)
    _outlined = Signal(str, object)

    def __init__(self, link: EngineLink, folder: PreviewFolder) -> None:
        super().__init__()
        self.link, self.folder = link, folder
        self.proxies = Proxies(link, folder)
        self._requests = RequestQueue()
        self._images: OrderedDict[tuple[str, int, int], QImage] = OrderedDict()
        self._bytes = 0
        self._loading: set[tuple[str, int, int]] = set()
        self._pool = QThreadPool()
        self._pool.setMaxThreadCount(2)
        self._facts: dict[str, PictureFacts | SoundFacts | str] = {}
        self._sounds: dict[str, SoundFacts] = {}
        self._outlines: dict[str, list[float]] = {}
        self._surveys: dict[tuple[str, int, int, int], Event | str] = {}
        self._playable: dict[str, str] = {}
        self._folders: dict[tuple[str, str], Path] = {}
        self._failed: set[tuple[Any, ...]] = set()
        self._why: dict[str, str] = {}
        self._loaded.connect(self._keep)
        self._outlined.connect(self._keep_outline)
        link.lost.connect(lambda _: self._engine_lost())
        link.state_changed.connect(lambda _: self._send())

    # Facts

    def picture(self, path: str) -> PictureFacts | None:
        """Rate, size and length of a picture, None while unknown or where there is none."""
        found = self._facts.get(path)
        if found is None:
            self._ask_facts(path)
        return found if isinstance(found, PictureFacts) else None

    def sound(self, path: str) -> SoundFacts | None:
        if path not in self._facts:
            self._ask_facts(path)
        return self._sounds.get(path)

    def trouble(self, path: str) -> str:
        """Why a file cannot be read, empty if it can or that is not known yet."""
        found = self._facts.get(path)
        return found if isinstance(found, str) else ""

    def is_known(self, path: str) -> bool:
        return path in self._facts

    def _ask_facts(self, path: str) -> None:
        self._add(("facts", path), request_queue.FACTS, "facts", {"path": path})

    def take_facts(self, path: str, event: Event) -> None:
        """Keep the facts of an answer; a worker that asked for itself hands them over, too."""
        if event["event"] == "result":
            sound = event["sound"]
            if sound is not None:
                self._sounds[path] = SoundFacts(sound["sample_rate"], sound["samples"])
            picture = event["picture"]
            self._facts[path] = parse_facts(picture) if picture else self._sounds[path]
        elif event["event"] == "error":
            self._facts[path] = str(event["message"])
        self.arrived.emit(path)

    # Pictures

    def image(self, path: str, frame: int, height: int, urgency: int) -> QImage | None:
        """The picture of a frame, `height` px high, if it is here."""
        key = (path, frame, height)
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
            return image
        self.want(path, [frame], height, urgency)
        return None

    def has_image(self, path: str, frame: int, height: int) -> bool:
        return (path, frame, height) in self._images

    def has_failed(self, path: str, frame: int, height: int) -> bool:
        """Whether the engine could not read this frame."""
        return ("image", path, frame, height) in self._failed

    def why_failed(self, path: str) -> str:
        """What the engine said when it last could not make a picture of a file."""
        return self._why.get(path, "")

    def want(self, path: str, frames: Sequence[int], height: int, urgency: int) -> None:
        """See to it that these frames come, from the disk or from the engine."""
        folder = self._folder(path, str(height))
        missing = []
        for frame in frames:
            key = (path, frame, height)
            if key in self._images or key in self._loading:
                continue
            place = self.proxies.place(path, frame, height)
            if place is not None:
                self._load(key, place.read)
                continue
            file = folder / f"frame_{frame:06d}.png"
            if file.exists():
                self._load(key, partial(QImage, str(file)))
            elif ("image", *key) not in self._failed:
                missing.append(frame)
        for start in range(0, len(missing), BATCH):
            self._ask_images(path, missing[start : start + BATCH], height, urgency, folder)

    def rendered(self, work: str, frame: int, height: int) -> QImage | None:
        """A frame of a dub that is still being rendered, if it is here; asks for what follows."""
        key = (f"growing {work}", frame, height)
        if key not in self._images:
            folder = self._folder(work, f"growing{height}")
            frames = [
                n for n in range(frame, frame + BATCH) if (key[0], n, height) not in self._images
            ]
            params = {"work": work, "frames": frames, "height": height, "folder": str(folder)}
            self._add(("images", key[0], height, frame), request_queue.VIEWER, "rendered", params)
        return self._images.get(key)

    def _ask_images(
        self, path: str, frames: list[int], height: int, urgency: int, folder: Path
    ) -> None:
        params = {"video": path, "frames": frames, "height": height, "folder": str(folder)}
        key = ("images", path, height, *frames)
        self._add(key, urgency, "thumbnails", params)

    def _load(self, key: tuple[str, int, int], read: Callable[[], QImage]) -> None:
        if key not in self._loading:
            self._loading.add(key)
            self._pool.start(Load(read, partial(self._loaded.emit, key)))

    def _keep(self, key: tuple[str, int, int], image: QImage) -> None:
        self._loading.discard(key)
        if image.isNull():
            self._failed.add(("image", *key))
            return
        self._images[key] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > IMAGE_BYTES and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()
        self.arrived.emit(key[0])

    # Outlines of sound, sound to play

    def outline(self, path: str) -> list[float] | None:
        """Peaks, evenly over the whole sound, if they are here."""
        found = self._outlines.get(path)
        if found is None and ("outline", path) not in self._failed:
            facts = self.sound(path)
            if facts is not None:
                self._ask_outline(path, float(facts.length))
        return found

    def _ask_outline(self, path: str, seconds: float) -> None:
        file = self._folder(path, "sound") / "outline.json"
        if file.exists():
            self._failed.add(("outline", path))  # asked once; taken back when it is here
            keep = partial(self._outlined.emit, path)
            self._pool.start(LoadOutline(file, keep))
            return
        bins = max(1, min(MOST_BINS, int(seconds * WAVEFORM_BINS_A_SECOND)))
        params = {"path": path, "bins": bins}
        self._add(("outline", path), request_queue.WAVEFORM, "waveform", params)

    def _keep_outline(self, path: str, peaks: list[float]) -> None:
        self._outlines[path] = peaks
        self._failed.discard(("outline", path))
        self.arrived.emit(path)

    def playable(self, path: str) -> str | None:
        """A WAV file of the sound for playing, if it is here."""
        found = self._playable.get(path)
        if found is None and ("sound", path) not in self._failed:
            output = self._folder(path, "sound") / "play.wav"
            if output.exists():
                self._playable[path] = str(output)
                return str(output)
            params = {"path": path, "output": str(output)}
            self._add(("sound", path), request_queue.SOUND, "sound", params)
        return found

    # Faces

    def survey(self, path: str, start: int, end: int, samples: int) -> Event | str | None:
        """Faces and cuts in a range of frames; a sentence where that failed, None while unknown."""
        key = (path, start, end, samples)
        if key not in self._surveys:
            params = {"video": path, "frames": f"{start}:{end}", "samples": samples}
            urgency = request_queue.FACES if samples == 1 else request_queue.SOUND
            self._add(("survey", *key), urgency, "survey", params)
        return self._surveys.get(key)

    # RequestQueue

    def forget(self, urgency: int) -> None:
        self._requests.forget(urgency)

    @property
    def is_busy(self) -> bool:
        return bool(len(self._requests) or self._loading)

    def _add(self, key: tuple[Any, ...], urgency: int, method: str, params: Event) -> None:
        if key in self._failed or self.link.state == "gone":
            return
        request = QueuedRequest(key, urgency, method, params, lambda event: self._hear(key, event))
        self._requests.add(request)
        self._send()

    def _send(self) -> None:
        if self.link.state != "ready":
            self.link.start() if self.link.state == "off" and len(self._requests) else None
            return
        while (request := self._requests.take()) is not None:
            self.link.ask(request.method, request.params, self._listener(request))

    def _listener(self, request: QueuedRequest) -> Any:
        def hear(event: Event) -> None:
            if event["event"] in ("result", "error", "cancelled"):
                self._requests.done(request)
            request.listener(event)
            self._send()

        return hear

    def _hear(self, key: tuple[Any, ...], event: Event) -> None:
        kind, failed = event["event"], event["event"] in ("error", "cancelled")
        what = key[0]
        if what == "images":
            self._hear_image(key, event)
        elif what == "facts" and (kind == "result" or failed):
            self.take_facts(key[1], event)
        elif what == "outline" and kind == "result":
            self._store_outline(key[1], event["peaks"])
        elif what == "sound" and kind == "result":
            self._playable[key[1]] = event["output"]
            self.arrived.emit(key[1])
        elif what == "survey" and (kind == "result" or failed):
            self._surveys[key[1:]] = event if kind == "result" else str(event["message"])
            self.face_found.emit(key[1])
        if failed and not str(key[1]).startswith("growing "):
            self._failed.add(key)

    def _hear_image(self, key: tuple[Any, ...], event: Event) -> None:
        _, path, height, *frames = key
        if event["event"] == "progress":
            self._load((path, event["frame"], height), partial(QImage, str(event["file"])))
        elif event["event"] == "error" and not path.startswith("growing "):
            self._failed |= {("image", path, frame, height) for frame in frames}
            self._why[path] = str(event.get("message", ""))
            self.arrived.emit(path)

    def _store_outline(self, path: str, peaks: list[float]) -> None:
        self._keep_outline(path, peaks)
        file = self._folder(path, "sound") / "outline.json"
        self._pool.start(Store(file, peaks))

    def _engine_lost(self) -> None:
        self._requests.lose_all()

    def _folder(self, path: str, what: str) -> Path:
        """Kept for the session: looking at the file each time would cost more than it tells."""
        key = (path, what)
        if key not in self._folders:
            self._folders[key] = self.folder.of(path, what)
        return self._folders[key]

    def forget_file(self, path: str) -> None:
        """A file has changed: whatever was known of it goes."""
        self.proxies.forget_file(path)
        self._facts.pop(path, None)
        self._images = OrderedDict((k, v) for k, v in self._images.items() if k[0] != path)
        self._bytes = sum(image.sizeInBytes() for image in self._images.values())
        self._failed = {key for key in self._failed if path not in key}
        self._folders = {k: v for k, v in self._folders.items() if k[0] != path}
        for known in (self._outlines, self._playable, self._sounds):
            known.pop(path, None)

    def close(self) -> None:
        self._pool.clear()
        self._pool.waitForDone(2000)


def parse_facts(data: Event) -> PictureFacts:
    """The engine's facts of a picture as the plugin counts with them."""
    rate = Fraction(data["rate"])
    code = data["timecode"]
    start = round(parse_time(code, rate) * rate) if code else None
    return PictureFacts(
        rate, data["frames"], start, data["width"], data["height"], data["variable"]
    )
