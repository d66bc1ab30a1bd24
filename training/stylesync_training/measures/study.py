"""A page for a user study (Table II): blind scores of 0 to 5, mean opinion scores exported.

The page is one HTML file beside copies of the videos: no server, nothing leaves the browser until
the viewer saves a file of scores. The key, which method each letterless name is, stays with whoever
made the page; `gather_scores` puts both together.
"""

from __future__ import annotations

import csv
import html
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stylesync_engine.request import RequestError
from stylesync_training.data.workspace import read_json, write_json
from stylesync_training.measures.comparison import videos_by_name
from stylesync_training.tables import markdown_table

QUESTIONS = {
    "sync": "The lips go with the sound",
    "style": "The mouth moves as this person's does",
    "quality": "The picture looks real",
}
LOWEST, HIGHEST = 0, 5
_PAGE, _KEY, _VIDEOS = "index.html", "key.json", "videos"


def make_study(
    methods: Sequence[Path], output: Path, most: int | None, seed: int
) -> dict[str, Any]:
    """Write the page for the clips that every method's folder has, in an order drawn from `seed`;
    returns what the key holds.

    Raises RequestError where there are no common clips, or where `output` holds a study already.
    """
    if (output / _KEY).exists():
        raise RequestError(f"{output} holds a study already; choose another folder.")
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise RequestError("Two methods' folders have the same name; rename one of them.")
    videos = {method.name: videos_by_name(method) for method in methods}
    common = sorted(set.intersection(*(set(found) for found in videos.values())))
    if not common:
        raise RequestError("No clip is in all folders; give the methods' clips the same names.")
    rng = np.random.default_rng(seed)
    clips = common[:: max(1, len(common) // most)][:most] if most else common
    asked = [(clip, name) for clip in clips for name in names]
    order = [asked[index] for index in rng.permutation(len(asked))]
    (output / _VIDEOS).mkdir(parents=True, exist_ok=True)
    key: dict[str, Any] = {}
    for number, (clip, name) in enumerate(order, start=1):
        source = videos[name][clip]
        blind = f"{number:03d}{source.suffix.lower()}"
        shutil.copyfile(source, output / _VIDEOS / blind)
        key[f"{number:03d}"] = {"clip": clip, "method": name, "file": blind}
    (output / _PAGE).write_text(page_of({k: v["file"] for k, v in key.items()}), encoding="utf-8")
    write_json(output / _KEY, key)
    return key


def page_of(files: dict[str, str]) -> str:
    """The page for blind numbers and their files; it names no method."""
    parts = [
        f'<section data-video="{html.escape(number)}"><h2>{html.escape(number)}</h2>'
        f'<video src="{_VIDEOS}/{html.escape(file)}" controls preload="none"></video>'
        f"{''.join(_question(number, name, text) for name, text in QUESTIONS.items())}</section>"
        for number, file in files.items()
    ]
    return _TEMPLATE.replace("<!-- videos -->", "\n".join(parts))


def gather_scores(folder: Path, answers: Sequence[Path]) -> dict[str, Any]:
    """Mean opinion scores of the files that viewers saved; writes `scores.json`, `.csv`, `.md`.

    The interval is over viewers' means, 95 % by the normal approximation. Raises RequestError for
    a file that is no answer to this study.
    """
    path = folder / _KEY
    if not path.exists():
        raise RequestError(f"{path} is missing; name the folder that study made.")
    key = read_json(path)
    rows = [row for answer in answers for row in _read_answer(answer, key)]
    methods = sorted({entry["method"] for entry in key.values()})
    means = [_mean_scores(method, [r for r in rows if r["method"] == method]) for method in methods]
    data = {"viewers": len(answers), "means": means, "rows": rows}
    write_json(folder / "scores.json", data)
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["viewer", "method", "clip", *QUESTIONS])
        writer.writeheader()
        writer.writerows(rows)
    lines = [f"Mean opinion scores of {len(answers)} viewers, {LOWEST} to {HIGHEST}.", ""]
    text = "\n".join([*lines, *markdown_table(means)]) + "\n"
    (folder / "scores.md").write_text(text, encoding="utf-8")
    return data


def _read_answer(path: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        scores = read_json(path)["scores"]
        rows = [_checked(path.stem, key[number], given) for number, given in scores.items()]
    except (RequestError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} holds no answers to this study ({error}).") from error
    return rows


def _checked(viewer: str, entry: dict[str, str], given: dict[str, int]) -> dict[str, Any]:
    wrong = [v for v in given.values() if not LOWEST <= v <= HIGHEST or v != int(v)]
    if wrong or not given.keys() <= QUESTIONS.keys():
        raise ValueError(f"scores are whole numbers from {LOWEST} to {HIGHEST}")
    return {"viewer": viewer, "method": entry["method"], "clip": entry["clip"], **given}


def _mean_scores(method: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    line: dict[str, Any] = {"method": method, "answers": len(rows)}
    for name in QUESTIONS:
        by_viewer: dict[str, list[float]] = {}
        for row in rows:
            if name in row:
                by_viewer.setdefault(row["viewer"], []).append(float(row[name]))
        means = np.array([np.mean(values) for values in by_viewer.values()])
        if len(means):
            line[name] = float(means.mean())
        if len(means) > 1:
            line[f"{name} ±"] = float(1.96 * means.std(ddof=1) / np.sqrt(len(means)))
    return line


def _question(number: str, name: str, text: str) -> str:
    choices = "".join(
        f'<label><input type="radio" name="{number}.{name}" value="{score}">{score}</label>'
        for score in range(LOWEST, HIGHEST + 1)
    )
    return f"<fieldset><legend>{html.escape(text)}</legend>{choices}</fieldset>"


_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Which dubs look right?</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
section { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid #8886 }
video { width: 100%; max-height: 24rem; background: #000 }
fieldset { border: 0; padding: 0; margin: .5rem 0 } label { margin-right: 1rem }
button { font: inherit; padding: .4rem 1rem }
</style>
<h1>Which dubs look right?</h1>
<p>Watch each clip with its sound, then score it from 0 (not at all) to 5 (wholly). The clips come
in no particular order. Nothing is sent anywhere: the button saves your scores as a file, which you
give to whoever asked you.</p>
<!-- videos -->
<p id="left"></p>
<button id="save">Save my scores</button>
<script>
"use strict";
const sections = [...document.querySelectorAll("section")];
function collect() {
  const scores = {};
  for (const section of sections) {
    const own = {};
    for (const input of section.querySelectorAll("input:checked")) {
      own[input.name.split(".")[1]] = Number(input.value);
    }
    if (Object.keys(own).length) scores[section.dataset.video] = own;
  }
  return scores;
}
function count() {
  const asked = document.querySelectorAll("fieldset").length;
  const given = document.querySelectorAll("input:checked").length;
  document.getElementById("left").textContent = `${given} of ${asked} questions answered.`;
}
document.addEventListener("change", count);
count();
document.getElementById("save").addEventListener("click", () => {
  const data = JSON.stringify({ scores: collect() }, null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type: "application/json" }));
  const id = crypto.getRandomValues(new Uint32Array(1))[0].toString(16);
  link.download = `viewer-${id}.json`;
  link.click();
});
</script>
</html>
"""
