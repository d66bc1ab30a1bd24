"""What plain data, such as JSON gives it, must be before it becomes a record.

Whatever does not fit raises a RequestError that names the field.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from stylesync_engine.errors import RequestError

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}


def check_path(name: str, path: str) -> None:
    """Refuse what no file system can hold."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise RequestError(f"The {name} path holds half a character; mend the path.") from error
    if b"\0" in encoded:
        raise RequestError(f"The {name} path holds a NUL character; mend the path.")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"{name} is '{value}'; choose one of {', '.join(choices)}.")


def fields_of(what: str, record: type, data: Any) -> dict[str, Any]:
    """What `data` says of a record's fields; null stands for the default."""
    if not isinstance(data, dict):
        raise RequestError(f"The {what} must be a JSON object; write it as {{...}}.")
    known = {entry.name for entry in dataclasses.fields(record)}
    unknown = sorted(str(name) for name in set(data) - known)
    if unknown:
        raise RequestError(
            f"The {what} has an unknown field '{unknown[0]}'; known are {', '.join(sorted(known))}."
        )
    return {name: value for name, value in data.items() if value is not None}


def check_types(what: str, fields: dict[str, Any], types: dict[str, tuple[type, ...]]) -> None:
    for name, value in fields.items():
        kinds = types[name]
        if isinstance(value, bool) != (kinds == (bool,)) or not isinstance(value, kinds):
            expected = " or ".join(_TYPE_NAMES[kind] for kind in kinds)
            found = _TYPE_NAMES.get(type(value), type(value).__name__)
            raise RequestError(f"The {what}'s {name} must be {expected}, not {found}.")


def numbers_of(name: str, value: Any, keys: tuple[str, ...]) -> list[int | float]:
    """The numbers of `{"start": 1, "end": 2}` or `[1, 2]`, in the order of `keys`."""
    items: list[Any] = [value.get(key) for key in keys] if isinstance(value, dict) else list(value)
    numeric = all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items)
    if len(items) != len(keys) or not numeric or not all(abs(item) < 2**63 for item in items):
        raise RequestError(f"The request's {name} must hold the numbers {', '.join(keys)}.")
    return items


def whole_number(name: str, number: int | float) -> int:
    if int(number) != number:
        raise RequestError(f"The request's {name} holds {number}; give whole numbers.")
    return int(number)
