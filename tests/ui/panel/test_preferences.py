"""What the editor sets once."""

from __future__ import annotations

import os
from pathlib import Path

from stylesync_ui.panel.preferences import Preferences


def test_preferences_survive_and_nonsense_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "preferences.json"
    Preferences(cache_mb=123, device="cpu").write(file)
    assert Preferences.read(file) == Preferences(cache_mb=123, device="cpu")
    file.write_text('{"cache_mb": "many", "device": "cuda", "unknown": 1}')
    assert Preferences.read(file) == Preferences(device="cuda")
    file.write_text("[]")
    assert Preferences.read(file) == Preferences()


def test_what_never_ends_is_no_preferences(tmp_path: Path) -> None:
    for name, make in (("device", lambda path: path.symlink_to("/dev/zero")), ("pipe", os.mkfifo)):
        file = tmp_path / name
        make(file)
        assert Preferences.read(file) == Preferences()
