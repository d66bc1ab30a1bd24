"""What can go wrong with a dub, each kind with an exit code of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class DubError(Exception):
    """Something that the person who asked can mend; the message is one sentence that says how.

    `field` names what of the request is wrong, as the request calls it, where it is one thing:
    a terminal shows its flag, the panel its form's field.
    """

    kind: ClassVar[str] = "DubError"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__

    def to_dict(self) -> dict[str, str]:
        field = {"field": self.field} if self.field else {}
        return {"event": "error", "kind": self.kind, "message": str(self), **field}


@contextmanager
def about(field: str) -> Iterator[None]:
    """Errors of this block are about a field of the request, where they name none themselves."""
    try:
        yield
    except DubError as error:
        error.field = error.field or field
        raise


class RequestError(DubError):
    """The request contradicts itself or the media (exit code 2)."""

    exit_code = 2


class MediaError(DubError):
    """A file cannot be read, or cannot be written in the wanted form (exit code 3)."""

    exit_code = 3


class NoFaceError(DubError):
    """There is no usable face where one was asked for (exit code 4)."""

    exit_code = 4


class ModelError(DubError):
    """Weights are missing, damaged or of another kind (exit code 5)."""

    exit_code = 5


class DiskError(DubError):
    """The disk is full or the place is not writable (exit code 6)."""

    exit_code = 6


class Cancelled(DubError):
    """The person cancelled the job (exit code 130)."""

    exit_code = 130
