"""Text without what is personal in it: no folders, no media's names, no user, no host."""

from __future__ import annotations

import functools
import getpass
import re
import socket
from pathlib import Path
from typing import Any

_CODE = re.compile(r'File "(?P<path>[^"\n]+)"')
_PACKAGES = re.compile(
    r".*[/\\](?:(?:site|dist)-packages|lib[/\\]python[\d.]+|(?=stylesync_\w+[/\\]))[/\\]?"
)
_ROOT = r"(?:~|[A-Za-z]:[\\/]|\\\\|(?<![\w.<])\.{0,2}/)"
_FILE = re.compile(_ROOT + r"[^'\"\n]*?(?P<suffix>\.\w{1,12})(?=[\s'\",;:)\]]|$)")
_FOLDER = re.compile(_ROOT + r"[^\s'\",;)\]]*")
_QUOTED = re.compile(r"'[^'\n]*?(?P<suffix>\.\w{1,12})'|'[^'\n]*[/\\][^'\n]*'")
_MEDIA = re.compile(
    r"(?<![<\w.-])[^\s'\"<>(]+(?P<suffix>\.(?:mov|mp4|mxf|mkv|avi|mpe?g|m4v|webm|ts|wav|flac|mp3|m4a|aac|aiff?"
    r"|png|exr|jpe?g|tiff?|dpx|otio[zd]?|f?c?p?xml|edl|aaf|mlt|kdenlive|pdf|pem))\b",
    re.IGNORECASE,
)


def scrub(data: Any) -> Any:
    """Plain data with every text in it scrubbed, keys too."""
    if isinstance(data, str):
        return scrub_text(data)
    if isinstance(data, dict):
        return {scrub(key): scrub(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [scrub(value) for value in data]
    return data


def scrub_text(text: str) -> str:
    """Files become `<file.mov>`, folders `<folder>`; code keeps its place in its package."""
    text = _CODE.sub(lambda found: f"File <{_PACKAGES.sub('', found['path'])}>", text)
    text = _replace_names(text, "home")
    text = _QUOTED.sub(_as_file, text)
    text = _FILE.sub(_as_file, text)
    text = _FOLDER.sub("<folder>", text)
    text = _MEDIA.sub(_as_file, text)
    return _replace_names(text, "user", "host")


def _as_file(found: re.Match[str]) -> str:
    return f"<file{found['suffix'] or ''}>"


def _replace_names(text: str, *kinds: str) -> str:
    for kind, names in _personal().items():
        if kind in kinds:
            for name in names:
                pattern = re.escape(name) if kind == "home" else rf"(?<!\w){re.escape(name)}(?!\w)"
                replacement = "~" if kind == "home" else f"<{kind}>"
                text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return text


@functools.lru_cache(maxsize=1)
def _personal() -> dict[str, list[str]]:
    """What this machine calls its user and itself, the longest names first."""
    homes = {str(Path.home()), str(Path.home().resolve())}
    users = {Path.home().name}
    try:
        users.add(getpass.getuser())
    except (OSError, KeyError):
        users.add("")
    users |= _full_names()
    host = socket.gethostname()
    return {
        "home": _longest_first(homes),
        "user": _longest_first(users),
        "host": _longest_first({host, host.partition(".")[0]}),
    }


def _full_names() -> set[str]:
    """The user's name as the system writes it out, and its words."""
    try:
        import pwd

        written = pwd.getpwuid(Path.home().stat().st_uid).pw_gecos.partition(",")[0]
    except (ImportError, KeyError, OSError):
        return set()
    return {written, *(word for word in written.split() if len(word) > 2)}


def _longest_first(names: set[str]) -> list[str]:
    return sorted((name for name in names if len(name) > 1), key=len, reverse=True)
