"""Previews on disk: how much is kept, and for which state of a file."""

from __future__ import annotations

from pathlib import Path

from stylesync_ui.engine.preview_folder import PreviewFolder


def test_previews_are_trimmed_from_the_oldest(tmp_path: Path) -> None:
    import os

    folder = PreviewFolder(tmp_path)
    for number in range(4):
        place = tmp_path / f"entry{number}"
        place.mkdir()
        (place / "data").write_bytes(b"x" * 1000)
        os.utime(place, (number, number))
    assert folder.size() == 4000
    assert folder.trim(2500) == 2000
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["entry2", "entry3"]


def test_a_changed_file_gets_another_preview_folder(tmp_path: Path) -> None:
    file = tmp_path / "clip.mov"
    file.write_bytes(b"one")
    folder = PreviewFolder(tmp_path / "previews")
    before = folder.of(str(file), "540")
    file.write_bytes(b"three")
    assert folder.of(str(file), "540") != before
