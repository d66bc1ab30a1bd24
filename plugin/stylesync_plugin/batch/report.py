"""The morning after: one HTML page with every dub, before and after, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote

from stylesync_engine.files import open_regular, write_text
from stylesync_engine.request import DubError, DubRequest, DubResult, RequestError
from stylesync_plugin.batch.dub_timeline import Batch, Outcome

DrawSheet = Callable[[str, str, Path, int], None]

_STATES = {
    "done": "dubbed", "kept": "kept from an earlier run", "failed": "failed",
    "cancelled": "cancelled", "waiting": "waiting", "running": "running",
}  # fmt: skip

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       background: #16181c; color: #d8dadf; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 0 0 .2rem; }
section { background: #1f2228; border-radius: 8px; padding: 1rem; margin: 1rem 0;
          border-left: 4px solid #4c9f70; }
section.failed, section.cancelled { border-color: #d0605e; }
section.kept { border-color: #5b7fb4; }
img { max-width: 100%; border-radius: 4px; margin-top: .6rem; display: block; }
p { margin: .2rem 0; } .quiet { color: #9197a3; } .error { color: #f0a3a1; }
"""


def write_report(batch: Batch, path: Path, title: str, draw: DrawSheet | None = None) -> None:
    """Write the page and its contact sheets (in a folder beside it)."""
    sheets = path.with_name(f"{path.stem}_sheets")
    outcomes = sorted(batch.outcomes, key=_worth)
    parts = [_section(batch, outcome, sheets, draw) for outcome in outcomes]
    parts += [
        f'<section class="failed"><h2>{escape(refusal.job)}</h2>'
        f'<p class="error">{escape(str(refusal.error))}</p></section>'
        for refusal in batch.plan.refused
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{_summary(batch)}</p>{''.join(parts)}</html>\n",
    )


def check_page(path: Path) -> None:
    """Raise RequestError where the page, whose name nobody chose, would replace another one."""
    try:
        with open_regular(path) as file:
            ours = b"<title>StyleSync: " in file.read(200)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RequestError(f"The report '{path}' cannot be written; move that away.") from error
    if not ours:
        raise RequestError(
            f"The report would replace '{path}', which is not StyleSync's; move it away, or give"
            " the timeline another name."
        )


def _worth(outcome: Outcome) -> float:
    """What orders the page: failures first, then the dubs whose lips do worst, of which it counts
    how they follow and how far their width and place are off; nothing known comes last."""
    if outcome.result is None:
        return -1.0
    lips = outcome.result.lips
    if lips is None:
        return 2.0
    narrow = min(lips["width"], 1 / max(lips["width"], 1e-3))
    return lips["follows"] * max(0.0, narrow) * max(0.0, 1 - abs(lips["offset"]) / 0.2)


def draw_sheet(before: str, after: str, output: Path, first_frame: int) -> None:
    """The engine's contact sheet; raises DubError where there is nothing to show."""
    from stylesync_engine.review.contact_sheet import draw_contact_sheet

    draw_contact_sheet(before, after, output, first_frame)


def _summary(batch: Batch) -> str:
    states = [outcome.state for outcome in batch.outcomes]
    counts = [f"{states.count(state)} {text}" for state, text in _STATES.items() if state in states]
    if batch.plan.refused:
        counts.append(f"{len(batch.plan.refused)} refused")
    seconds = sum(outcome.seconds for outcome in batch.outcomes)
    return f"{', '.join(counts) or 'Nothing to dub'} in {_clock(seconds)}."


def _section(batch: Batch, outcome: Outcome, sheets: Path, draw: DrawSheet | None) -> str:
    dub = outcome.dub
    lines = [
        f"<h2>{escape(dub.place.clip)}</h2>",
        f'<p class="quiet">{escape(dub.job)} · {escape(dub.place.label)} ·'
        f" {escape(batch.plan.where(dub))} ·"
        f" {_STATES[outcome.state]}</p>",
    ]
    if outcome.error is not None:
        lines.append(f'<p class="error">{escape(str(outcome.error))}</p>')
    if outcome.result is not None:
        lines += _result_lines(outcome, outcome.result, sheets, draw)
    lines += [f'<p class="quiet">{escape(text)}</p>' for text in dub.warnings]
    return f'<section class="{outcome.state}">{"".join(lines)}</section>'


def _result_lines(
    outcome: Outcome, result: DubResult, sheets: Path, draw: DrawSheet | None
) -> list[str]:
    text = f"{result.changed} of {result.frames} frames changed, {_clock(outcome.seconds)}"
    if result.passed_through:
        ranges = ", ".join(f"{start}:{end}" for start, end in result.passed_through)
        text += f"; untouched: {ranges}"
    lines = [
        f"<p>{escape(text)}. {escape(result.models)}, seed {result.seed}, {result.device}.</p>"
    ]
    if lips := result.describe_lips():
        lines.append(f"<p>{escape(lips)}</p>")
    lines += [f'<p class="quiet">{escape(warning)}</p>' for warning in result.warnings]
    if draw is not None:
        lines.append(_sheet(outcome.dub.request, result.output, sheets, draw))
    return lines


def _sheet(request: DubRequest, output: str, sheets: Path, draw: DrawSheet) -> str:
    name = f"{Path(output).name.split('.')[0]}.png"
    first = request.frames.start if request.frames is not None else 0
    try:
        sheets.mkdir(parents=True, exist_ok=True)
        draw(request.video, output, sheets / name, first)
    except (DubError, OSError) as error:
        return f'<p class="quiet">No contact sheet: {escape(str(error))}</p>'
    return f'<img src="{quote(sheets.name)}/{quote(name)}" alt="before and after">'


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    if hours:
        return f"{hours} h {rest // 60} min"
    return f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{seconds:.1f} s"
