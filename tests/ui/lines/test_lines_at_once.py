"""Two people who speak at once in one shot: one picture, that is a take of both lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panel_material import click, wait
from session_material import code, line, open_session, states, write_session


def test_lines_said_at_once_are_dubbed_once(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    timeline, script, sounds = write_session(tmp_path, clips=3, lines=3)
    rows = [
        "Number,Character,In,Out,Text,Face",
        f'1,Ben,{code(10)},{code(40)},Hi,"12:100,50"',
        f'2,Anna,{code(30)},{code(60)},Yo,"32:300,50"',
        f"3,Ben,{code(90)},{code(140)},No,",
    ]
    script.write_text("\n".join(rows) + "\n", encoding="utf-8")
    open_session(panel, timeline, script, sounds)
    wait(panel.lines_page.draft_all.isEnabled, "there are lines to draft")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel) == ["draft"] * 3, "all are drafts")
    assert len(panel.jobs.mine()) == 2
    first, second, third = (line(panel, index) for index in range(3))
    assert first.pick == second.pick != third.pick
    assert first.takes == second.takes == (first.pick,)
    before = panel.document.content
    wait(panel.lines_page.put_all.isEnabled, "there are dubs to put on")
    click(panel.lines_page.put_all)
    wait(lambda: panel.document.content is not before, "all are on the timeline")
    ours = [t for t in panel.document.content.of_kind("Video") if t.is_ours]
    assert sum(len(track.clips) for track in ours) == 2
    spoken = [t for t in panel.document.content.of_kind("Audio") if t.is_ours]
    assert sum(len(track.clips) for track in spoken) == 3


def test_whose_mouth_it_is_has_to_be_said(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    timeline, script, sounds = write_session(tmp_path, clips=3, lines=2)
    rows = [
        "Number,Character,In,Out,Text",
        f"1,Ben,{code(10)},{code(40)},Hi",
        f"2,Anna,{code(30)},{code(60)},Yo",
    ]
    script.write_text("\n".join(rows) + "\n", encoding="utf-8")
    open_session(panel, timeline, script, sounds)
    wait(panel.lines_page.draft_all.isEnabled, "there are lines to draft")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel) == ["failed"] * 2, "both say why")
    assert not panel.jobs.mine()
