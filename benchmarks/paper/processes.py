"""Data-parallel training in the processes that `torchrun` starts; in a single process every operation is a no-op."""

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

__all__ = ["ProcessGroup", "open_process_group"]

_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))  # set by torchrun, with values without it


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, with the rank and the device of this one."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _wrapped: WeakSet[DistributedDataParallel] = field(default_factory=WeakSet, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """True in the process of rank 0, which writes files and progress."""
        return self.rank == 0

    def slice_of(self, count: int) -> slice:
        """Return the contiguous slice of `count` items that belongs to this process."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes; the tensor is overwritten."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def broadcast(self, number: int) -> int:
        """Return the number that the process of rank 0 passed."""
        value = torch.tensor([number], device=self.device)
        if self.size > 1:
            distributed.broadcast(value, 0)
        return int(value)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model in DistributedDataParallel, which averages gradients; the model itself in a single process.

        With `synchronise_batch_norms`, on CUDA, a run does what one process does with the whole batch. Gloo has no
        synchronised batch norm: on the CPU each process normalises by its own part of the batch.
        """
        if self.size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        wrapped = DistributedDataParallel(model, device_ids=devices)
        self._wrapped.add(wrapped)
        return wrapped

    def release_models(self) -> None:
        """Remove the references of the wrapped models to the process group; their weights stay.

        A wrapped model may outlive the group, for example in the traceback of an error. It would then hold the last
        reference to the group's threads, and joining them with the interpreter lock held can deadlock.
        """
        for model in self._wrapped:
            model.reducer = model.logger = model.process_group = None

    def synchronise_batch_norms(self, model: nn.Module) -> nn.Module:
        """Return the model with batch norms over the batches of all processes, where the backend has them."""
        if self.size > 1 and self.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model


@contextlib.contextmanager
def open_process_group(device: str) -> Iterator[ProcessGroup]:
    """Open the process group of `torchrun`, or a group of this process alone.

    Raises:
        DeviceError: if the device is not available.
    """
    if device not in {"cpu", "cuda"}:
        raise DeviceError(f"`device` must be one of: cpu, cuda. Got {device!r}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("`device` must be cpu: CUDA is not available. Got 'cuda'.")
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise DeviceError(f"`nproc-per-node` must be at most {torch.cuda.device_count()}, one a GPU.")
        torch.cuda.set_device(local)
        torch.backends.cudnn.benchmark = True  # batches have one size: the fastest convolution is chosen once
    place = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    if size == 1:
        yield ProcessGroup(device=place)
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    processes = ProcessGroup(rank, size, place)
    try:
        yield processes
    finally:
        processes.release_models()
        distributed.destroy_process_group()
