"""What each command does to the panel."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from stylesync_ui.wish.choices import StyleChoice

if TYPE_CHECKING:
    from stylesync_ui.panel.panel import Panel

Actions = dict[str, Callable[[], object]]

WIPE_STEP = 0.05
ZOOM_STEP = 1.5


def actions_of(panel: Panel) -> Actions:
    """Everything that keys, menus, buttons and messages name."""
    return {
        **_of_timeline(panel), **_of_playing(panel), **_of_marking(panel),
        **_of_choosing(panel), **_of_viewing(panel), **_of_dubbing(panel),
    }  # fmt: skip


def _of_timeline(panel: Panel) -> Actions:
    return {
        "open": panel.timeline.ask_open,
        "save": panel.timeline.save_where_known,
        "save_as": panel.timeline.ask_save,
        "find_media": panel.ask_media_folder,
        "undo": lambda: panel.timeline.travel("undo"),
        "redo": lambda: panel.timeline.travel("redo"),
        "settings": panel.show_preferences,
        "help": panel.show_help,
        "got_it": panel.note_help_seen,
        "about": panel.show_about,
        "menu": panel.show_menu,
    }


def _of_playing(panel: Panel) -> Actions:
    player, tools = panel.player, panel.viewer.tools
    return {
        "play": player.toggle,
        "back": lambda: player.shuttle(-1),
        "stop": lambda: player.shuttle(0),
        "forward": lambda: player.shuttle(1),
        "frame_back": lambda: player.step(-1),
        "frame_on": lambda: player.step(1),
        "ten_back": lambda: player.step(-10),
        "ten_on": lambda: player.step(10),
        "previous": lambda: panel.go_to_edit(-1),
        "next": lambda: panel.go_to_edit(1),
        "first": lambda: player.go(Fraction(0)),
        "last": lambda: player.go(player.transport.last),
        "loop": tools["loop"].toggle,
        "sound": tools["sound"].toggle,
    }


def _of_marking(panel: Panel) -> Actions:
    return {
        "draw_dub": lambda: panel.area.choose_kind("dub"),
        "draw_speech": lambda: panel.area.choose_kind("speech"),
        "draw_style": lambda: panel.area.choose_kind("style"),
        "in": lambda: panel.marking.mark_here("in"),
        "out": lambda: panel.marking.mark_here("out"),
        "this_shot": panel.marking.mark_shot,
        "next_face": panel.viewer.next_face,
        "snap": panel.area.snap.toggle,
    }


def _of_choosing(panel: Panel) -> Actions:
    editing = panel.editing
    return {
        "speech_file": panel.marking.ask_speech,
        "speech_clear": lambda: editing.set_wish(speech=None),
        "style_shot": lambda: editing.set_wish(style=StyleChoice()),
        "style_range": panel.marking.take_style_range,
        "style_file": panel.marking.ask_style,
        "speaker_auto": lambda: editing.set_wish(speaker=None),
        "consent_choose": panel.marking.ask_consent,
        "consent_clear": lambda: editing.set_wish(consent=None),
    }


def _of_viewing(panel: Panel) -> Actions:
    canvas, strip = panel.viewer.canvas, panel.strip
    return {
        "toggle_after": panel.toggle_after,
        "wipe": lambda: panel.set_mode("wipe"),
        "side": lambda: panel.set_mode("side"),
        "difference": lambda: panel.set_mode("difference"),
        "wipe_left": lambda: canvas.set_split(canvas.split - WIPE_STEP),
        "wipe_right": lambda: canvas.set_split(canvas.split + WIPE_STEP),
        "zoom_in": lambda: strip.zoom(ZOOM_STEP),
        "zoom_out": lambda: strip.zoom(1 / ZOOM_STEP),
        "fit": strip.fit,
        "show_queue": lambda: panel.side.setCurrentIndex(1 - panel.side.currentIndex()),
    }


def _of_dubbing(panel: Panel) -> Actions:
    results = panel.results
    return {
        "submit": panel.submit,
        "markers": results.submit_markers,
        "go_on": results.go_on,
        "restart": panel.restart_engine,
        "show_jobs": results.show_queue,
        "put_last": lambda: results.act_on_last("put"),
        "watch_last": lambda: results.act_on_last("watch"),
    }
