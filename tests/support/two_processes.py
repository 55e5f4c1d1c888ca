"""What two processes that train together compute: run by `test_wrappers`, which compares it with one process.

Each scenario sets up the same model, gives each process its half of the batch, and returns what it finds by
name: gradients, or weights after a step. Gloo on the CPU; they meet through a file.
"""

import time

import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel

from tammes.nn import Regularizer

COEF = 0.5
LR = 0.1
STEPS = 4


def network():
    """Three linear layers in float64, the first of them apart, so that it can be sharded apart; one has an odd size."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(4, 7), nn.Tanh())
    return nn.Sequential(first, nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 6)).double()


def batch():
    random = torch.Generator().manual_seed(1)
    return torch.randn(8, 4, generator=random).double(), torch.randn(8, 6, generator=random).double()


def half(rank):
    return tuple(part[rank * 4 : rank * 4 + 4] for part in batch())


def plain(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def settle(model):
    """Bring back the shards, which are what the optimiser holds."""
    for module in model.modules():
        if hasattr(module, "reshard"):
            module.reshard()


def gradients(model):
    settle(model)
    return {name.removeprefix("module."): plain(p.grad).clone() for name, p in model.named_parameters()}


def weights(model):
    settle(model)
    return {name.removeprefix("module."): plain(p.detach()).clone() for name, p in model.named_parameters()}


def ddp(model, rank):
    return DistributedDataParallel(model)


def fsdp(model, rank):
    return fully_shard(model)


def fsdp_nested(model, rank):
    fully_shard(model[0])
    return fully_shard(model, reshard_after_forward=True)


def fsdp_kept(model, rank):
    fully_shard(model[0], reshard_after_forward=False)
    return fully_shard(model, reshard_after_forward=False)


WRAPPERS = {"ddp": ddp, "fsdp": fsdp, "fsdp_nested": fsdp_nested, "fsdp_kept": fsdp_kept}


def term_after(model, reg, rank):
    x, y = half(rank)
    (mse_loss(model(x), y) + reg()).backward()
    return gradients(model)


def term_before(model, reg, rank):
    x, y = half(rank)
    term = reg()
    (mse_loss(model(x), y) + term).backward()
    return gradients(model)


def accumulated(model, reg, rank):
    x, y = half(rank)
    mse_loss(model(x), y).backward()
    reg.accumulate_()
    return gradients(model)


def accumulated_after_a_look(model, reg, rank):
    """A forward pass between backward and the term leaves an FSDP2 root unsharded."""
    x, y = half(rank)
    mse_loss(model(x), y).backward()
    model(x)
    reg.accumulate_()
    return gradients(model)


def attached(model, reg, rank):
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    reg.attach(optimizer)
    x, y = half(rank)
    for _ in range(STEPS):
        optimizer.zero_grad()
        mse_loss(model(x), y).backward()
        optimizer.step()
    return weights(model)


def decoupled(model, reg, rank):
    """Again with a forward pass in between."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, y = half(rank)
    for _ in range(STEPS):
        optimizer.zero_grad()
        mse_loss(model(x), y).backward()
        optimizer.step()
        model(x)
        reg.step_(LR)
    return weights(model)


def reported(model, reg, rank):
    return {line.layer: torch.tensor(line.min_angle_degrees, dtype=torch.float64) for line in reg.report().lines}


SCENARIOS = {
    one.__name__: one
    for one in (term_after, term_before, accumulated, accumulated_after_a_look, attached, decoupled, reported)
}
LOSSES = {"mma": {}, "refreshed": {"refresh_every": 3}, "sampled": {"sample": 0.6, "seed": 3}}


def run(rank, meeting, out):
    """All scenarios under all wrappers; the first process writes down what it has."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    found = {}
    for wrapper, wrap in WRAPPERS.items():
        for scenario, compute in SCENARIOS.items():
            for loss, options in LOSSES.items():
                model = wrap(network(), rank)
                reg = Regularizer(model, coef=COEF, **options)
                try:
                    found[wrapper, scenario, loss] = compute(model, reg, rank)
                except Exception as error:  # told by the test, not lost with the process
                    found[wrapper, scenario, loss] = f"{type(error).__name__}: {error}"
    if rank == 0:
        torch.save(found, out)
    distributed.barrier()
    distributed.destroy_process_group()


def await_both(started, seconds):
    """Until both are done; both are gone afterwards, come what may."""
    deadline = time.monotonic() + seconds
    try:
        while not started.join(timeout=1.0):
            if time.monotonic() > deadline:
                raise TimeoutError(f"two processes did not finish within {seconds:g} s")
    finally:
        for process in started.processes:
            if process.is_alive():
                process.kill()
                process.join()


def results(folder, seconds=120.0):
    """What the first of two processes found, by (wrapper, scenario, loss); both are gone afterwards."""
    out = folder / "found.pt"
    started = torch.multiprocessing.spawn(run, (folder / "meeting", out), nprocs=2, join=False)
    await_both(started, seconds)
    return torch.load(out)
