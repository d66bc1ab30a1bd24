"""The training loop: it goes on where it stopped, says where it is, and averages weights."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from model_fixtures import make_face_model
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.fitting.lip_motion import (
    LipMotionTraining,
    train_lip_motion,
)
from stylesync_training.fitting.looks import Looks
from stylesync_training.fitting.loop import (
    Ema,
    Figures,
    Run,
    Schedule,
    describe_figures,
    read_curve,
    trained_steps,
)
from torch import Tensor, nn
from training_material import TINY_LIPS, make_clip

from stylesync_engine.request import ModelError


def test_six_steps_are_three_and_three_more(tmp_path: Path) -> None:
    """Dropout, batches and the schedule go on as if nothing had happened."""
    clips = [make_clip("a", "1"), make_clip("a", "2", seed=1), make_clip("b", "1", seed=2)]
    model = make_face_model()
    whole = train_lip_motion(TINY_LIPS, model, clips, [], tmp_path / "whole")
    halved = _stop_after(TINY_LIPS, 3, model, clips, tmp_path / "halves")
    assert trained_steps(tmp_path / "halves") == 3
    assert any(not torch.equal(a, b) for a, b in zip(_values(whole), _values(halved), strict=True))
    again = train_lip_motion(TINY_LIPS, model, clips, [], tmp_path / "halves")
    for a, b in zip(_values(whole), _values(again), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def _stop_after(
    config: LipMotionTraining, steps: int, model: object, clips: list[TrainingClip], folder: Path
) -> nn.Module:
    """Cut a run off after some of its steps, the schedule being that of the whole."""
    whole = config.schedule

    class Cut(Schedule):
        def rate_at(self, step: int) -> float:
            return whole.rate_at(step)

    cut = Cut(**{**dataclasses.asdict(whole), "steps": steps})
    config = dataclasses.replace(config, schedule=cut)
    return train_lip_motion(config, model, clips, [], folder)  # type: ignore[arg-type]


def _values(network: nn.Module) -> list[Tensor]:
    return list(network.state_dict().values())


def test_a_run_of_other_sizes_is_refused(tmp_path: Path) -> None:
    def loss(network: nn.Linear, batch: Tensor, step: int) -> tuple[Tensor, Figures]:
        return network(batch).square().mean(), {}

    schedule = Schedule(steps=2, rate=1e-3)
    Run(tmp_path).train(nn.Linear(3, 2), schedule, lambda step: torch.ones(1, 3), loss)
    with pytest.raises(ModelError, match="other sizes"):
        Run(tmp_path).train(nn.Linear(4, 2), schedule, lambda step: torch.ones(1, 4), loss)


def test_checkpoints_are_looked_at_and_batches_drawn_beside_the_steps(tmp_path: Path) -> None:
    """Neither waits for the other: a look of the second step ends when later ones are done."""
    later, drawn, looked = threading.Event(), [], []

    def draw(number: int) -> Tensor:
        drawn.append((number, threading.current_thread()))
        return torch.full((1, 3), float(number))

    def loss(network: nn.Module, batch: Tensor, step: int) -> tuple[Tensor, Figures]:
        assert float(batch[0, 0]) == step
        if step == 4:
            later.set()
        return network(batch).square().mean(), {}

    def look(network: nn.Module, step: int) -> Figures:
        assert later.wait(60)
        looked.append((step, [v.clone() for v in network.state_dict().values()]))
        return {"look": float(step)}

    network, schedule = nn.Linear(3, 2), Schedule(steps=6, rate=0.1)
    run = Run(tmp_path, save_every=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Looks, "take", _second_and_last(Looks.take))
        ema = run.train(network, schedule, draw, loss, look)
    assert [number for number, _ in drawn] == list(range(6))
    assert threading.main_thread() not in {thread for _, thread in drawn}
    assert [step for step, _ in looked] == [2, 6]
    assert torch.equal(looked[1][1][0], ema.weight)
    assert not torch.equal(looked[0][1][0], ema.weight)  # as it was then
    assert [line["look"] for line in read_curve(tmp_path) if "look" in line] == [2, 6]


def _second_and_last(take: Callable[..., None]) -> Callable[..., None]:
    return lambda self, network, step: take(self, network, step) if step in (2, 6) else None


def test_what_a_look_raises_is_the_run_s(tmp_path: Path) -> None:
    def look(network: nn.Module, step: int) -> Figures:
        raise ValueError("no sheet")

    run, schedule = Run(tmp_path), Schedule(steps=2, rate=0.1)
    with pytest.raises(ValueError, match="no sheet"):
        run.train(
            nn.Linear(3, 2),
            schedule,
            lambda step: torch.ones(1, 3),
            lambda network, batch, step: (network(batch).mean(), {}),
            look,
        )
    assert trained_steps(tmp_path) == 2


def test_a_run_says_how_far_it_is_and_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def loss(network: nn.Module, batch: Tensor, step: int) -> tuple[Tensor, Figures]:
        return network(batch).square().mean(), {}

    run = Run(tmp_path / "mine")
    run.train(nn.Linear(3, 2), Schedule(steps=7, rate=0.1), lambda step: torch.ones(1, 3), loss)
    assert [line["step"] for line in read_curve(tmp_path / "mine")] == [7]
    assert capsys.readouterr().out.startswith("mine: step 7 of 7, loss ")
    figures = {"step": 50, "loss": 0.25, "steps_per_s": 0.5}
    assert describe_figures(figures, 300) == "step 50 of 300, loss 0.25, 0.5 steps/s, 8.33 min left"
    assert describe_figures({"resumed": 50}, 300) == "goes on from step 50 of 300"


def test_a_curve_cut_off_by_a_crash_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text('{"step": 50, "loss": 1.0}\n{"step": 100, "lo')
    assert read_curve(tmp_path) == [{"step": 50, "loss": 1.0}]


def test_the_schedule_warms_up_and_ends_at_nothing() -> None:
    schedule = Schedule(steps=100, rate=2.0, warm_up=10, decay=0.4)
    rates = [schedule.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[30] == rates[59] == 2.0
    assert rates[80] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)


def test_the_mean_of_weights_is_exponential() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = Ema(network, decay=0.5)
    mean = 0.0
    for step in range(30):
        nn.init.constant_(network.weight, float(step))
        ema.update(network, step)
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * step
    assert ema.network.weight.item() == pytest.approx(mean, rel=1e-5)
