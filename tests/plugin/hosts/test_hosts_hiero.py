"""The loader of Nuke Studio and Hiero, installed, in a fake with published names alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hiero_fake as fake
import pytest
from hiero_case import forget, open_sequence, shown
from host_cases import dub_selection
from timeline_material import write_speech

from stylesync_engine.request import RequestError


@pytest.fixture(autouse=True)
def no_modules_left(qapp: Any) -> Iterator[None]:
    yield
    forget()


def test_the_dub_lies_on_a_new_track(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    dub_selection(host, tmp_path)
    assert shown(host) == {"Video 1": [(4, 34, 5)], "StyleSync": [(8, 16, 0)]}
    assert shown(host, "audio") == {"Audio 1": [], "StyleSync speech": [(8, 16, 0)]}
    assert host.sequence.project()._steps == ["StyleSync"]
    [folder] = host.sequence.project().clipsBin().bins()
    assert len(folder._content) == 2


def test_dubbing_again_reuses_and_replaces(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    dub_selection(host, tmp_path)
    [first] = host.sequence._video[1].items()
    dub_selection(host, tmp_path)
    assert host.sequence._video[1].items() == (first,)
    dub_selection(host, tmp_path, line=0.3)
    [second] = host.sequence._video[1].items()
    assert (second != first, shown(host)["StyleSync"]) == (True, [(8, 16, 0)])


def test_tagged_items_are_speech_and_style(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    line = host.sequence._audio[0].createTrackItem("Line")
    line.setSource(fake.Clip(str(write_speech(tmp_path / "line.wav", 0.8))))
    line.setTimes(8, 27, 0, 19)
    line.addTag(fake.Tag("Speech"))
    host.sequence._audio[0].addTrackItem(line)
    _, chosen = host.read()
    assert (chosen.speech.track, chosen.speech.range) == ("Track 1 sound", (8, 28))


def test_what_would_be_shown_wrongly_is_refused(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    host.chosen.setTimes(4, 33, 0, 59)
    with pytest.raises(RequestError, match="take the retime off"):
        host.read()


def test_image_sequences_are_read_as_such(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    host.chosen._source._source = fake.MediaSource("/plates/shot.1001.png")
    content, _ = host.read()
    reference = content.tracks[0][1].media_reference
    assert (reference.name_prefix, reference.start_frame) == ("shot.", 1001)
    assert (reference.frame_zero_padding, reference.name_suffix) == (4, ".png")


def test_the_panel_dubs_and_tells(tmp_path: Path) -> None:
    host = open_sequence(tmp_path)
    script = tmp_path / "program"
    script.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        "told = json.load(open(sys.argv[3]))\n"
        "assert told['speech'] == 'line.wav' and told['options'] == {'quality': 'good'}\n"
        "assert [s['selected'] for s in told['strips']] == [True]\n"
        "json.dump({'remove': [], 'add': []}, open(sys.argv[5], 'w'))\n"
    )
    script.chmod(0o755)
    sys.modules["stylesync_hiero.program"].PROGRAM = str(script)  # type: ignore[attr-defined]
    panel = host.loader.widget.Panel()
    panel.speech.setText("line.wav")
    panel.quality.setCurrentText("good")
    panel.dub.click()
    while panel.run.timer.isActive():
        panel.run.look()
        time.sleep(0.05)
    assert panel.said.text().startswith("Done")


def test_the_panel_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = open_sequence(tmp_path)
    [window] = sys.modules["hiero"].ui.windowManager()._windows  # type: ignore[attr-defined]
    assert window.objectName() == "stylesync.panel"
    panels, asked = ModuleType("nukescripts.panels"), list[tuple[str, ...]]()
    panels.registerWidgetAsPanel = lambda *words: asked.append(words)  # type: ignore[attr-defined]
    nukescripts = ModuleType("nukescripts")
    nukescripts.panels = panels  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nukescripts", nukescripts)
    host.loader.package.register()
    [(place, title, _)] = asked
    assert title == "StyleSync"
    # Nuke evaluates the first words in its own main module.
    assert eval(place, {}) is host.loader.widget.Panel  # noqa: S307
