"""A CUDA device for machines without one: torch's fake tensors, which have shapes and devices but
no values, on a pretend `cuda:0`.

Whatever mixes devices raises, and so does whatever needs a value from the device: a GPU would have
to be waited for. Copies between host and device and casts of weights are counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA = torch.device("cuda", 0)
_COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class Counts(TorchDispatchMode):
    """`uploads` and `downloads`, each a shape, and `casts` of tensors that are `weights`."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[torch.Size] = []
        self.downloads: list[torch.Size] = []
        self.casts: list[torch.Size] = []
        self.weights: set[int] = set()

    def watch(self, network: nn.Module) -> None:
        self.weights |= {id(value) for value in network.parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # what torch hands over
        made = func(*args, **(kwargs or {}))
        if func in _COPIES:
            target, source = made, args[func is torch.ops.aten.copy_.default]
            if source.device != target.device and source.dim():
                (self.uploads if target.device == CUDA else self.downloads).append(source.shape)
            elif id(source) in self.weights:
                self.casts.append(source.shape)
        return made


@contextlib.contextmanager
def pretend_gpu(capability: tuple[int, int] = (9, 0), gibibytes: int = 80) -> Iterator[Counts]:
    """Within, tensors are fake, and may lie on `CUDA`."""
    properties = SimpleNamespace(total_memory=gibibytes * 2**30)
    with contextlib.ExitStack() as stack:
        for owner, name, value in (
            (torch.cuda, "get_device_capability", lambda *_: capability),
            (torch.cuda, "get_device_properties", lambda *_: properties),
            (torch.cuda, "is_bf16_supported", lambda *_: True),
            (torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
            (torch.Tensor, "pin_memory", lambda tensor: tensor),
            (nn.Module, "_apply", _apply),
            (torch.Tensor, "contiguous", _contiguous),
            (torch.Tensor, "__getitem__", _viewed),
            (torch.Tensor, "__setitem__", lambda t, index, value: _viewed(t, index).fill_(value)),
        ):
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(Counts())


def made_fake(network: nn.Module) -> nn.Module:
    """The network with fake tensors on the host, to be called within `pretend_gpu`."""
    return network._apply(
        lambda t: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="cpu")
    )


def _apply(self: nn.Module, change: Callable[[torch.Tensor], torch.Tensor], *_: Any) -> nn.Module:
    """torch's own would swap tensors, which fake ones cannot."""
    for module in self.modules():
        for name, value in module._parameters.items():
            if value is not None:
                module._parameters[name] = nn.Parameter(change(value.detach()), False)
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = change(value)
    return self


def _contiguous(
    tensor: torch.Tensor, memory_format: torch.memory_format = torch.contiguous_format
) -> torch.Tensor:
    if tensor.is_contiguous(memory_format=memory_format):
        return tensor
    return tensor.clone(memory_format=memory_format)


_plain_getitem = torch.Tensor.__getitem__


def _viewed(tensor: torch.Tensor, index: Any) -> torch.Tensor:
    """`tensor[index]` without the device guard that torch's own asks a CPU build for in vain."""
    if tensor.device != CUDA:
        return _plain_getitem(tensor, index)
    index, dim = index if isinstance(index, tuple) else (index,), 0
    for item in index:
        if item is Ellipsis:
            dim += tensor.dim() - sum(i is not None and i is not Ellipsis for i in index)
        elif item is None:
            tensor, dim = tensor.unsqueeze(dim), dim + 1
        elif isinstance(item, slice):
            first, last, _ = item.indices(tensor.shape[dim])
            tensor, dim = tensor.narrow(dim, first, max(last - first, 0)), dim + 1
        elif isinstance(item, torch.Tensor):
            tensor, dim = tensor.index_select(dim, item), dim + 1
        else:
            tensor = tensor.select(dim, item)
    return tensor
