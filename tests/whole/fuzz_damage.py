"""Ways to damage files: bytes, JSON, words between tags, tensors and archives."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from typing import Any

TOKENS = [
    b"", b"\0", b"-1", b"0", b"1e999", b"NaN", b"9" * 40, b"../../../../tmp/escaped",
    b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:9/x", b"\\\\host\\share", b"%00",
    b"%s%n", b"\xff\xfe", "\u202e\ud7ff".encode(), b"<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    b"&x;", b"A" * 5000, b"01:00:00;00", b"1/0", b"-1/0s", b"99:99:99:99", b"null", b"[" * 200,
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**63), 1e308, -0.0, 1e-320, float("nan"),
    float("inf"), "", "\0", "x" * 5000, "../../../../tmp/escaped", "/etc/passwd", "\ud800", [], {},
    [[]], [0, 0], [1, 0], ["a"], {"a": 1}, "1/0", "0/0", "25/1", "A:B", "5:1", "0:99999999999",
]  # fmt: skip
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1]


def damage_bytes(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """Bits turned, parts cut, doubled, exchanged with another file's, sizes overwritten."""
    data = bytearray(numbers.choice(seeds))
    for _ in range(numbers.choice((1, 1, 2, 3, 8))):
        if not data:
            break
        at, other = sorted((_place(numbers, len(data)), _place(numbers, len(data))))
        kind = numbers.randrange(8)
        if kind == 0:
            data[at] ^= 1 << numbers.randrange(8)
        elif kind == 1:
            del data[at : min(other, at + 4096)]
        elif kind == 2:
            data[other:other] = data[at : min(other, at + 4096)]
        elif kind == 3:
            data[at:at] = numbers.choice(TOKENS)
        elif kind == 4:
            width = numbers.choice((1, 2, 4, 8))
            value = numbers.choice(NUMBERS) % 256**width
            data[at : at + width] = value.to_bytes(width, numbers.choice(("big", "little")))
        elif kind == 5:
            donor = numbers.choice(seeds)
            data[at : at + 512] = donor[at : at + numbers.randrange(512)]
        elif kind == 6:
            del data[other:]
        else:
            token = numbers.choice(TOKENS)
            data[at : at + len(token)] = token
    return bytes(data)


def damage_json(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """Values exchanged for odd ones of any kind, keys renamed, lost and invented; sometimes text
    that is no JSON any more."""
    if numbers.randrange(5) == 0:
        return damage_bytes(numbers, seeds)
    try:
        data = json.loads(numbers.choice(seeds))
    except ValueError:  # OpenTimelineIO writes infinities in a way of its own
        return damage_bytes(numbers, seeds)
    for _ in range(numbers.choice((1, 1, 2, 4))):
        data = _change(numbers, data)
    return json.dumps(data, ensure_ascii=numbers.random() < 0.5).encode("utf-8", "surrogatepass")


def damage_words(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """Values between quotes or tags exchanged for odd ones, lines lost and doubled."""
    if numbers.randrange(4) == 0:
        return damage_bytes(numbers, seeds)
    data = numbers.choice(seeds)
    for _ in range(numbers.choice((1, 1, 2, 4))):
        words = list(re.finditer(rb"(?<=[\">])[^\"<>\n]+(?=[\"<])|\d+", data))
        if words and numbers.randrange(4):
            word = numbers.choice(words)
            other = numbers.choice((numbers.choice(TOKENS), numbers.choice(words).group()))
            data = data[: word.start()] + other + data[word.end() :]
        else:
            lines = data.splitlines(keepends=True)
            at = numbers.randrange(len(lines) or 1)
            lines[at : at + 1] = numbers.choice(([], lines[at : at + 1] * 2, lines[at::-1][:2]))
            data = b"".join(lines)
    return data


def damage_tensors(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """The header of a safetensors file as JSON, its length kept true most of the time."""
    data = numbers.choice(seeds)
    if numbers.randrange(3) == 0:
        return damage_bytes(numbers, seeds)
    length = struct.unpack("<Q", data[:8])[0]
    header = damage_json(numbers, [data[8 : 8 + length]])
    told = numbers.choice((len(header),) * 6 + tuple(NUMBERS))
    return struct.pack("<Q", told) + header + data[8 + length :]


def damage_zip(numbers: random.Random, seeds: list[bytes]) -> bytes:
    """Members with names that lead elsewhere, and damaged content."""
    if numbers.randrange(3) == 0:
        return damage_bytes(numbers, seeds)
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(numbers.choice(seeds))) as old,
        zipfile.ZipFile(made, "w") as new,
    ):
        for member in old.infolist():
            content, name = old.read(member), member.filename
            if name.endswith(".otio") and numbers.randrange(2):
                content = damage_json(numbers, [content])
            if numbers.randrange(4) == 0:
                name = numbers.choice(
                    ("../../escaped", "/etc/escaped", "a/../../x", "media/..", name * 40)
                )
            new.writestr(name, content)
            if numbers.randrange(4) == 0:
                new.writestr("media/../../../escaped.mov", content)
    return made.getvalue()


def _place(numbers: random.Random, length: int) -> int:
    """Headers lie at the beginning, indices at the end."""
    near = min(length, 2048)
    return numbers.choice((
        numbers.randrange(length), numbers.randrange(near), length - 1 - numbers.randrange(near),
    ))  # fmt: skip


def _change(numbers: random.Random, data: Any) -> Any:
    """One place of some JSON data changed."""
    if isinstance(data, dict) and data and numbers.randrange(6):
        key = numbers.choice(sorted(data))
        kind = numbers.randrange(8)
        if kind == 0:
            return {name: value for name, value in data.items() if name != key}
        if kind == 1:
            other = numbers.choice((*data, "unknown", "", key + "\0"))
            return {other if name == key else name: value for name, value in data.items()}
        return {**data, key: _change(numbers, data[key])}
    if isinstance(data, list) and data and numbers.randrange(6):
        at = numbers.randrange(len(data))
        if numbers.randrange(5) == 0:
            return numbers.choice((data[:at], data + data[at:], data * 30, data[::-1]))
        return [*data[:at], _change(numbers, data[at]), *data[at + 1 :]]
    if numbers.randrange(40) == 0:
        nested: Any = data
        for _ in range(numbers.choice((5, 60, 400))):
            nested = [nested] if numbers.randrange(2) else {"children": nested}
        return nested
    return numbers.choice(VALUES)
