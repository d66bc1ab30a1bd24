"""The open timeline: remedies in the panel's words, dubbed pieces."""

from __future__ import annotations

from fractions import Fraction

import pytest
from stylesync_plugin.contract import MediaError
from stylesync_plugin.times import Span
from stylesync_ui.timeline.document import in_our_words
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
