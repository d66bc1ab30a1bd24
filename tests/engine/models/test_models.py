"""Networks and samplers against independent oracles: the paper's equations written out plainly."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import IDENTITIES, make_parts
from torch import Tensor
from torch.nn import functional as F

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models import diffusion
from stylesync_engine.models.autoencoder import (
    AutoencoderSizes,
    StarterAutoencoder,
    to_crops,
    to_pictures,
)
from stylesync_engine.models.diffusion import (
    PAPER_SAMPLING,
    Prediction,
    Sampling,
    add_noise,
    sample,
    shared_noise,
)
from stylesync_engine.models.frame_codec import QuickSizes
from stylesync_engine.models.layers import (
    ChannelNorm,
    ModulatedConv2d,
    SpatialCrossAttention,
    timestep_embedding,
)
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes, ReferenceUse
from stylesync_engine.models.renderer import (
    PAPER_SIZES,
    Conditions,
    Renderer,
    RendererSizes,
    motion_rows,
)

SPEECH, FRAMES, REFERENCE = 24, 9, 14


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def close(one: Tensor, other: Tensor, within: float = 1e-5) -> bool:
    return bool(torch.allclose(one, other, atol=within, rtol=1e-4))


# Layers


@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_convolution_is_equation_7(kernel: int) -> None:
    layer = ModulatedConv2d(5, 7, 11, kernel)
    torch.nn.init.normal_(layer.style.weight)
    torch.nn.init.normal_(layer.bias)
    x, code = torch.randn(3, 5, 8, 6), torch.randn(3, 11)
    expected = []
    for picture, style in zip(x, layer.style(code), strict=True):
        weight = layer.weight * style[None, :, None, None]
        weight = weight / torch.sqrt((weight**2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        expected.append(F.conv2d(picture[None], weight, layer.bias, padding=kernel // 2)[0])
    assert close(layer(x, code), torch.stack(expected))


def test_an_untrained_style_is_none() -> None:
    layer = ModulatedConv2d(4, 4, 6)
    x = torch.randn(2, 4, 5, 5)
    weight = layer.weight / layer.weight.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
    assert close(layer(x, torch.zeros(2, 6)), F.conv2d(x, weight, padding=1))


def test_demodulation_takes_the_style_s_size_away() -> None:
    layer = ModulatedConv2d(4, 3, 6)
    torch.nn.init.zeros_(layer.style.weight)
    x = torch.randn(1, 4, 5, 5)
    before = layer(x, torch.zeros(1, 6))
    torch.nn.init.constant_(layer.style.bias, 37.0)
    assert close(layer(x, torch.zeros(1, 6)), before)


def test_channel_norm_normalises_each_place() -> None:
    x = torch.randn(2, 6, 3, 4) * 5 + 2
    mean, var = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, correction=0)
    assert close(ChannelNorm(6)(x), (x - mean) / torch.sqrt(var + 1e-5))


def test_cross_attention_is_softmax_of_queries_and_keys() -> None:
    layer = SpatialCrossAttention(8, 5, heads=2)
    torch.nn.init.normal_(layer.out.weight)
    x, reference = torch.randn(2, 8, 3, 4), torch.randn(2, 5, 2, 3)
    query = layer.query(layer.norm(x)).flatten(2)  # [B, C, H W]
    key, value = layer.key_value(reference).flatten(2).chunk(2, dim=1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = query[:, part].transpose(1, 2) @ key[:, part] / math.sqrt(4)
        heads.append(scores.softmax(dim=-1) @ value[:, part].transpose(1, 2))
    mixed = torch.cat(heads, dim=2).transpose(1, 2).unflatten(2, (3, 4))
    assert close(layer(x, *layer.keys_values(reference)), layer.out(mixed))


def test_steps_are_embedded_as_sinusoids() -> None:
    embedding = timestep_embedding(torch.tensor([0, 7, 999]), 8).numpy()
    for row, step in zip(embedding, (0, 7, 999), strict=True):
        for i in range(4):
            angle = step * 10000.0 ** (-i / 4)
            assert row[i] == pytest.approx(math.cos(angle), abs=1e-4)
            assert row[4 + i] == pytest.approx(math.sin(angle), abs=1e-4)


# Stage 1


def make_lips(reference: ReferenceUse = "audio-aware", layers: int = 2) -> LipMotionNetwork:
    sizes = LipMotionSizes(SPEECH, 16, 4, 32, 1, layers, window=2, reference=reference)
    return LipMotionNetwork(sizes).eval()


def speech_and_reference(batch: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.randn(batch, FRAMES, SPEECH),
        torch.randn(batch, REFERENCE, SPEECH),
        torch.randn(batch, REFERENCE, MOUTH),
    )


@torch.no_grad()
def test_a_clip_at_once_is_what_frame_by_frame_gives() -> None:
    network = make_lips()
    speech, known, motion = speech_and_reference()
    memory = network.remember(known, motion)
    assert memory is not None
    tokens = network.speech_tokens((speech - speech.mean(dim=1, keepdim=True)) / network.speech_std)
    out = network(speech, memory)
    offsets = torch.arange(-2, 3)
    angles = torch.arange(5.0)[:, None] * 10000.0 ** (-torch.arange(8.0) / 8)
    positions = torch.cat([angles.cos(), angles.sin()], dim=1)
    for t in range(FRAMES):
        x = tokens[:, (t + offsets).clamp(0, FRAMES - 1)] + positions
        for block in network.decoder:
            x = block.norms[0](x + block.self_attention(x, x, x)[0])
            x = block.norms[1](x + block.cross_attention(x, memory.keys, memory.values)[0])
            x = block.norms[2](x + block.feed_forward(x))
        assert close(network.head(x[:, 2]), out[:, t])


@torch.no_grad()
def test_attention_is_equation_2_and_its_rows_sum_to_one() -> None:
    network = make_lips(layers=1)
    speech, known, motion = speech_and_reference(batch=2)
    memory = network.remember(known, motion)
    assert memory is not None
    rows = network.attention(speech, memory)
    assert rows.shape == (2, FRAMES, REFERENCE)
    assert (rows >= 0).all()
    assert close(rows.sum(dim=2), torch.ones(2, FRAMES))
    block: Any = network.decoder[0]
    queries: list[Tensor] = []
    hook = block.cross_attention.register_forward_pre_hook(lambda _, args: queries.append(args[0]))
    network(speech, memory)
    hook.remove()
    middle = queries[0].unflatten(1, (FRAMES, 5))[:, :, 2]  # [B, T, d]
    weight, bias = block.cross_attention.in_proj_weight, block.cross_attention.in_proj_bias
    q = F.linear(middle, weight[:16], bias[:16]).unflatten(2, (4, 4))
    k = F.linear(memory.keys, weight[16:32], bias[16:32]).unflatten(2, (4, 4))
    scores = torch.einsum("bthc,bnhc->bhtn", q, k) / 2.0
    assert close(scores.softmax(dim=-1).mean(dim=1), rows)


@torch.no_grad()
def test_padding_of_a_short_reference_changes_nothing() -> None:
    for use in ("audio-aware", "lips-only", "static"):
        network = make_lips(use)
        speech, known, motion = speech_and_reference()
        padding = torch.arange(REFERENCE)[None] >= 10
        padded = network.remember(known, motion, padding)
        spoilt = motion.masked_fill(padding[..., None], 50.0)
        again = network.remember(known, spoilt, padding)
        assert close(network(speech, padded), network(speech, again))
        if use != "audio-aware":  # its speech is normalised and convolved over the whole clip
            short = network.remember(known[:, :10], motion[:, :10])
            assert close(network(speech, padded), network(speech, short))


@torch.no_grad()
@pytest.mark.parametrize(
    ("use", "hears", "sees"),
    [
        ("audio-aware", True, True),
        ("lips-only", False, True),
        ("static", False, True),
        ("none", False, False),
    ],
)
def test_what_each_variant_reads_of_the_reference(
    use: ReferenceUse, hears: bool, sees: bool
) -> None:
    network = make_lips(use)
    speech, known, motion = speech_and_reference()
    out = network(speech, network.remember(known, motion))
    other_sound = network(speech, network.remember(torch.randn_like(known), motion))
    other_lips = network(speech, network.remember(known, torch.randn_like(motion)))
    assert close(out, other_sound, 1e-7) is not hears
    assert close(out, other_lips, 1e-7) is not sees
    assert out.shape == (1, FRAMES, MOUTH)


@torch.no_grad()
def test_a_batch_of_clips_is_each_clip_by_itself() -> None:
    network = make_lips()
    speech, known, motion = speech_and_reference(batch=3)
    together = network(speech, network.remember(known, motion))
    for i in range(3):
        one = slice(i, i + 1)
        alone = network(speech[one], network.remember(known[one], motion[one]))
        assert close(together[one], alone)


@torch.no_grad()
def test_the_microphone_does_not_matter() -> None:
    """A constant over the clip, as of a voice or a room, leaves the lips alone."""
    network = make_lips("none")
    speech = torch.randn(1, FRAMES, SPEECH)
    assert close(network(speech), network(speech + torch.randn(SPEECH)), 1e-4)


# Stage 2


def make_renderer(paper: bool = False, **changes: Any) -> Renderer:
    base = PAPER_SIZES if paper else RendererSizes()
    small: dict[str, Any] = {"widths": (8, 16), "attention": (1,), "blocks": 1, "heads": 2}
    sizes = dataclasses.replace(base, **{**small, "code": 16, "identity": IDENTITIES, **changes})
    network = Renderer(sizes).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def make_conditions(network: Renderer, batch: int = 2) -> Conditions:
    sizes = network.sizes
    height = sizes.rows + sizes.context
    return Conditions(
        motion=torch.randn(batch, sizes.motion_window, sizes.motion),
        context=torch.randn(batch, sizes.latent_channels, sizes.context, 64),
        reference=network.reference(torch.randn(1, sizes.latent_channels, 64, 64)),
        aligned=torch.randn(batch, sizes.latent_channels, height, 64) if sizes.aligned else None,
        lip_map=torch.rand(batch, 3, height, 64) if sizes.lip_map else None,
    )


def noisy_rows(network: Renderer, batch: int = 2) -> Tensor:
    return torch.randn(batch, network.sizes.latent_channels, network.sizes.rows, 64)


@torch.no_grad()
@pytest.mark.parametrize("paper", [False, True])
def test_a_batch_of_frames_is_each_frame_by_itself(paper: bool) -> None:
    network = make_renderer(paper)
    noisy, conditions = noisy_rows(network), make_conditions(network)
    steps = torch.tensor([10, 700])
    together = network(noisy, steps, conditions)
    assert together.shape == noisy.shape
    for i in range(2):
        one = slice(i, i + 1)
        alone = dataclasses.replace(
            conditions,
            motion=conditions.motion[one],
            context=conditions.context[one],
            aligned=None if conditions.aligned is None else conditions.aligned[one],
            lip_map=None if conditions.lip_map is None else conditions.lip_map[one],
        )
        assert close(together[one], network(noisy[one], steps[one], alone), 1e-4)


@torch.no_grad()
def test_a_reference_read_once_equals_one_read_for_every_frame() -> None:
    network = make_renderer()
    noisy, conditions = noisy_rows(network), make_conditions(network)
    latents = torch.randn(1, 4, 64, 64)
    once = dataclasses.replace(conditions, reference=network.reference(latents))
    repeated = network.reference(latents.expand(2, -1, -1, -1))
    each = dataclasses.replace(conditions, reference=repeated)
    steps = torch.tensor([500, 500])
    assert close(network(noisy, steps, once), network(noisy, steps, each))


@torch.no_grad()
@pytest.mark.parametrize("name", ["motion", "context", "aligned", "lip_map", "reference"])
def test_every_condition_is_heard(name: str) -> None:
    network = make_renderer()
    noisy, conditions = noisy_rows(network), make_conditions(network)
    steps = torch.tensor([500, 500])
    changed: Any = (
        network.reference(torch.randn(1, 4, 64, 64))
        if name == "reference"
        else torch.randn_like(getattr(conditions, name))
    )
    out = network(noisy, steps, conditions)
    other = network(noisy, steps, dataclasses.replace(conditions, **{name: changed}))
    assert (out - other).abs().max() > 1e-4


@torch.no_grad()
def test_an_untrained_starter_shows_the_aligned_reference() -> None:
    network = Renderer(make_renderer().sizes)
    conditions = make_conditions(network)
    out = network(noisy_rows(network), torch.tensor([1, 900]), conditions)
    assert conditions.aligned is not None
    assert torch.equal(out, conditions.aligned[:, :, network.sizes.context :])


def test_the_paper_diffuses_exactly_the_lower_half_without_our_additions() -> None:
    assert PAPER_SIZES.rows == 32
    assert PAPER_SIZES.context == 32
    assert not PAPER_SIZES.aligned
    assert not PAPER_SIZES.lip_map
    assert PAPER_SIZES.motion == 13 + 80 + 3


@torch.no_grad()
def test_one_frame_at_any_size_of_the_paper_s_levels() -> None:
    network = make_renderer(True, widths=(8, 8, 16, 16), attention=(1, 2, 3))
    out = network(noisy_rows(network, 1), torch.tensor([999]), make_conditions(network, 1))
    assert out.isfinite().all()
    assert len(network.reference(torch.randn(1, 3, 64, 64))) == 3 + 2 + 6  # down, middle, up


def test_motion_rows_are_a_window_around_each_frame() -> None:
    sizes = RendererSizes(motion_window=3, identity=2)
    motion = np.arange(4 * MOUTH, dtype=np.float32).reshape(4, MOUTH)
    motion[2, 0] = np.nan
    angles = np.full((4, 3), 0.5, np.float32)
    rows = motion_rows(motion, np.array([7, 8, 9], np.float32), angles, sizes)
    assert rows.shape == (4, 3, MOUTH + 2 + 3)
    for t in range(4):
        for i in range(3):
            source = min(max(t + i - 1, 0), 3)
            expected = [*np.nan_to_num(motion[source]), 7, 8, 0.5, 0.5, 0.5]
            np.testing.assert_array_equal(rows[t, i], expected)


# Autoencoder


@torch.no_grad()
def test_the_starter_s_latents_have_unit_variance_and_a_quarter_of_the_size() -> None:
    network = StarterAutoencoder(AutoencoderSizes(4, 4, 8, 1, 8, 1))
    pictures = torch.randn(8, 3, 32, 64)
    network.train()
    for _ in range(400):
        network.encode(pictures)
    latents = network.eval().encode(pictures)
    assert latents.shape == (8, 4, 8, 16)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 0.02
    assert (latents.var(dim=(0, 2, 3)) - 1).abs().max() < 0.02
    assert network.decode(latents).shape == pictures.shape


@torch.no_grad()
def test_a_latent_px_reaches_a_bounded_neighbourhood() -> None:
    """So that a band of rows may be decoded instead of the whole crop."""
    network = make_parts()["autoencoder"].eval()
    latents = torch.randn(1, 4, 32, 16)
    changed = latents.clone()
    changed[:, :, :8] = 0
    difference = (network.decode(latents) - network.decode(changed)).abs().amax(dim=(0, 1, 3))
    reach = 4  # convolutions of 3 in the tiny decoder: enter, two of a block, leave
    assert difference[: 4 * 8].max() > 0
    assert difference[4 * (8 + reach) :].max() == 0


def test_crops_and_pictures_are_each_other_s_inverse() -> None:
    crops = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    pictures = to_pictures(crops)
    assert pictures.shape == (1, 3, 16, 16)
    assert (pictures.min(), pictures.max()) == (-1, 1)
    assert torch.equal((to_crops(pictures) * 255).round().byte(), crops)


@pytest.mark.parametrize("quick", [None, QuickSizes(8, 1, 8, 1)])
def test_a_codec_says_what_the_renderer_needs(quick: QuickSizes | None) -> None:
    """Both codecs take rows from where they are told, and see nothing of what is masked."""
    sizes = AutoencoderSizes(encoder_width=8, decoder_width=8, quick=quick)
    network = StarterAutoencoder(sizes).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    pictures = torch.rand(2, 3, 256, 256) * 2 - 1
    other = pictures.clone()
    other[:, :, 128:] = 0.5
    with torch.no_grad():
        known, changed = (network.codec.encode(p, 24) for p in (pictures, other))
        masked, again = (network.codec.encode_context(p, 24, 8) for p in (pictures, other))
        change = network.codec.decode_change(known, changed, 8)
    assert masked.shape == (2, 4, 8, 64)
    assert known.shape == (2, 4, 40, 64)
    assert torch.equal(masked, again)
    assert not torch.equal(known, changed)
    assert change.shape == (2, 3, 128, 256)
    if quick is None:
        torch.testing.assert_close(
            change, (network.decode(changed) - network.decode(known))[:, :, 32:]
        )


# Diffusion

STEPS = np.arange(1000)
BETAS = (np.sqrt(0.0015) + STEPS / 999 * (np.sqrt(0.0195) - np.sqrt(0.0015))) ** 2
SIGNAL = np.cumprod(1 - BETAS)  # abar of Eq. 6


def test_noise_is_added_by_equation_6() -> None:
    clean, noise = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    steps = torch.tensor([0, 400, 999])
    for i, noisy in enumerate(add_noise(clean, noise, steps)):
        a = float(SIGNAL[steps[i]])
        assert close(noisy, math.sqrt(a) * clean[i] + math.sqrt(1 - a) * noise[i])


def test_ddim_is_its_closed_form() -> None:
    """Song et al. 2021, Eq. 12 with eta 0, steps at 1, 6, ... as latent-diffusion counts them."""
    steps = np.arange(0, 1000, 5)[::-1] + 1
    weight = torch.tensor([[0.3, -0.2], [0.1, 0.5]])

    def noise_of(x: Tensor, step: Tensor) -> Tensor:
        return torch.tanh(x @ weight) + step[:, None] / 2000

    noise = torch.randn(2, 2)
    x = noise.double()
    for i, step in enumerate(steps):
        a = float(SIGNAL[step])
        before = float(SIGNAL[steps[i + 1]]) if i + 1 < len(steps) else float(SIGNAL[0])
        epsilon = noise_of(x.float(), torch.full((2,), int(step))).double()
        clean = (x - math.sqrt(1 - a) * epsilon) / math.sqrt(a)
        x = math.sqrt(before) * clean + math.sqrt(1 - before) * epsilon
    assert (PAPER_SAMPLING.sampler, PAPER_SAMPLING.steps) == ("ddim", 200)
    assert close(sample(noise_of, noise, PAPER_SAMPLING, "epsilon"), x.float(), 1e-3)


def gaussian_denoiser(spread: float, prediction: Prediction) -> Callable[[Tensor, Tensor], Tensor]:
    """The perfect network for clean values drawn from N(0, spread^2)."""
    signal = torch.from_numpy(SIGNAL).float()

    def predict(x: Tensor, steps: Tensor) -> Tensor:
        a = signal[steps][:, None]
        clean = a.sqrt() * spread**2 / (a * spread**2 + 1 - a) * x
        return clean if prediction == "sample" else (x - a.sqrt() * clean) / (1 - a).sqrt()

    return predict


def share_of_flow(sampling: Sampling, prediction: Prediction, spread: float) -> float:
    """How far a sampler gets on the probability flow of Gaussian data, whose closed form lets each
    value keep its quantile: 1 is exact."""
    noise = torch.linspace(-2, 2, 8)[:, None]
    last = float(SIGNAL[-1])
    exact = spread * noise / math.sqrt(last * spread**2 + 1 - last)
    shares = sample(gaussian_denoiser(spread, prediction), noise, sampling, prediction) / exact
    assert shares.max() - shares.min() < 1e-4  # the flow is linear
    return float(shares.mean())


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
@pytest.mark.parametrize(
    ("sampling", "within"),
    [
        (Sampling("ddim", 200), 0.02),
        (Sampling("dpmpp", 20), 0.05),
        (Sampling("dpmpp", 200), 0.01),
    ],
)
def test_samplers_follow_the_exact_flow_of_a_gaussian(
    prediction: Prediction, sampling: Sampling, within: float
) -> None:
    assert share_of_flow(sampling, prediction, 1.0) == pytest.approx(1, abs=within)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp"])
def test_samplers_converge_with_their_steps(sampler: Any) -> None:
    errors = [abs(1 - share_of_flow(Sampling(sampler, n), "sample", 0.5)) for n in (5, 20, 80, 320)]
    assert all(fine < 0.5 * coarse for coarse, fine in itertools.pairwise(errors))
    assert errors[-1] < 0.01


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp"])
@pytest.mark.parametrize("steps", [1, 3, 700, 1000])
def test_any_number_of_steps_starts_near_pure_noise(sampler: Any, steps: int) -> None:
    seen: list[int] = []

    def predict(x: Tensor, at: Tensor) -> Tensor:
        seen.append(int(at[0]))
        return torch.zeros_like(x)

    out = sample(predict, torch.randn(1, 2), Sampling(sampler, steps), "sample")
    assert len(seen) == min(steps, 500)
    assert out.abs().max() < 0.1
    assert len(set(seen)) == len(seen)
    if steps > 1:
        assert seen[0] > 600


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp"])
@pytest.mark.parametrize("strength", [1.0, 0.5, 0.1])
def test_strength_starts_from_the_noised_reference(sampler: Any, strength: float) -> None:
    seen: list[int] = []
    start, noise = torch.full((3, 2), 0.7), torch.randn(1, 2)
    first: list[Tensor] = []

    def predict(x: Tensor, steps: Tensor) -> Tensor:
        seen.append(int(steps[0]))
        first.append(x)
        return start

    out = sample(predict, noise, Sampling(sampler, 8, strength), "sample", start)
    assert len(seen) == 8
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == pytest.approx(1000 * strength, abs=1000 / 8)
    assert seen[0] <= 1000 * strength
    if strength < 1:
        a = float(SIGNAL[seen[0]])
        assert close(first[0], math.sqrt(a) * start + math.sqrt(1 - a) * noise, 1e-4)
    assert close(out, start, 0.05)


@pytest.mark.parametrize("strength", [1.0, 0.9, 0.5, 0.3, 0.1, 0.01])
def test_a_single_step_is_the_library_s_without_the_library(
    monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    """Where it starts from, and that it ends at what was predicted, to the last bit."""
    one = Sampling("dpmpp", 1, strength)
    noise, start = torch.randn(1, 3, 4).expand(2, 3, 4), torch.randn(2, 3, 4)
    seen: list[tuple[Tensor, Tensor]] = []

    def predict(noisy: Tensor, steps: Tensor) -> Tensor:
        seen.append((noisy, steps))
        return torch.tanh(noisy)

    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "is_single", lambda *_: False)
        whole = sample(predict, noise, one, "sample", start)
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "load_schedulers", None)
        quick = sample(predict, noise, one, "sample", start)
    assert torch.equal(whole, quick)
    (before, steps), (after, same) = seen
    assert torch.equal(before, after)
    assert torch.equal(steps, same)


def test_many_steps_of_a_weak_start_stay_within_the_schedule() -> None:
    start = torch.full((1, 2), 0.7)
    out = sample(lambda x, t: start, torch.randn(1, 2), Sampling("ddim", 200, 0.1), "sample", start)
    assert close(out, start, 0.05)


def test_the_initial_noise_is_one_for_all_frames_and_given_by_the_seed() -> None:
    noise = shared_noise((4, 8, 8), 5)
    assert noise.shape == (1, 4, 8, 8)
    assert torch.equal(noise, shared_noise((4, 8, 8), 5))
    assert not torch.equal(noise, shared_noise((4, 8, 8), 6))
    assert noise.std() == pytest.approx(1, abs=0.15)
