"""What each command does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from stylesync_ui.panel.layout import PanelLayout
from stylesync_ui.panel.line_desk import LineDesk
from stylesync_ui.panel.marking import Marking
from stylesync_ui.panel.playhead import Playhead
from stylesync_ui.panel.results import Results
from stylesync_ui.timeline import file_questions
from stylesync_ui.timeline.timeline_file import TimelineFile
from stylesync_ui.wish.choices import StyleChoice
from stylesync_ui.wish.editing import Editing

Actions = Mapping[str, Callable[[], object]]

WIPE_STEP = 0.05
ZOOM_STEP = 1.5


def actions_of(
    layout: PanelLayout, timeline: TimelineFile, playhead: Playhead, marking: Marking,
    editing: Editing, results: Results, desk: LineDesk, own: Actions,
) -> Actions:  # fmt: skip
    """Everything that keys, menus, buttons and messages name; `own` are the panel's own."""
    return {
        **own, **_of_timeline(timeline), **_of_playing(playhead, layout),
        **_of_marking(marking, layout), **_of_choosing(marking, editing),
        **_of_viewing(playhead, layout), **_of_dubbing(results, editing, playhead),
        **_of_lines(desk, layout),
    }  # fmt: skip


def _of_timeline(timeline: TimelineFile) -> Actions:
    return {
        "open": timeline.ask_open,
        "read_again": timeline.read_again,
        "save": timeline.save_where_known,
        "save_as": timeline.ask_save,
        "save_ours": timeline.ask_save_ours,
        "undo": lambda: timeline.travel("undo"),
        "redo": lambda: timeline.travel("redo"),
    }


def _of_playing(playhead: Playhead, layout: PanelLayout) -> Actions:
    player, tools = playhead.player, layout.viewer.tools
    return {
        "play": player.toggle,
        "back": lambda: player.shuttle(-1),
        "stop": lambda: player.shuttle(0),
        "forward": lambda: player.shuttle(1),
        "frame_back": lambda: player.step(-1),
        "frame_on": lambda: player.step(1),
        "ten_back": lambda: player.step(-10),
        "ten_on": lambda: player.step(10),
        "previous": lambda: playhead.go_to_edit(-1),
        "next": lambda: playhead.go_to_edit(1),
        "first": lambda: player.go(Fraction(0)),
        "last": lambda: player.go(player.transport.last),
        "loop": tools["loop"].toggle,
        "sound": tools["sound"].toggle,
    }


def _of_marking(marking: Marking, layout: PanelLayout) -> Actions:
    return {
        "draw_dub": lambda: layout.area.choose_kind("dub"),
        "draw_speech": lambda: layout.area.choose_kind("speech"),
        "draw_style": lambda: layout.area.choose_kind("style"),
        "in": lambda: marking.mark_here("in"),
        "out": lambda: marking.mark_here("out"),
        "this_shot": marking.mark_shot,
        "next_face": layout.viewer.next_face,
        "snap": layout.area.snap.toggle,
    }


def _of_choosing(marking: Marking, editing: Editing) -> Actions:
    return {
        "speech_file": marking.ask_speech,
        "speech_clear": lambda: editing.set_wish(speech=None),
        "style_shot": lambda: editing.set_wish(style=StyleChoice()),
        "style_range": marking.take_style_range,
        "style_file": marking.ask_style,
        "speaker_auto": lambda: editing.set_wish(speaker=None),
        "consent_choose": marking.ask_consent,
        "consent_clear": lambda: editing.set_wish(consent=None),
    }


def _of_viewing(playhead: Playhead, layout: PanelLayout) -> Actions:
    canvas, strip, side = layout.viewer.canvas, layout.strip, layout.side
    return {
        "toggle_after": playhead.toggle_after,
        "wipe": lambda: playhead.set_mode("wipe"),
        "side": lambda: playhead.set_mode("side"),
        "difference": lambda: playhead.set_mode("difference"),
        "wipe_left": lambda: canvas.set_split(canvas.split - WIPE_STEP),
        "wipe_right": lambda: canvas.set_split(canvas.split + WIPE_STEP),
        "zoom_mouth": playhead.toggle_zoom,
        "zoom_in": lambda: strip.zoom(ZOOM_STEP),
        "zoom_out": lambda: strip.zoom(1 / ZOOM_STEP),
        "fit": strip.fit,
        "show_queue": lambda: side.setCurrentIndex((side.currentIndex() + 1) % side.count()),
    }


def _of_lines(desk: LineDesk, layout: PanelLayout) -> Actions:
    dubs = desk.dubs
    return {
        "import_lines": desk.ask_import,
        "lines_of_markers": lambda: desk.session.import_files(None, None),
        "export_lines": desk.ask_export,
        "note_line": desk.note,
        "cast": desk.show_cast,
        "to_viewer": layout.viewer.focus_canvas,
        "show_lines": layout.show_lines,
        "next_line": lambda: desk.go(1),
        "previous_line": lambda: desk.go(-1),
        "play_line": desk.play,
        "take_back": lambda: desk.step_take(-1),
        "take_on": lambda: desk.step_take(1),
        "approve": lambda: desk.judge("approved"),
        "redo_line": lambda: desk.judge("redo"),
        "slip_back": lambda: desk.move_sound(frames=-1),
        "slip_on": lambda: desk.move_sound(frames=1),
        "stretch_back": lambda: desk.move_sound(stretch=-0.01),
        "stretch_on": lambda: desk.move_sound(stretch=0.01),
        "put_line": desk.put_or_take_off,
        "refine": layout.lines_page.refining.toggle,
        "draft_line": lambda: desk.dub("draft"),
        "good_line": lambda: desk.dub("good"),
        "draft_all": lambda: desk.dub_all(dubs.ready(), "draft"),
        "good_all": lambda: desk.dub_all(dubs.approved(), "good"),
        "put_all": dubs.takes.put_all,
        "stop_lines": dubs.stop,
        "go_on_lines": dubs.go_on,
    }


def _of_dubbing(results: Results, editing: Editing, playhead: Playhead) -> Actions:
    def ask_jobs() -> None:
        path = file_questions.ask_jobs(results.window)
        if path is not None:
            results.submit_file(path)

    return {
        "make_marker": lambda: results.make_marker(editing, playhead.player.position),
        "jobs_file": ask_jobs,
        "markers": results.submit_markers,
        "go_on": results.go_on,
        "show_jobs": results.show_queue,
        "put_last": lambda: results.act_on_last("put"),
        "watch_last": lambda: results.act_on_last("watch"),
    }
