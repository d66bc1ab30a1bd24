"""Records (frozen dataclasses) from plain data, such as JSON gives it, and back.

    read(FrameRange, {"start": 10, "end": 85}, "request")

A record's type hints say what its data must be: text, numbers, flags, choices, lists, tables,
further records, and rates, days and paths that JSON writes as text. A record with a class method
`parse` may be written as text too. Whatever does not fit raises a DubError that names the field.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import math
import os
import types
import typing
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Literal, TypeVar

from stylesync_engine.errors import DubError, RequestError

T = TypeVar("T")

_NAMES = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false",
    dict: "an object", list: "a list", Fraction: "a rate such as 24000/1001",
    datetime.date: "a day such as 2027-12-31", PurePath: "a path",
}  # fmt: skip
_WRITTEN = (Fraction, datetime.date, PurePath)  # as text


def read(
    kind: type[T], data: Any, where: str, error: type[DubError] = RequestError, *, drop: str = ""
) -> T:
    """A `kind` from plain data. `where` is what the data is, as "request"; raises `error`, which
    names the field. null stands for a field's default; the field `drop` is passed over."""
    if drop and isinstance(data, dict):
        data = {name: value for name, value in data.items() if name != drop}
    return typing.cast("T", _Reader(where, error).value(kind, data, None))


def told(
    default: Any,
    what: str,
    written: str | None = None,
    read: Callable[[Any], Any] | None = None,
    was: str = "",
) -> Any:
    """A field with what a command line says of it and how its value is `written` there; `read`
    makes plain data of further ways to write it, `was` is an earlier name that is still read."""
    about = {"what": what, "written": written, "read": read, "was": was}
    return dataclasses.field(default=default, metadata=about)


