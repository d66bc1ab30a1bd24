"""Cues of subtitle files against times reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from stylesync_plugin.lines.rows import read_rows

from stylesync_engine.request import RequestError

NAMES = 'xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def cues(folder: Path, name: str, text: str) -> list[tuple[str, str, str]]:
    (folder / name).write_text(text)
    return [(row.start, row.end, row.text) for row in read_rows(folder / name)]


def ttml(body: str, attributes: str = "") -> str:
    return f"<?xml version='1.0'?><tt {NAMES} {attributes}><body><div>{body}</div></body></tt>"


@pytest.mark.parametrize(
    ("attributes", "times", "start", "end"),
    [
        ('ttp:frameRate="25"', 'begin="00:00:01:12" end="00:00:02:00"', "1.480s", "2.000s"),
        ('ttp:frameRate="25"', 'begin="75f" dur="25f"', "3.000s", "4.000s"),
        ('ttp:tickRate="10000000"', 'begin="15000000t" end="20000000t"', "1.500s", "2.000s"),
        ("", 'begin="1.5s" dur="500ms"', "1.500s", "2.000s"),
        ("", 'begin="00:01:00.250" end="0.02h"', "60.250s", "72.000s"),
        ('ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"',
         'begin="00:00:00:12" end="24f"', "0.500s", "1.001s"),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"'
         ' ttp:dropMode="dropNTSC"',
         'begin="01:00:01;12" end="01:00:02;00"', "01:00:01;12", "01:00:02;00"),
        ('ttp:timeBase="smpte" ttp:frameRate="25"',
         'begin="10:00:01:12" end="10:00:02:00"', "10:00:01:12", "10:00:02:00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".ttml", ".itt", ".dfxp", ".xml"])
def test_every_way_in_which_ttml_counts(
    tmp_path: Path, suffix: str, attributes: str, times: str, start: str, end: str
) -> None:
    text = ttml(f"<p {times}>Hello<br/>my <span>friend</span></p>", attributes)
    found = cues(tmp_path, f"a{suffix}", text)
    assert found == [(start, end, "Hello my friend")]


def test_times_count_from_what_holds_them(tmp_path: Path) -> None:
    text = ttml('<div begin="10s"><p begin="1s" end="2s">a</p></div><p begin="3s" end="4s">b</p>')
    assert cues(tmp_path, "a.ttml", text) == [
        ("11.000s", "12.000s", "a"), ("3.000s", "4.000s", "b"),
    ]  # fmt: skip


def test_other_kinds(tmp_path: Path) -> None:
    sbv = "0:00:01.000,0:00:02.500\nHello\nyou\n\n1:00:03.000,1:00:04.000\nBye\n"
    assert cues(tmp_path, "a.sbv", sbv) == [
        ("1.000s", "2.500s", "Hello you"), ("3603.000s", "3604.000s", "Bye"),
    ]  # fmt: skip
    form = "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    ass = (
        f"[Script Info]\nScriptType: v4.00+\n\n[Events]\n{form}\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,{\\b1}Hello\\Nyou\n"
        "Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,not said\n"
    )
    (tmp_path / "a.ass").write_text(ass)
    (row,) = read_rows(tmp_path / "a.ass")
    assert (row.character, row.start, row.end, row.text) == (
        "Anna", "1.000s", "2.000s", "Hello you",
    )  # fmt: skip


def test_markers_of_premiere(tmp_path: Path) -> None:
    titles = "Marker Name\tDescription\tIn\tOut\tDuration\tMarker Type"
    text = f"{titles}\n12 Hello\tloud\t01:00:01:00\t01:00:02:00\t00:00:01:00\tComment\n"
    (tmp_path / "m.csv").write_bytes(text.encode("utf-16"))
    (row,) = read_rows(tmp_path / "m.csv")
    assert (row.start, row.end, row.text, row.note) == (
        "01:00:01:00", "01:00:02:00", "12 Hello", "loud",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "<tt/>", "<a", ttml('<p begin="soon" end="2s">a</p>')])
def test_what_is_no_ttml_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestError, match="cannot be read as TTML subtitles; export it again"):
        cues(tmp_path, "a.ttml", text)
