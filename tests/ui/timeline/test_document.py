"""The open timeline: remedies in the panel's words, dubbed pieces."""

from __future__ import annotations

from fractions import Fraction

import pytest
from stylesync_plugin.times import Span
from stylesync_ui.timeline.document import in_our_words
from stylesync_ui.timeline.dubbed_piece import DubbedPiece


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("'a.mxf' is interlaced; give --deinterlace to make its fields frames.", "Deinterlace"),
        ("'a.mov' is BT.2020; tag it, or give --colour-space pq with the shot.", "Colours"),
        ("The clip is disabled; enable it.", "enable it."),
    ],
)
def test_remedies_name_the_panels_own_controls(sentence: str, expected: str) -> None:
    said = in_our_words(sentence)
    assert expected in said
    assert "--" not in said


def test_a_piece_shows_its_frames_and_survives_json() -> None:
    span = Span(Fraction(2), Fraction(4))
    piece = DubbedPiece("o.mov", "w", span, Fraction(25), 60, Fraction(2, 25), "s.wav", 480, "id")
    assert DubbedPiece.from_dict(piece.to_dict()) == piece
    assert piece.frame_at(Fraction(2)) == 2
    assert piece.frame_at(Fraction(2) + Fraction(3, 25)) == 5
    assert piece.frame_at(Fraction(100)) == 59
