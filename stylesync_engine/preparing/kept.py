"""What takes long to see and hear is kept for who refines the same shot again, in a few places."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

from stylesync_engine.media import files_of
from stylesync_engine.request import MediaError

V = TypeVar("V")


class Kept(Generic[V]):
    """The last `most` values by their keys; for threads that ask at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def find(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made where it is not there; who asks for one that is being made waits
        for it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            try:
                with self._lock:
                    if key in self._values:
                        self._values.move_to_end(key)
                        return self._values[key]
                value = make()
                self._keep(key, value)
                return value
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _keep(self, key: Hashable, value: V) -> None:
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)


def mark_of(path: str) -> Hashable:
    """Tells whether a clip's files have changed. Raises MediaError where they cannot be read."""
    try:
        found = [(str(file), Path(file).stat()) for file in files_of(path)]
    except OSError as error:
        raise MediaError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    return tuple((name, at.st_size, at.st_mtime_ns, at.st_ino) for name, at in found)
