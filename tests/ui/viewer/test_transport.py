"""Playing, shuttling and looping, without a clock."""

from __future__ import annotations

from fractions import Fraction

from stylesync_ui.viewer.transport import Transport


def test_shuttle_doubles_turns_and_stops() -> None:
    transport = Transport(Fraction(25), Fraction(100))
    for expected in (1, 2, 4, 8, 8):
        transport.shuttle(1, 0.0)
        assert transport.speed == expected
    transport.shuttle(-1, 0.0)
    assert transport.speed == -1
    transport.shuttle(0, 0.0)
    assert transport.speed == 0


def test_playing_shows_whole_frames_and_ends_on_the_last() -> None:
    transport = Transport(Fraction(25), Fraction(2))
    transport.play(1, 10.0)
    assert transport.tick(10.5)
    assert transport.position == Fraction(12, 25)
    transport.tick(13.0)
    assert (transport.position, transport.speed) == (Fraction(49, 25), 0)
    transport.play(1, 20.0)
    assert transport.position == 0
    transport.tick(20.4, heard=0.2)
    assert transport.position == Fraction(5, 25)


def test_a_loop_goes_round() -> None:
    transport = Transport(Fraction(25), Fraction(10), loop=(Fraction(2), Fraction(3)))
    transport.play(1, 0.0)
    assert transport.position == 2
    transport.tick(1.05)
    assert (transport.position, transport.speed) == (2, 1)
