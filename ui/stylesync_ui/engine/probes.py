"""The plugin's probes, answered by the engine: one that asks and one that knows."""

from __future__ import annotations

from pathlib import Path

from stylesync_plugin.contract import MediaError
from stylesync_plugin.timeline.sources import PictureFacts, SoundFacts

from stylesync_ui.engine.bridge import EngineBridge, error_of
from stylesync_ui.engine.link import Event
from stylesync_ui.engine.media_cache import MediaCache, parse_facts


class AskingProbe:
    """The plugin's probe by way of the engine, for worker threads; every file is asked once."""

    def __init__(self, bridge: EngineBridge) -> None:
        self._bridge = bridge
        self._known: dict[str, tuple[tuple[int, int], Event]] = {}

    def picture(self, path: str) -> PictureFacts:
        found = self._facts(path)["picture"]
        if found is None:
            raise MediaError(f"'{Path(path).name}' holds no picture; choose another file.")
        return parse_facts(found)

    def sound(self, path: str) -> SoundFacts:
        found = self._facts(path)["sound"]
        if found is None:
            raise MediaError(f"'{Path(path).name}' holds no sound; choose another file.")
        return SoundFacts(found["sample_rate"], found["samples"])

    def _facts(self, path: str) -> Event:
        mark = _mark(path)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = mark, self._bridge.ask("facts", {"path": path})
            if known[1]["event"] == "result":
                self._known[path] = known
        if known[1]["event"] != "result":
            raise error_of(known[1])
        return known[1]


def _mark(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


class KnownFacts:
    """The plugin's probe, from what the panel already knows; for the GUI thread."""

    def __init__(self, media: MediaCache) -> None:
        self._media = media

    def picture(self, path: str) -> PictureFacts:
        found = self._media.picture(path)
        if found is None:
            raise MediaError(
                self._media.trouble(path) or f"'{path}' is not known yet; wait for it."
            )
        return found

    def sound(self, path: str) -> SoundFacts:
        found = self._media.sound(path)
        if found is None:
            raise MediaError(
                self._media.trouble(path) or f"'{path}' is not known yet; wait for it."
            )
        return found
