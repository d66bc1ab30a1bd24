"""The user study: the page gives no method away, scores come back to their methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stylesync_training.commands.app import main
from stylesync_training.measures import study

from stylesync_engine.request import RequestError


@pytest.fixture
def methods(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / name for name in ("wav2lip", "stylesync")]
    for folder in folders:
        folder.mkdir()
        for clip in ("one", "two", "three"):
            (folder / f"{clip}.mp4").write_bytes(f"{folder.name} {clip}".encode())
    (folders[0] / "alone.mp4").write_bytes(b"x")
    return folders


def test_the_page_shows_every_common_clip_and_names_no_method(
    methods: list[Path], tmp_path: Path
) -> None:
    key = study.make_study(methods, tmp_path / "study", None, seed=4)
    assert len(key) == 6
    page = (tmp_path / "study/index.html").read_text()
    assert page.count("<video") == 6
    assert page.count("<fieldset") == 6 * len(study.QUESTIONS)
    assert not any(word in page for word in ("wav2lip", "stylesync", "one.mp4"))
    for entry in key.values():
        copied = (tmp_path / "study/videos" / entry["file"]).read_bytes()
        assert copied == f"{entry['method']} {entry['clip']}".encode()
    order = [entry["method"] for entry in key.values()]
    assert order not in (sorted(order), sorted(order, reverse=True))
    with pytest.raises(RequestError, match="already"):
        study.make_study(methods, tmp_path / "study", None, seed=4)


def test_scores_come_back_to_their_methods(methods: list[Path], tmp_path: Path) -> None:
    key = study.make_study(methods, tmp_path / "study", 2, seed=0)
    assert len(key) == 4
    answers = []
    for viewer, bonus in enumerate((0, 1)):
        scores = {
            number: {"sync": (4 if entry["method"] == "stylesync" else 2) + bonus, "quality": 3}
            for number, entry in key.items()
        }
        answers.append(tmp_path / f"viewer-{viewer}.json")
        answers[-1].write_text(json.dumps({"scores": scores}))
    means = {
        row["method"]: row for row in study.gather_scores(tmp_path / "study", answers)["means"]
    }
    assert means["stylesync"]["sync"] == pytest.approx(4.5)
    assert means["wav2lip"]["sync"] == pytest.approx(2.5)
    assert means["wav2lip"]["sync ±"] == pytest.approx(1.96 * 0.5)
    assert means["wav2lip"]["quality ±"] == 0.0
    assert "style" not in means["wav2lip"]
    assert "| stylesync | 4 |" in (tmp_path / "study/scores.md").read_text()
    assert len((tmp_path / "study/scores.csv").read_text().splitlines()) == 9


@pytest.mark.parametrize(
    "scores",
    [{"001": {"sync": 6}}, {"001": {"sync": 2.5}}, {"999": {"sync": 1}}, {"001": {"x": 1}}],
)
def test_answers_that_do_not_belong_are_refused(
    scores: dict[str, dict[str, float]], methods: list[Path], tmp_path: Path
) -> None:
    study.make_study(methods, tmp_path / "study", None, seed=0)
    answer = tmp_path / "viewer.json"
    answer.write_text(json.dumps({"scores": scores}))
    with pytest.raises(RequestError, match="no answers to this study"):
        study.gather_scores(tmp_path / "study", [answer])


def test_the_command_makes_and_gathers(
    methods: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "page")
    words = ["study", *map(str, methods), "--output", output]
    assert main([*words, "--dry-run"]) == 0
    assert not Path(output).exists()
    assert main(words) == 0
    assert "6 videos" in capfd.readouterr().out
    assert main(["study", "--output", output]) == 2
    answer = tmp_path / "viewer.json"
    answer.write_text(json.dumps({"scores": {"001": {"sync": 5}}}))
    assert main(["study", "--output", output, "--scores", str(answer), "--json"]) == 0
    assert '"sync": 5.0' in capfd.readouterr().out
