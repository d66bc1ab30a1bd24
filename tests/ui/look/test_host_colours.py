"""The panel in the colours of its host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from panel_material import wait
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from stylesync_ui import docking
from stylesync_ui.look import theme
from stylesync_ui.panel.dialogs import about_page
from stylesync_ui.panel.preferences import Home


@pytest.mark.parametrize("ground", ["#202124", "#3a3a3a", "#ececec"])
def test_in_a_host_it_takes_the_hosts_colours(
    qapp: QApplication, tmp_path: Path, ground: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Home, "default", lambda: Home(tmp_path / "config", tmp_path / "previews"))
    before, shown = qapp.palette(), theme.current()
    qapp.setPalette(QPalette(QColor(ground)))
    try:
        panel = docking.make_panel()
        panel.resize(900, 700)
        assert panel.grab().toImage().pixelColor(450, 200) == QColor(ground)
        assert theme.current().is_dark == (ground != "#ececec")
        panel.shut()
        panel.deleteLater()
    finally:
        qapp.setPalette(before)
        theme.adopt(shown)


def test_a_host_that_changes_its_colours_is_followed(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the application's palette and by that of the widget that the panel lies in."""
    monkeypatch.setattr(Home, "default", lambda: Home(tmp_path / "config", tmp_path / "previews"))
    before, shown = qapp.palette(), theme.current()
    host = QWidget()
    host.setPalette(QPalette(QColor("#202124")))
    panel = docking.make_panel(host)
    host.resize(900, 700)
    panel.resize(900, 700)
    host.show()
    about = about_page(panel)
    about.show()
    panel.banner.say("Something", "error")
    try:
        look = looks_of(panel, about)
        assert look["ground"] == QColor("#202124")
        host.setPalette(QPalette(QColor("#ececec")))
        wait(lambda: not theme.current().is_dark, "the host is light", 5)
        light = looks_of(panel, about)
        assert light["ground"] == QColor("#ececec")
        assert all(light[name] != look[name] for name in look)
        host.setPalette(QPalette())
        qapp.setPalette(QPalette(QColor("#202124")))
        wait(lambda: theme.current().is_dark, "the application is dark", 5)
        assert looks_of(panel, about) == look
    finally:
        panel.shut()
        host.close()
        host.deleteLater()
        qapp.setPalette(before)
        theme.adopt(shown)


def looks_of(panel: Any, page: Any) -> dict[str, object]:
    """The panel's ground, an icon's most seen pixel, a page's text, a banner's edge."""
    QApplication.processEvents()
    icon = panel.tools["menu"].icon().pixmap(16).toImage()
    edge = panel.banner.grab().toImage()
    return {
        "ground": panel.grab().toImage().pixelColor(5, 600),
        "icon": max((icon.pixelColor(x, 8) for x in range(16)), key=QColor.alpha).name(),
        "page": page.page.document().defaultStyleSheet(),
        "banner": edge.pixelColor(1, edge.height() // 2).name(),
    }
