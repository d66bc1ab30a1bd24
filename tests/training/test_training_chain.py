"""The whole of `stylesync-train` on a few real clips, with budgets that teach nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from places import DATA
from stylesync_training.adapt import LIP_CHANGE
from stylesync_training.commands.app import main

from stylesync_engine.weights.table import PARTS, QUICK

SPEAKERS = DATA / "speakers"
CLIPS = {"s26": 2, "s31": 2}


def call(capfd: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """The result of a command that has to succeed."""
    code = main([*map(str, words), "--json"])
    printed = capfd.readouterr()
    assert code == 0, printed.out + printed.err
    result: dict[str, Any] = json.loads(printed.out.splitlines()[-1])
    assert result["event"] == "result"
    return result


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SPEAKERS.is_dir():
        pytest.skip(f"{SPEAKERS} is not on this machine")
    root = tmp_path_factory.mktemp("clips")
    for speaker, count in CLIPS.items():
        (root / speaker).mkdir()
        for path in sorted((SPEAKERS / speaker).glob("*.mpg"))[:count]:
            shutil.copy(path, root / speaker)
    (root / "s26" / "broken.mpg").write_bytes(b"no film")
    return root


def test_from_clips_to_models_and_their_measures(
    sources: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "run"
    folders = [sources / name for name in CLIPS]
    planned = call(capfd, "prepare", *folders, "--work", work, "--preset", "tiny", "--dry-run")
    assert [row["clips"] for row in planned["speakers"]] == [3, 2]
    assert not work.exists()

    made = call(
        capfd, "prepare", *folders, "--work", work, "--preset", "tiny", "--workers", 1,
        "--holdout", "s31",
    )  # fmt: skip
    assert [(row["speaker"], row["clips"], row["use"]) for row in made["speakers"]] == [
        ("s26", 2, "training"),
        ("s31", 2, "holdout"),
    ]
    assert [Path(name).name for name in made["dropped"]] == ["broken.mpg"]
    assert (work / "report/dropped.png").exists()

    quick = "quick-codec", "quick-renderer"
    for step in ("autoencoder", "lip-motion", "sync-expert", "renderer", *quick):
        assert call(capfd, step, "--work", work, "--dry-run")["train_on"] == ["s26"]
        call(capfd, step, "--work", work, "--steps", 2, "--batch", 2)
        assert call(capfd, step, "--work", work, "--steps", 2)["resumed"] == 2

    models = work / "models"
    packed = call(capfd, "package", "--work", work, "--name", "newcomer")
    assert set(packed["parts"]) == {*PARTS, QUICK}
    assert "| s31 | 2 |" in (models / "REPORT.md").read_text()

    data = call(capfd, "evaluate", "--work", work, "--quality", "draft", "--pairs", 1)
    kinds = {row["kind"]: row for row in data["means"]}
    assert kinds["rebuild"]["PSNR"] > 15
    assert kinds["rebuild"]["LipLMD"] < 0.1
    assert "with_new" in kinds["follow"]
    for name in ("evaluation.json", "evaluation.md", "evaluation.png", "evaluation-sheet.png"):
        assert (work / "report" / name).exists()
    assert "| gap_slope |" in (models / "REPORT.md").read_text()

    dubs, truth = tmp_path / "good", tmp_path / "truth"
    for folder in (dubs, truth):
        folder.mkdir()
    rebuilt = next((work / "report/evaluation").rglob("rebuild*.mkv"))
    name = rebuilt.stem.split("_")[3]
    shutil.copy(rebuilt, dubs / f"{name}.mkv")
    shutil.copy(sources / "s31" / f"{name}.mpg", truth)
    table = call(capfd, "compare", truth, dubs, truth, "--output", tmp_path / "table")["means"]
    assert table[0]["PSNR"] == pytest.approx(kinds["rebuild"]["PSNR"])
    assert table[1]["LipLMD"] == 0.0

    asked = [f"s31/{path.stem}" for path in (work / "data/clips/s31").glob("*.safetensors")]
    words = ["attention", "--work", str(work), "--query", asked[0], "--reference", asked[1]]
    assert main(words) == 2
    assert "has no attention to draw" in capfd.readouterr().err

    table = call(
        capfd, "ablate", "--work", work, "--seeds", 1, "--steps", 2, "--batch", 2,
        "--variants", "no reference,closed form",
    )["means"]  # fmt: skip
    assert {(row["variant"], row["n"]) for row in table} == {
        ("no reference", 0),
        *(("closed form", n) for n in (64, 128, 256)),
    }

    shot = next((sources / "s31").glob("*.mpg"))
    adapted = call(
        capfd, "adapt", shot, "--models", models, "--output", tmp_path / "adapted",
        "--steps", 2, "--batch", 2,
    )  # fmt: skip
    assert adapted["held_out_frames"] >= 8
    files = {path.name for path in (tmp_path / "adapted").glob("*.safetensors")}
    assert files == {"renderer.safetensors"}
    settings = json.loads((tmp_path / "adapted/models.json").read_text())["settings"]
    for sampling in settings["samplings"].values():
        assert (sampling["change"], sampling["lip_change"]) == (1.0, LIP_CHANGE)
    assert main(["adapt", str(shot), "--models", str(models), "--output", str(models)]) == 2
    assert "base models themselves" in capfd.readouterr().err


def test_wrong_words_are_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = (
        (["renderer", "--work", str(tmp_path), "--preset", "huge"], "no preset 'huge'"),
        (["lip-motion", "--work", str(tmp_path)], "no clips to train on"),
        (["prepare", str(tmp_path / "none"), "--work", str(tmp_path)], "does not exist"),
        (["package", "--work", str(tmp_path)], "stylesync-train lip-motion"),
        (["evaluate", "--work", str(tmp_path)], "stylesync-train prepare"),
        (["fly"], "see --help"),
    )
    for words, said in wrong:
        assert main(words) == 2, words
        printed = capfd.readouterr().err
        assert said in printed
        assert len(printed.strip().splitlines()) == 1