def as_data(value: Any) -> Any:
    """A record, or what it holds, as JSON data; None fields are left out."""
    if dataclasses.is_dataclass(value):
        fields = ((entry.name, getattr(value, entry.name)) for entry in dataclasses.fields(value))
        return {name: as_data(held) for name, held in fields if held is not None}
    if isinstance(value, Mapping):
        return {str(name): as_data(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(held) for held in value]
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    return str(value) if isinstance(value, _WRITTEN) else value


def parse_json(text: str | bytes, where: str, error: type[DubError] = RequestError) -> Any:
    """Data of JSON; raises `error` where it is none, or nested too deep."""
    try:
        return strict_json(text)
    except ValueError as fault:
        raise error(f"The {where} is not valid JSON ({fault}); mend or export it again.") from fault


def strict_json(text: str | bytes) -> Any:
    """JSON as the standard has it. Raises ValueError for anything else: doubled keys, NaN and
    infinities, which readers take differently, and nesting that no reader of ours needs."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names a key twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def check_path(name: str, path: str) -> None:
    """Refuse what no file system can hold."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError as fault:
        raise RequestError(f"The {name} path holds half a character; mend it.", name) from fault
    if b"\0" in encoded:
        raise RequestError(f"The {name} path holds a NUL character; mend it.", name)


def check_choices(record: Any) -> None:
    """Refuse what is none of the choices that a record's fields declare."""
    for name, hint in hints_of(record.__class__).items():
        choices = choices_of(hint)
        value = getattr(record, name)
        if choices and value is not None and value not in choices:
            raise RequestError(f"{name} is '{value}'; choose one of {', '.join(choices)}.", name)


def choices_of(hint: Any) -> tuple[str, ...]:
    """The values of a `Literal`, or of one that may be None."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    return next((c for part in _parts(hint) if (c := choices_of(part))), ())


@functools.cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of a record's fields by name."""
    hints = typing.get_type_hints(kind)
    return {entry.name: hints[entry.name] for entry in dataclasses.fields(kind)}


def _parts(hint: Any) -> tuple[Any, ...]:
    """What a union is of; nothing where it is none."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if union else ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    where: str
    error: type[DubError]

    def value(self, hint: Any, data: Any, name: str | None) -> Any:
        """The data as its type hint wants it; `name` is the field that holds it."""
        parts = [part for part in _parts(hint) if part is not types.NoneType]
        if parts:
            return None if data is None else self.value(parts[0], data, name)
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if hint is Any:
            return data
        if origin is Literal:
            self._check(str, data, name)
            if data not in inner:
                raise self.error(f"{name} is '{data}'; choose one of {', '.join(inner)}.", name)
            return data
        if origin is tuple:
            return self._tuple(inner, data, name)
        if origin is list:
            self._check(list, data, name)
            return [self.value(inner[0], held, name) for held in data]
        if origin in (dict, Mapping):
            self._check(dict, data, name)
            return {key: self.value(inner[1], held, name) for key, held in data.items()}
        if dataclasses.is_dataclass(hint):
            return self._record(hint, data, name)
        return self._plain(hint, data, name)

    def _plain(self, hint: Any, data: Any, name: str | None) -> Any:
        written = next((kind for kind in _WRITTEN if issubclass(hint, kind)), None)
        if written:
            self._check(str, data, name, written)
            read = datetime.date.fromisoformat if written is datetime.date else hint
            try:
                return read(data)
            except (ValueError, ZeroDivisionError) as fault:
                raise self._misfit(written, data, name) from fault
        if hint is int and isinstance(data, float) and data.is_integer():
            data = int(data)
        if hint is float and isinstance(data, int) and not isinstance(data, bool):
            data = float(data) if abs(data) < 2**1000 else math.inf
        self._check(hint, data, name)
        return data

    def _tuple(self, inner: tuple[Any, ...], data: Any, name: str | None) -> tuple[Any, ...]:
        self._check(list, list(data) if isinstance(data, tuple) else data, name)
        hints = inner[:1] * len(data) if inner[1:] == (...,) else inner
        if len(data) != len(hints):
            raise self.error(f"The {self.where}'s {name} must hold {len(hints)} values.", name)
        return tuple(self.value(hint, held, name) for hint, held in zip(hints, data, strict=True))

    def _record(self, kind: Any, data: Any, name: str | None) -> Any:
        written = hasattr(kind, "parse")  # as text too; its parts have no names for who asked
        if isinstance(data, kind):
            return data
        if isinstance(data, str) and written:
            return self._built(name, kind.parse, data)
        hints = hints_of(kind)
        if isinstance(data, list) and written:
            self._tuple(tuple(hints.values()), data, name)
            data = dict(zip(hints, data, strict=True))
        self._check(dict, data, name)
        names = {entry.metadata.get("was"): entry.name for entry in dataclasses.fields(kind)}
        data = {names.get(key, key): held for key, held in data.items()}
        unknown = sorted(str(key) for key in set(data) - set(hints))
        if unknown:
            known = ", ".join(sorted(hints))
            raise self.error(
                f"The {name or self.where} has an unknown field '{unknown[0]}'; known are {known}."
            )
        fields = {}
        for entry in dataclasses.fields(kind):
            own, held = name if written else entry.name, data.get(entry.name)
            if held is not None:
                read = entry.metadata.get("read")
                held = self._built(own, read, held) if read else held
                fields[entry.name] = self.value(hints[entry.name], held, own)
            elif entry.default is entry.default_factory is dataclasses.MISSING:
                what = f"{self.where}'s {name}" if name else self.where
                raise self.error(f"The {what} has no {entry.name}; give it.", own)
        return self._built(name, kind, **fields)

    def _built(self, name: str | None, make: Any, /, *values: Any, **fields: Any) -> Any:
        """What `make` makes; its own refusals get the name of the field."""
        try:
            return make(*values, **fields)
        except DubError as fault:
            fault.field = fault.field or name
            raise

    def _check(self, kind: Any, data: Any, name: str | None, told: Any = None) -> None:
        fits = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
        if not fits or (kind is int and abs(data) >= 2**63):
            raise self._misfit(told or kind, data, name)

    def _misfit(self, kind: Any, data: Any, name: str | None) -> DubError:
        what = f"The {self.where}'s {name}" if name else f"The {self.where}"
        found = _NAMES.get(type(data), "nothing" if data is None else type(data).__name__)
        same = found == _NAMES.get(kind)
        found = f"'{data}'" if isinstance(data, str) or same else found
        return self.error(f"{what} must be {_NAMES.get(kind, kind.__name__)}, not {found}.", name)
