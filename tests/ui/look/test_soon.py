"""What is shown once for all that is asked within a while."""

from __future__ import annotations

from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot
from stylesync_ui.look.soon import Soon


def test_asking_again_does_not_put_off_what_was_asked_for(qtbot: QtBot) -> None:
    done: list[None] = []
    parent = QObject()
    soon = Soon(lambda: done.append(None), 20, parent)
    soon.ask()
    begun = soon.timerId()
    for _ in range(3):
        soon.ask()
        assert soon.timerId() == begun  # a timer that starts anew has another one
    with qtbot.waitSignal(soon.timeout):
        pass
    assert len(done) == 1
    assert not soon.isActive()
    soon.ask()
    assert soon.isActive()
