"""Paths of media as timelines write them: URLs, Windows and network paths, numbered images."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

from stylesync_engine.files import NumberedName, plain_name

_LONG = re.compile(r"^//[?.]/(UNC/)?", re.IGNORECASE)
_DRIVE = re.compile(r"^/?[A-Za-z][:|]/?")
_PRINTF = re.compile(r"%(0[1-9])d")
_FILMS = frozenset((
    ".mov", ".mp4", ".mxf", ".m4v", ".mkv", ".avi", ".mts", ".m2ts", ".m2t", ".ts", ".mpg", ".mpeg",
    ".dv", ".webm", ".wmv", ".3gp", ".flv",
))  # fmt: skip
_SOUNDS = frozenset((
    ".wav", ".bwf", ".aif", ".aiff", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".caf", ".w64",
    ".rf64",
))  # fmt: skip
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://+")


def spellings(name: str) -> list[PurePosixPath]:
    """A name as it is, then as a path of Windows, a network's, an old Macintosh's, with its escapes
    resolved."""
    local = _LONG.sub("//", name.replace("\\", "/"))
    local = _DRIVE.sub("/", _SCHEME.sub("/", local))
    names = [name, local, _unescaped(local)]
    if "/" not in local and local.count(":") > 1:
        names.append(local.replace(":", "/"))
    if re.match(r"[A-Za-z]:", name):
        names = names[1:]  # no drive is the name of a folder here
    return [PurePosixPath(text) for text in dict.fromkeys(names) if text]


def _unescaped(text: str) -> str:
    """With its escapes resolved, of which `%04d`, the place of an image's number, is none."""
    return unquote(_PRINTF.sub(r"%25\1d", text), errors="surrogateescape")


def images_at(candidate: Path) -> str | None:
    """The pattern of numbered images, in whichever spelling, where there are some."""
    if not any(mark in candidate.name for mark in "%#@$<[{(*?-"):
        return None
    from stylesync_engine.media.sequences import numbered_name

    name = numbered_name(candidate.name)
    named = NumberedName.of(name) if name else None
    if named is None:
        return None
    wanted = replace(named, digits=1).images()
    with contextlib.suppress(OSError):
        if any(wanted.fullmatch(entry.name) for entry in candidate.parent.iterdir()):
            return str(candidate.with_name(str(named)))
    return None


def first_of_images(path: str) -> tuple[str, int] | None:
    """The pattern of the images that one of them stands for, as some editors name a sequence, and
    that one's number; None where it stands alone."""
    from stylesync_engine.media.sequences import numbered_name

    file = Path(path)
    found = re.fullmatch(r"(.*?)(\d{1,9})(\.\w+)", file.name)
    if found is None:
        return None
    head, digits, tail = found.groups()
    named = NumberedName(head, len(digits), tail)
    following = file.with_name(named.image(int(digits) + 1))
    if numbered_name(str(named)) is None or not is_file(following):
        return None
    return str(file.with_name(str(named))), int(digits)


def is_pattern(path: str) -> bool:
    return "%" in Path(path).name and not is_file(Path(path))


def is_file(path: Path) -> bool:
    """Also for names that no file system takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def spelt_otherwise(path: Path) -> Path | None:
    """A file beside it whose name differs in case or in how its accents are written, where a name
    comes from a system that does not tell these apart."""
    wanted = plain_name(path.name)
    with contextlib.suppress(OSError, ValueError):  # a name may hold a NUL
        for entry in sorted(path.parent.iterdir()):
            if plain_name(entry.name) == wanted and is_file(entry):
                return entry
    return None


def path_of(url: str) -> str:
    """A file URL or bare path as a path; `#`, `%`, `?` and non-Latin letters survive."""
    text = url.strip()
    if not text.lower().startswith("file:"):
        return text
    rest = text[5:]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        host = _unescaped(host)
        rest = slash + path
        if re.fullmatch(r"[A-Za-z]:", host):
            rest = "/" + host + rest
        elif host and host.lower() != "localhost":
            rest = "//" + host + rest
    plain = _unescaped(rest)
    return plain[1:] if re.match(r"/[A-Za-z]:[\\/]", plain) else plain


def url_of(path: str | Path) -> str:
    """An absolute file URL in which every unusual character is escaped."""
    absolute = Path(path).absolute()
    if isinstance(absolute, PureWindowsPath):
        return "file:///" + quote(absolute.as_posix(), safe="/:")
    return "file://" + quote(os.fsencode(absolute), safe="/")


def files_called(folder: Path, name: str) -> list[Path]:
    if not name or "/" in name or "\\" in name or not folder.is_dir():
        return []
    exact = folder / name
    if is_file(exact):
        return [exact]
    stem = name.casefold()
    found = [e for e in folder.iterdir() if e.is_file() and e.stem.casefold() == stem]
    return sorted(found, key=lambda entry: (_place_of(entry.suffix.lower()), entry))


def _place_of(suffix: str) -> int:
    """Films before sounds, and both before what cameras and editors lay beside them."""
    kinds = (_FILMS, _SOUNDS)
    return next((n for n, kind in enumerate(kinds) if suffix in kind), len(kinds))
