"""Files that are being written, and what is left of them after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stylesync_engine.files import appearing, draft_folder_of, draft_of, replacing, sweep_drafts
from stylesync_engine.media.sequences import appearing_sequence

WRITES = """
import sys
from pathlib import Path
from stylesync_engine.files import draft_folder_of, draft_of
path = Path(sys.argv[1])
draft_of(path).write_text("half")
folder = draft_folder_of(path)
folder.mkdir()
(folder / path.name).write_text("half")
print("written", flush=True)
sys.stdin.read()
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    """A process that is in the middle of writing `path`."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    return writer


@pytest.mark.skipif(os.name != "posix", reason="processes are not asked elsewhere")
def test_what_a_killed_process_has_left_goes_with_the_next_writing(tmp_path: Path) -> None:
    output = tmp_path / "dub of [a] shot.mov"
    other = tmp_path / "dub.mov"
    with start_writer(output) as writer, start_writer(other) as second:
        with appearing(output) as draft:
            draft.write_text("whole")
        assert len(list(tmp_path.glob(".dub of*"))) == 2  # of a running process
        for process in (writer, second):
            process.send_signal(signal.SIGKILL)
            process.wait()
    with appearing(output) as draft:
        draft.write_text("whole")
    assert output.read_text() == "whole"
    assert list(tmp_path.glob(".dub of*")) == []
    assert len(list(tmp_path.glob(".dub.*"))) == 2  # of another file
    with appearing_sequence(tmp_path / "dub") as folder:
        assert [path.name for path in tmp_path.glob(".dub.*")] == [folder.name]


def test_what_may_still_be_written_stays(tmp_path: Path) -> None:
    output = tmp_path / "dub.mov"
    own, folder = draft_of(output), draft_folder_of(output)
    with start_writer(output) as writer:
        (gone,) = (path for path in tmp_path.glob(".dub.*") if path.is_file())
        writer.kill()
    elsewhere = gone.rename(tmp_path / gone.name.replace(".dub.", ".dub.another-"))
    kept = [own, elsewhere, tmp_path / ".dub.part.mov"]
    for path in kept:
        path.write_text("half")
    folder.mkdir()
    sweep_drafts(output)
    left = sorted(tmp_path.iterdir())
    assert left == sorted([*kept, folder])
    sweep_drafts(tmp_path / "missing" / "dub.mov")


def test_a_draft_replaces_the_file_only_where_it_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError), replacing(path) as draft:
        draft.write_text("half, then \ud800", encoding="utf-8")
    assert path.read_text() == "before"
    with replacing(path) as draft:
        draft.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
