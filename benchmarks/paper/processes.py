"""Several processes that train together, as `torchrun` starts them; alone, all of this is nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakSet

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tammes.base.errors import DeviceError

__all__ = ["Crew", "crew"]


@dataclass(frozen=True)
class Crew:
    """The processes, seen from one of them."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _wrapped: WeakSet[DistributedDataParallel] = field(default_factory=WeakSet, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` things in a row are this process's."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def agreed(self, number: int) -> int:
        """What the first process says."""
        told = torch.tensor([number], device=self.device)
        if self.size > 1:
            distributed.broadcast(told, 0)
        return int(told)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model as its gradients are averaged; on CUDA batch norms see the batches of all processes.

        There a run does what one process does with the whole batch. Gloo has no batch norm of several processes:
        on the CPU each one normalises by its own share.
        """
        if self.size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        wrapped = DistributedDataParallel(model, device_ids=devices)
        self._wrapped.add(wrapped)
        return wrapped

    def part(self) -> None:
        """Take from the wrapped models what they hold of the crew; their weights stay.

        A wrapper that outlives the crew, in the frames of an error for one, would else be the last to hold its
        threads, and would await their end without letting go of the interpreter, for which one of them may be waiting.
        """
        for model in self._wrapped:
            model.reducer = model.logger = model.process_group = None

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The model with batch norms that see the batches of all processes, where there are such."""
        if self.size > 1 and self.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model


@contextlib.contextmanager
def crew(device: str) -> Iterator[Crew]:
    """This process within those of `torchrun`, or alone.

    Raises:
        DeviceError: if the device is not there.
    """
    if device not in {"cpu", "cuda"}:
        raise DeviceError(f"`device` must be one of: cpu, cuda. Got {device!r}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("`device` must be cpu: there is no CUDA here. Got 'cuda'.")
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise DeviceError(f"`nproc-per-node` must be at most {torch.cuda.device_count()}, one a GPU.")
        torch.cuda.set_device(local)
        torch.backends.cudnn.benchmark = True  # batches have one size: the fastest convolution is looked for once
    place = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    if size == 1:
        yield Crew(device=place)
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    ours = Crew(rank, size, place)
    try:
        yield ours
    finally:
        ours.part()
        distributed.destroy_process_group()


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
