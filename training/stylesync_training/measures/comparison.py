"""Score videos that any method rendered with the same measures: Table I's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stylesync_engine.request import NoFaceError, RequestError
from stylesync_training.data.corpora import VIDEO_SUFFIXES
from stylesync_training.data.workspace import write_json
from stylesync_training.measures.published import Published
from stylesync_training.measures.videos import TRACKER, Judge, mean_rows
from stylesync_training.tables import markdown_table

Say = Callable[[str, int, int], None]


def compare_folders(
    truth: Path, methods: Sequence[Path], output: Path, published: Published, say: Say
) -> dict[str, Any]:
    """Measure each folder's videos against those of the same name in `truth`; writes
    `comparison.json` and `comparison.md` into `output`.

    A video that a method lacks, or that shows no face, is counted, not measured.
    """
    real = videos_by_name(truth)
    if not real:
        raise RequestError(f"No video was found in {truth}; name the folder of true clips.")
    judge = Judge(published)
    table, rows, done = [], [], 0
    for method in methods:
        made = videos_by_name(method)
        own = []
        for name, path in real.items():
            done += 1
            figures = _score(judge, made.get(name), path)
            if figures is not None:
                own.append(figures)
                rows.append({"method": method.name, "clip": name, "figures": figures})
            say("compare", done, len(real) * len(methods))
        table.append(
            {"method": method.name, "clips": f"{len(own)} of {len(real)}", **mean_rows(own)}
        )
    data = {"faces_by": TRACKER, "left_out": published.missing(), "means": table, "rows": rows}
    write_json(output / "comparison.json", data)
    text = [f"Faces by {TRACKER}.", "", *markdown_table(table), "", *published.missing()]
    (output / "comparison.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return data


def videos_by_name(folder: Path) -> dict[str, Path]:
    """The videos directly in a folder, by their names without suffix."""
    if not folder.is_dir():
        raise RequestError(f"{folder} is no folder; check the path.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
    return {path.stem: path for path in found}


def _score(judge: Judge, made: Path | None, truth: Path) -> dict[str, float] | None:
    if made is None:
        return None
    try:
        return judge.rebuild(made, truth)
    except NoFaceError:
        return None
