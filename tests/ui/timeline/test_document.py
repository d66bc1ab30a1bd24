"""The open timeline: remedies in the panel's words, dubbed pieces."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from panel_material import write_timeline
from stylesync_plugin.contract import MediaError
from stylesync_plugin.times import Span
from stylesync_ui.timeline.document import Document, in_our_words, open_content
from stylesync_ui.timeline.dubbed_piece import DubbedPiece


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("deinterlace", "a; choose Deinterlace under More."),
        ("colour_space", "a; choose its Colours under More."),
        ("codec", "a; b."),
        (None, "a; b."),
    ],
)
def test_remedies_name_the_panels_own_controls(field: str | None, expected: str) -> None:
    assert in_our_words(MediaError("a; b.", field)) == expected


def test_a_piece_shows_its_frames_and_survives_json() -> None:
    span = Span(Fraction(2), Fraction(4))
    piece = DubbedPiece("o.mov", "w", span, Fraction(25), 60, Fraction(2, 25), "s.wav", 480, "id")
    assert DubbedPiece.from_dict(piece.to_dict()) == piece
    assert piece.frame_at(Fraction(2)) == 2
    assert piece.frame_at(Fraction(2) + Fraction(3, 25)) == 5
    assert piece.frame_at(Fraction(100)) == 59


def test_a_saved_copy_is_saved_over_and_the_original_never(tmp_path: Path) -> None:
    original = write_timeline(tmp_path / "cut.otio", [tmp_path / "a.mov"])
    before = original.read_bytes()
    document = Document(original, open_content(original))
    document.save(original)
    assert original.read_bytes() == before
    copy = tmp_path / "cut.dubbed.otio"
    assert document.saved_as == copy
    again = Document(copy, open_content(copy))
    assert again.saved_as == again.target == copy
    again.save(copy)
    assert sorted(tmp_path.glob("*.otio")) == [copy, original]
    assert again.media_folder == document.media_folder == tmp_path / "cut.dubbed.stylesync"
    moved = tmp_path / "from_elsewhere.otio"
    moved.write_bytes(copy.read_bytes())
    assert Document(moved, open_content(moved)).saved_as is None
