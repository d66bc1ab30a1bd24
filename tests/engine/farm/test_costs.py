"""What a farm's chunks and simulated hours follow from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cost_measurement import line, measure_costs
from model_fixtures import make_parts
from places import DEMO
from simulate import PROGRAM, app
from simulation import Farm, Film, simulate

from stylesync_engine.commands.reporting import run_app
from stylesync_engine.farm.costs import Costs, Line, read_costs
from stylesync_engine.request import DubError, DubOptions, RequestError
from stylesync_engine.weights.loading import save_models

COSTS = Costs(
    start_up=8.0, task=0.5, prepare=Line(4, 0.05), render=Line(0.3, 0.15), assemble=Line(0.3, 0.02)
)


def test_one_worker_pays_for_everything_in_turn() -> None:
    run = simulate([32, 20], COSTS, Farm(1))
    assert run.useful == pytest.approx(COSTS.dub_seconds(32) + COSTS.dub_seconds(20))
    assert run.wall == pytest.approx(run.useful + COSTS.start_up + run.tasks * COSTS.task)


def test_a_shared_dub_costs_its_render_s_fixed_part_in_each_chunk() -> None:
    run = simulate([320], COSTS, Farm(4))
    assert run.useful == pytest.approx(COSTS.dub_seconds(320) + (run.tasks - 3) * 0.3)
    assert run.wall < COSTS.dub_seconds(320)


def test_no_farm_beats_its_work_nor_its_longest_chain() -> None:
    lengths = Film(minutes=10, dubs=60).lengths()
    assert sum(lengths) == pytest.approx(10 * 60 * 24 * 0.5, rel=0.02)
    before = float("inf")
    for workers in (1, 4, 16, 64):
        run = simulate(lengths, COSTS, Farm(workers))
        assert run.wall >= run.useful / workers
        assert run.wall >= max(COSTS.prepare.seconds(n) for n in lengths)
        assert run.wall < before
        before = run.wall


def test_failures_and_cold_engines_cost_time() -> None:
    lengths = Film(minutes=10, dubs=60).lengths()
    warm = simulate(lengths, COSTS, Farm(8))
    failing = simulate(lengths, COSTS, Farm(8, failures=0.2))
    cold = simulate(lengths, COSTS, Farm(8, warm=False))
    assert (warm.failed, cold.failed) == (0, 0)
    assert failing.failed > 0
    assert min(failing.wall, cold.wall) > warm.wall


def test_costs_are_read_from_what_the_commands_print(tmp_path: Path) -> None:
    stages = [
        {"stage": "start-up", "seconds": 3.0},
        {"stage": "track", "seconds": 2.0},
        {"stage": "lips", "seconds": 0.5},
        {"stage": "render", "seconds": 10.0},
        {"stage": "assemble", "seconds": 1.0},
    ]
    report = {"event": "result", "frames": 50, "start_up_seconds": 3.0, "stages": stages}
    progress = {"event": "progress", "stage": "render", "done": 1, "total": 2}
    file = tmp_path / "bench.json"
    file.write_text(f"{json.dumps(progress)}\n{json.dumps(report)}\n")
    found = read_costs(file)
    assert (found.start_up, found.prepare.per_frame) == (3.0, 0.05)
    assert (found.render.per_frame, found.assemble.per_frame) == (0.2, 0.02)
    file.write_text(json.dumps({"event": "result", "costs": COSTS.to_dict()}))
    assert read_costs(file) == COSTS
    for wrong in ("", "{}", "[]", '{"frames": 0, "stages": [], "start_up_seconds": 1}'):
        file.write_text(wrong)
        with pytest.raises(RequestError, match="bench"):
            read_costs(file)


def test_the_table_shows_every_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({"costs": COSTS.to_dict()}))
    given = ["--bench", str(file), "--dubs", "20", "--minutes", "3"]
    assert run_app(app, PROGRAM, [*given, "--workers", "1,10", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["farms"]
    assert [row["workers"] for row in rows] == [1, 10]
    assert rows[0]["efficiency"] == 1
    assert 0 < rows[1]["efficiency"] <= 1
    assert run_app(app, PROGRAM, [*given, "--workers", "1,x"]) == 2


def test_what_costs_nothing_is_planned_all_the_same() -> None:
    free = Line(0.0, 0.0)
    costs = Costs(start_up=1.0, task=0.0, prepare=free, render=free, assemble=free)
    for workers in (1, 3, 50):
        assert simulate([90, 40, 20, 10], costs, Farm(workers)).wall == 1.0


@pytest.mark.parametrize(
    ("few", "many", "expected"),
    [
        ((10, 2.0), (30, 4.0), Line(1.0, 0.1)),
        ((10, 4.0), (30, 2.0), Line(2.0, 0.0)),  # noise: more frames, less time
        ((10, 0.1), (30, 6.0), Line(0.0, 0.2)),
        ((10, -0.1), (30, -0.2), Line(0.0, 0.0)),
        ((10, 1.0), (10, 3.0), Line(0.0, 0.3)),
    ],
)
def test_a_line_through_two_measurements_never_costs_less_than_nothing(
    few: tuple[int, float], many: tuple[int, float], expected: Line
) -> None:
    found = line(*few, *many)
    assert (found.fixed, found.per_frame) == pytest.approx((expected.fixed, expected.per_frame))


def test_a_hundred_workers_are_kept_busy_by_a_film() -> None:
    """With what a dub costs on an ordinary machine, nine tenths of their time goes into results."""
    lengths = Film().lengths()
    alone = simulate(lengths, COSTS, Farm(1)).wall
    assert alone / simulate(lengths, COSTS, Farm(100)).wall / 100 > 0.9


@pytest.mark.slow
def test_costs_are_measured_by_a_worker_s_own_commands(tmp_path: Path) -> None:
    if not (DEMO / "take_to_dub.mp4").is_file():
        pytest.skip("needs packaging/demo/take_to_dub.mp4")
    save_models(tmp_path / "tiny", name="tiny", **make_parts())
    options = DubOptions(models=str(tmp_path / "tiny"), quality="draft", codec="ffv1", device="cpu")
    costs = measure_costs(options)
    assert costs.start_up > costs.task > 0
    assert costs.dub_seconds(100) > costs.dub_seconds(30) > 0
    assert costs.prepare.seconds(100) > costs.assemble.seconds(100)
    with pytest.raises(DubError, match="There are no models 'nobody'"):
        measure_costs(DubOptions(models="nobody", quality="draft", codec="ffv1", device="cpu"))
