"""Corpora are read by their conventions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from stylesync_training.data import corpora

from stylesync_engine.request import RequestError


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_corpora_are_read_by_their_conventions(tmp_path: Path) -> None:
    touch(tmp_path / "grid/s1/bbaf2n.mpg")
    touch(tmp_path / "vox/dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
    touch(tmp_path / "hdtf/WDA_BarackObama_000.mp4")
    touch(tmp_path / "hdtf/RD_Radio11_001.mp4")
    found = {
        name: [(c.speaker, c.name) for c in corpora.find_clips(tmp_path / name)]
        for name in ("grid", "vox", "hdtf")
    }
    assert found == {
        "grid": [("s1", "bbaf2n")],
        "vox": [("id00012", "21Uxsk56VDQ_00001")],
        "hdtf": [("Radio11", "RD_Radio11_001"), ("BarackObama", "WDA_BarackObama_000")],
    }


def test_annotated_ranges_of_uncut_videos_are_clips(tmp_path: Path) -> None:
    touch(tmp_path / "Radio11.mp4")
    (tmp_path / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-01:00 01:30-02:30\n")
    clips = corpora.find_clips(tmp_path)
    assert [(c.speaker, c.name, c.seconds) for c in clips] == [
        ("Radio11", "Radio11_0", (Fraction(30), Fraction(60))),
        ("Radio11", "Radio11_1", (Fraction(90), Fraction(150))),
    ]
    (tmp_path / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-00:10\n")
    with pytest.raises(RequestError, match="Line 1"):
        corpora.find_clips(tmp_path)


def test_two_folders_may_not_mix_up_their_clips(tmp_path: Path) -> None:
    touch(tmp_path / "small/s4/a.mpg")
    touch(tmp_path / "large/s4/a.mpg")
    folders = [str(tmp_path / "small"), str(tmp_path / "large")]
    with pytest.raises(RequestError, match="FOLDER=NAME"):
        corpora.find_sources(folders)
    named = corpora.find_sources([folders[0], f"{folders[1]}=s4hd"])
    assert sorted(clip.speaker for clip in named) == ["s4", "s4hd"]
