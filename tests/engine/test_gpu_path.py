"""What a GPU needs of the engine, as far as a CPU can show it: no network is computed wider, cast
more often or waited for more than it has to be, and a lack of memory makes parts smaller."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from stylesync_engine.failures import is_out_of_memory
from stylesync_engine.models.autoencoder import AutoencoderSizes, StarterAutoencoder
from stylesync_engine.models.diffusion import Sampling, sample
from stylesync_engine.models.layers import ModulatedConv2d, prepared
from stylesync_engine.models.renderer import PAPER_SIZES, RendererSizes
from stylesync_engine.rendering.aligned_reference import TOGETHER
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks, batch_of
from stylesync_engine.weights.loading import compute_dtype

GPU = torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), torch.float16), ((7, 0), torch.float16), ((7, 5), torch.float16),
     ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)  # fmt: skip
def test_bf16_is_for_those_that_compute_it(monkeypatch, capability, dtype):
    asked = {GPU: capability, None: (8, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", asked.__getitem__)
    assert compute_dtype(GPU) == dtype


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 17.4 GB, other allocations: 1.1 GB)",
    ],
)
def test_a_lack_of_memory_is_known(said):
    assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))


def test_the_batch_follows_model_and_memory(monkeypatch):
    for gibibytes, sizes, batch in (
        (80, PAPER_SIZES, 16), (8, PAPER_SIZES, 8), (4, RendererSizes(), 16)
    ):  # fmt: skip
        found = SimpleNamespace(total_memory=gibibytes * 2**30)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, found=found: found)
        assert batch_of(sizes, GPU) == batch
    assert batch_of(PAPER_SIZES, torch.device("cpu")) == TOGETHER


def test_parts_get_smaller_until_they_fit():
    tried: list[int] = []

    def changes(frames):
        count = len(frames.crops)
        tried.append(count)
        assert len(frames.motion) == len(frames.lip_maps) == len(frames.lacking) == count
        if count > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        lower = torch.from_numpy(frames.motion)[:, None, None, None].expand(-1, 3, 2, 2)
        return lower, lower[frames.lacking]

    networks = object.__new__(LatentNetworks)
    networks.sizes = RendererSizes()
    networks._models = SimpleNamespace(device=torch.device("mps"))  # type: ignore
    networks.changes = changes  # type: ignore
    lacking = np.arange(16) % 5 == 0
    frames = Frames(np.zeros((16, 1)), np.arange(16.0), np.zeros(16), lacking)  # type: ignore
    made, repaired = networks(frames)
    np.testing.assert_array_equal(made[:, 0, 0, 0], np.arange(16))
    np.testing.assert_array_equal(repaired[:, 0, 0, 0], [0, 5, 10, 15])
    assert tried == [16, 8, 4] + [2] * 8

    def fail(_):
        raise RuntimeError("broken")

    networks.changes = fail  # type: ignore
    with pytest.raises(RuntimeError, match="broken"):
        networks(frames)


def test_some_rows_of_a_latent_are_those_of_the_whole():
    torch.manual_seed(0)
    network = StarterAutoencoder(AutoencoderSizes(encoder_width=8, decoder_width=8)).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.1)
    pictures = torch.rand(2, 3, 256, 64) * 2 - 1
    with torch.no_grad():
        whole = network.encode(pictures)
        for rows in (range(24, 32), range(24, 64), range(2), range(64)):
            some = network.encode(pictures, rows)
            torch.testing.assert_close(some, whole[:, :, rows.start : rows.stop])


class Watched(torch.overrides.TorchFunctionMode):
    """Counts large tensors that are cast."""

    def __init__(self) -> None:
        self.casts = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if function is torch.Tensor.to and isinstance(args[0], nn.Parameter):
            self.casts += found.dtype != args[0].dtype
        return found


def test_weights_are_cast_once_and_give_the_same():
    torch.manual_seed(0)
    network = nn.ModuleList([ModulatedConv2d(8, 8, 4), nn.Conv2d(8, 4, 1)])
    ready = prepared(network, torch.bfloat16)
    x, code = torch.randn(2, 8, 6, 6), torch.randn(2, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = network[1](network[0](x.bfloat16(), code))
        with Watched() as watched:
            after = ready[1](ready[0](x.bfloat16(), code))
    assert not watched.casts
    torch.testing.assert_close(after, before, atol=0, rtol=0)
    assert network[0].weight.dtype == torch.float32


def test_demodulation_keeps_its_precision_under_autocast():
    layer = ModulatedConv2d(16, 16, 4)
    with torch.no_grad():
        x, code = torch.randn(1, 16, 8, 8), torch.randn(1, 4)
        exact = layer(x, code)
        with torch.autocast("cpu", torch.float16):
            half = layer(x.half(), code)
    gain = (half.float() * exact).sum() / exact.square().sum()
    assert abs(float(gain) - 1) < 1e-3


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp"])
def test_sampling_does_not_wait_for_the_device(monkeypatch, sampler):
    """Neither the schedule's values nor its steps are read back from where latents are."""
    noise, read = torch.randn(2, 4, 3, 3, device="cpu"), []
    item = torch.Tensor.item

    def spy(tensor):
        read.append(tensor.numel() > 1 or tensor.device != torch.device("cpu"))
        return item(tensor)

    monkeypatch.setattr(torch.Tensor, "item", spy)
    seen: list[torch.Tensor] = []

    def predict(noisy, steps):
        seen.append(steps)
        return noisy * 0.5

    sample(predict, noise, Sampling(sampler, 4), "sample")
    assert len(seen) == 4
    assert all(steps.shape == (2,) and not steps._is_view() for steps in seen)
    assert not any(read)
