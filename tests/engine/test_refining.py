"""A key that an editor sets: only the windows that change are rendered again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clip_fixtures import ask

from stylesync_engine import dubbing
from stylesync_engine.ranges import MouthKey
from stylesync_engine.weights.loading import Models


def windows(work: str | None) -> dict[str, int]:
    found = (Path(str(work)) / "windows").glob("*.safetensors")
    return {path.name: path.stat().st_mtime_ns for path in found}


@pytest.mark.parametrize("key", ["closed@12:14", "original@10:15"])
def test_only_windows_that_change_are_rendered_again(
    key: str, models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path / "dub.mkv", "0:64")
    dubbing.dub(request, models)
    before = windows(request.work)
    keyed = replace(request, mouth_keys=(MouthKey.parse(key),))
    dubbing.dub(keyed, models)
    after = windows(request.work)
    assert len(before) == len(after) == 4
    again = {name: made for name, made in after.items() if before.get(name) != made}
    assert 1 <= len(again) <= 2  # the references that are shown may change a few frames away
    whole = replace(keyed, output=str(tmp_path / "whole.mkv"), work=str(tmp_path / "whole"))
    dubbing.dub(whole, models)
    assert (tmp_path / "whole.mkv").read_bytes() == (tmp_path / "dub.mkv").read_bytes()
