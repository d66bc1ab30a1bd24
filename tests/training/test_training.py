"""The training loop, what it draws, and the data's conventions, with oracles."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from numpy.typing import NDArray
from safetensors.numpy import save_file
from stylesync_training.data import corpora
from stylesync_training.data.dataset import (
    TrainingClip,
    check_index,
    clip_weights,
    load_clips,
    write_index,
)
from stylesync_training.fitting import renderer, renderer_samples
from stylesync_training.fitting.lip_motion import (
    LipMotionTraining,
    draw_lip_batches,
    draw_reference,
    lip_basis,
    random_style,
    train_lip_motion,
)
from stylesync_training.fitting.loop import (
    Ema,
    Figures,
    Run,
    Schedule,
    describe_figures,
    read_curve,
    trained_steps,
)
from stylesync_training.fitting.presets import PRESETS, find_preset
from stylesync_training.fitting.renderer_batches import draw_batches
from stylesync_training.fitting.renderer_samples import (
    RendererSamples,
    RendererTraining,
    mirror_matrix,
)
from stylesync_training.measures.leave_one_out import (
    VARIANTS,
    StaticMixing,
    compare_swap,
    reference_for,
    train_fold,
)
from torch import Tensor, nn

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.models.renderer import Renderer, RendererSizes
from stylesync_engine.request import ModelError, RequestError
from stylesync_engine.speech.style import NetworkReading, StyleReference


def make_clip(speaker: str, name: str, frames: int = 60, seed: int = 0) -> TrainingClip:
    rng = np.random.default_rng(seed)
    return TrainingClip(
        speaker=speaker,
        name=name,
        crops=np.zeros((0, 256, 256, 3), np.uint8),
        points=np.zeros((frames, 468, 2), np.float32),
        beta=rng.normal(size=(frames, 20)).astype(np.float32),
        alpha=np.zeros(3, np.float32),
        neutral=np.zeros((468, 3), np.float32),
        angles=np.zeros((frames, 3), np.float32),
        scale=np.ones(frames, np.float32),
        rotation=np.broadcast_to(np.eye(3, dtype=np.float32), (frames, 3, 3)).copy(),
        speech=rng.normal(size=(frames, 8)).astype(np.float32),
    )


TINY_LIPS = LipMotionTraining(
    sizes=LipMotionSizes(8, 16, 2, 32, 1, 1),
    schedule=Schedule(steps=6, rate=1e-3, warm_up=2, ema=0.9),
    batch=2,
    frames=16,
    reference=16,
)


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


def test_speakers_with_many_clips_are_damped() -> None:
    clips = [make_clip("many", str(i)) for i in range(32)] + [make_clip("one", "0")]
    weights = clip_weights(clips)
    assert weights.sum() == pytest.approx(1)
    assert weights[:32].sum() / weights[32] == pytest.approx(32**0.4)


def test_a_style_can_be_taken_back() -> None:
    change, shift = random_style(np.random.default_rng(3))
    motion = np.random.default_rng(0).normal(size=(7, MOUTH)).astype(np.float32)
    styled = motion @ change + shift
    np.testing.assert_allclose((styled - shift) @ np.linalg.inv(change), motion, atol=1e-3)
    assert np.abs(styled - motion).mean() > 0.05


def test_mirroring_twice_changes_little() -> None:
    """On a symmetric face, mirroring maps the jaw onto itself and is its own inverse there."""
    model = make_face_model()
    jaw = np.zeros((1, MOUTH), np.float32)
    jaw[0, 0] = 1.0
    mirror = mirror_matrix(model)
    assert mirror.shape == (MOUTH, MOUTH)
    moved, once = model.move_mouth(jaw), model.move_mouth(jaw @ mirror)
    assert np.abs(once - moved).max() < 0.35 * np.abs(moved).max()


def test_references_never_come_from_the_clip_itself() -> None:
    clips = [make_clip("a", str(i), 30, i) for i in range(3)]
    for length in (16, 48):
        reference = reference_for(clips[0], clips, length)
        assert reference is not None
        assert len(reference.motion) == length
        own = clips[0].beta[:, :MOUTH]
        assert not (reference.motion[:, None] == own[None]).all(axis=-1).any()
    assert reference_for(clips[0], clips, 0) is None
    with pytest.raises(RequestError, match="single clip"):
        reference_for(clips[0], clips[:1], 16)


def test_a_batch_is_the_same_whenever_it_is_drawn() -> None:
    clips = [make_clip("a", str(i), 30, i) for i in range(3)]
    draw = draw_lip_batches(TINY_LIPS, clips)
    draw(0)
    again = draw_lip_batches(TINY_LIPS, clips)(4)
    torch.testing.assert_close(draw(4).motion, again.motion, rtol=0, atol=0)
    assert not torch.equal(draw(5).motion, again.motion)
    long = draw_reference(clips[:1], 100, np.random.default_rng(0))
    assert long.motion.shape == (100, MOUTH)


def make_samples(frames: int = 60, clips: int = 3, stride: int = 1) -> RendererSamples:
    """Samples whose clean latent says which clip and frame they are."""
    clip = torch.arange(clips).repeat_interleave(frames)
    frame = (torch.arange(frames) * stride).repeat(clips)
    clean = torch.stack([clip, frame], dim=1).half()[:, :, None, None].expand(-1, -1, 64, 64)
    count = len(clip)
    return RendererSamples(
        clean=clean,
        aligned=torch.zeros(count, 2, 40, 64).half(),
        context=torch.zeros(count, 2, 8, 64).half(),
        lip_map=torch.zeros(count, 40, 64, 3, dtype=torch.uint8),
        motion=torch.ones(count, 5, MOUTH + 2 + 3),
        clip=clip,
        speaker=clip % 2,
        frame=frame,
    )


@pytest.mark.parametrize("sequence", [1, 5])
def test_the_reference_face_is_a_far_frame_of_the_same_clip(sequence: int) -> None:
    draw = draw_batches(make_samples(), 16, 0, sequence)
    chosen = set()
    for step in range(20):
        batch = draw(step)
        own, other = batch["clean"][:, :, 0, 0], batch["reference"][:, :, 0, 0]
        assert torch.equal(own[:, 0], other[:, 0])
        assert int((own[:, 1] - other[:, 1]).abs().min()) > 12
        chosen |= {int(frame) for frame in other[:, 1]}
    assert len(chosen) > 30


def test_five_frames_follow_each_other() -> None:
    batch = draw_batches(make_samples(), 4, 0, sequence=5)(1)
    own = batch["clean"][:, :, 0, 0].reshape(4, 5, 2)
    steps = own[:, 1:, 1] - own[:, :-1, 1]
    assert set(steps.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(own[..., 0], own[:, :1, 0].expand(-1, 5))


def test_a_short_clip_gives_its_farthest_frame() -> None:
    batch = draw_batches(make_samples(frames=6), 8, 0)(0)
    own, other = batch["clean"][:, 1, 0, 0], batch["reference"][:, 1, 0, 0]
    assert torch.equal(other, torch.where(own < 2.5, 5.0, 0.0))


def test_the_neighbourhood_of_a_frame_is_its_own_clips_alone() -> None:
    near = renderer_samples.is_near(np.array([20]), np.array([-1, 20, 32, 33, 8, 7]))
    assert near.tolist() == [[False, True, True, False, True, False]]


def test_samples_come_back_from_their_file(tmp_path: Path) -> None:
    samples = make_samples(frames=4)
    samples.save(tmp_path / "samples.safetensors")
    loaded = RendererSamples.load(tmp_path / "samples.safetensors")
    assert torch.equal(loaded.frame, samples.frame)
    (tmp_path / "samples.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged"):
        RendererSamples.load(tmp_path / "samples.safetensors")


@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_the_renderers_loss_falls_to_nothing_for_the_truth(prediction: str) -> None:
    """A network that answers with what is asked has no loss; another has."""
    sizes = RendererSizes(latent_channels=2, widths=(8, 8), blocks=1, heads=1, code=16, identity=2)
    config = RendererTraining(
        sizes=sizes,
        prediction="sample" if prediction == "sample" else "epsilon",
        pixel_weight=0.0,
        perceptual_weight=0.0,
    )
    loss_of = renderer._RendererLoss(config, nn.Identity())
    batch = draw_batches(make_samples(), 4, 0)(0)
    clean = batch["clean"][:, :, sizes.top + sizes.context :]

    class Oracle(Renderer):
        def forward(self, noisy: Tensor, steps: Tensor, conditions: object) -> Tensor:
            if prediction == "sample":
                return clean
            beta = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
            kept = torch.cumprod(1 - beta, dim=0)[steps][:, None, None, None]
            return (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()

    batch["clean"] = batch["clean"] / 60
    clean = clean / 60
    torch.manual_seed(0)
    assert float(loss_of(Oracle(sizes), batch, 0)[0]) < 1e-3
    assert float(loss_of(Renderer(sizes), batch, 0)[0].detach()) > 0.05


def test_a_damaged_clip_stops_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="broken"):
        load_clips(tmp_path)
    save_file({"x": np.zeros(1)}, tmp_path / "a" / "broken.safetensors")


def test_presets_say_what_the_paper_says() -> None:
    paper = PRESETS["paper"]
    assert (paper.lip_motion.batch, paper.lip_motion.schedule.rate) == (256, 2e-4)
    assert (paper.lip_motion.reference, paper.lip_motion.frames) == (256, 64)
    assert (paper.renderer.batch, paper.renderer.sequence) == (12, 5)
    assert paper.renderer.schedule.rate == 4e-5
    assert paper.renderer.prediction == "epsilon"
    with pytest.raises(RequestError, match="tiny"):
        find_preset("huge")


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_corpora_are_read_by_their_conventions(tmp_path: Path) -> None:
    touch(tmp_path / "grid/s1/bbaf2n.mpg")
    touch(tmp_path / "vox/dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
    touch(tmp_path / "hdtf/WDA_BarackObama_000.mp4")
    touch(tmp_path / "hdtf/RD_Radio11_001.mp4")
    found = {
        name: [(c.speaker, c.name) for c in corpora.find_clips(tmp_path / name)]
        for name in ("grid", "vox", "hdtf")
    }
    assert found == {
        "grid": [("s1", "bbaf2n")],
        "vox": [("id00012", "21Uxsk56VDQ_00001")],
        "hdtf": [("Radio11", "RD_Radio11_001"), ("BarackObama", "WDA_BarackObama_000")],
    }


def test_annotated_ranges_of_uncut_videos_are_clips(tmp_path: Path) -> None:
    touch(tmp_path / "Radio11.mp4")
    (tmp_path / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-01:00 01:30-02:30\n")
    clips = corpora.find_clips(tmp_path)
    assert [(c.speaker, c.name, c.seconds) for c in clips] == [
        ("Radio11", "Radio11_0", (Fraction(30), Fraction(60))),
        ("Radio11", "Radio11_1", (Fraction(90), Fraction(150))),
    ]
    (tmp_path / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-00:10\n")
    with pytest.raises(RequestError, match="Line 1"):
        corpora.find_clips(tmp_path)


def test_two_folders_may_not_mix_up_their_clips(tmp_path: Path) -> None:
    touch(tmp_path / "small/s4/a.mpg")
    touch(tmp_path / "large/s4/a.mpg")
    folders = [str(tmp_path / "small"), str(tmp_path / "large")]
    with pytest.raises(RequestError, match="FOLDER=NAME"):
        corpora.find_sources(folders)
    named = corpora.find_sources([folders[0], f"{folders[1]}=s4hd"])
    assert sorted(clip.speaker for clip in named) == ["s4", "s4hd"]


def test_some_frames_alone_are_those_of_all() -> None:
    torch.manual_seed(0)
    network = LipMotionNetwork(TINY_LIPS.sizes).eval()
    speech, motion = torch.randn(2, 30, 8), torch.randn(2, 12, MOUTH)
    memory = network.remember(torch.randn(2, 12, 8), motion)
    some = network(speech, memory, slice(1, None, 4))
    torch.testing.assert_close(some, network(speech, memory)[:, 1::4])


def test_a_fold_goes_on_with_the_network_that_it_kept(tmp_path: Path) -> None:
    clips = [make_clip(speaker, str(i), 30, i) for speaker in "ab" for i in range(2)]
    words = (VARIANTS["network"], clips, make_face_model(), ["b"], 1, TINY_LIPS, tmp_path)
    first = train_fold(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["b-1-audio-aware.safetensors"]
    again = train_fold(*words)
    for a, b in zip(_values(first), _values(again), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_swapped_reference_moves_the_lips_towards_its_owner() -> None:
    """One opens the mouth wide, the other hardly: each result has its reference's manner."""

    class Copying:
        def predict(self, speech: object, reference: StyleReference | None) -> NDArray[np.float32]:
            assert reference is not None
            return reference.motion

    def clip(speaker: str, name: str, size: float, seed: int) -> TrainingClip:
        made = make_clip(speaker, name, 30, seed)
        return dataclasses.replace(made, beta=made.beta * size)

    wide = [clip("a", str(i), 2.0, i) for i in range(3)]
    small = [clip("b", str(i), 0.1, i) for i in range(3)]
    basis = lip_basis(make_face_model())
    made = [Copying().predict(c.speech, reference_for(c, wide, 30)) for c in wide]
    swap = compare_swap(Copying(), made, wide, small, 30, basis)
    assert swap["nearer_owner"] == 1.0
    assert swap["apart"] > 0
    with_itself = compare_swap(Copying(), made, wide, wide, 30, basis)
    assert with_itself["apart"] == pytest.approx(0)
    assert with_itself["nearer_owner"] == with_itself["nearer_truth"] == 0.0


def test_a_shard_of_another_size_stops_with_its_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        touch(tmp_path / "a" / f"{name}.safetensors")
        save_file({"beta": np.zeros((7, 20), np.float32)}, tmp_path / "a" / f"{name}.safetensors")
    write_index(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [row["frames"] for row in index.values()] == [7, 7]
    check_index(tmp_path)
    (tmp_path / "a" / "two.safetensors").unlink()
    with pytest.raises(ModelError, match="two.safetensors has 0 bytes"):
        load_clips(tmp_path)
    check_index(tmp_path, ["b"])


def test_a_static_style_mixes_all_sounds_alike() -> None:
    """It finds a person's gain and rest, which are the same for every sound."""
    torch.manual_seed(0)
    network = LipMotionNetwork(dataclasses.replace(TINY_LIPS.sizes, reference="none")).eval()
    plain = NetworkReading(network)
    speech = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    said = plain.predict(speech, None)
    own = StyleReference(speech, 1.5 * said + 0.2)
    got = StaticMixing(plain, rest=0.0, ridge=1e-6).predict(speech, own)
    np.testing.assert_allclose(got, own.motion, atol=1e-3)
    np.testing.assert_array_equal(StaticMixing(plain, 0.0).predict(speech, None), said)
