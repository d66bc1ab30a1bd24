"""Names of files that are being written: hidden, and never those of another process or machine.

Two workers of a farm may write the same file at the same moment: each writes a draft of its own and
renames it. The host and the process in the name say whose a draft was that a crash left behind;
the random end keeps containers apart whose names and process numbers are alike.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from pathlib import Path


def draft_of(path: Path) -> Path:
    """A new name beside `path`, with its suffix, to write to before `path` is replaced."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:32] or "host"
    own = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
    return path.with_name(f".{path.stem[:80]}.{own}.part{path.suffix}")
