"""Training in two processes, for `tests/benchmarks/paper/test_training.py`, which compares it with one process.

Gloo on the CPU; the processes find each other as under `torchrun`, by its environment variables. Tiny images and
networks for other tests of the paper's experiments are here too.
"""

import contextlib
import dataclasses
import os
import socket

import numpy as np
import torch
from torch import nn
from two_processes import await_both

from benchmarks.paper import config, jobs
from benchmarks.paper.datasets import Dataset
from benchmarks.paper.images import Images
from benchmarks.paper.processes import open_process_group
from benchmarks.paper.training import NullCallback, Trainer

CLASSES = tuple("abcde")
LIKE = config.load("table2").recipes["resnet20"]


class Tiny(nn.Module):
    """A convolution and a linear layer, without batch norm: it would see other batches in two processes than in one."""

    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.linear = nn.Linear(6, classes)

    def forward(self, x):
        return self.linear(self.conv(x).relu().mean(dim=(2, 3)))


def images(count, seed=0, size=8):
    """Noise with a colour for each class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    noise = random.integers(0, 100, (count, 3, size, size))
    colours = np.random.default_rng(9).integers(0, 150, (len(CLASSES), 3))
    return Images((noise + colours[labels][:, :, None, None]).astype(np.uint8), labels, CLASSES)


def dataset(count=30):
    return Dataset(images(count), images(20, seed=1))


def job(loss="mma", *, length=3, batch=8, coef=0.07, place="both", sample=1.0, seed=0, **options):
    recipe = dataclasses.replace(LIKE, length=length, batch=batch, milestones=(2,), last=2, rate=0.05)
    data = config.Data("cifar-100", 8, 2, True, "training")
    arm = config.Arm(loss, loss, ("resnet20",), loss, 0.0 if loss == "none" else coef, place, sample)
    return jobs.Job("resnet20", data, recipe, arm, seed, **options)


class Noting(NullCallback):
    """Keeps the mean loss of the epoch so far, after every step."""

    def __init__(self):
        self.losses = []

    def step(self, epoch, step, loss):
        self.losses.append((epoch, step, loss))


class Plain(Trainer):
    """A trainer of networks that have no names for their layers."""

    def _angles(self, last):
        return {}


def trained(wanted, processes=None):
    """The history and the weights of a run of the tiny network."""
    run = Plain(wanted, dataset(), processes, network=Tiny)
    while not run.done:
        run.advance()
    return run


def _set_environment(rank, port):
    torch.set_num_threads(1)
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()})


def _open_and_close(rank, ports):
    """Process groups that end right after an exchange, and leave a wrapped model behind."""
    for port in ports:
        _set_environment(rank, port)
        with open_process_group("cpu") as processes:
            model = processes.wrap(nn.Linear(2, 2))
            processes.broadcast(1)
        assert model.module.weight.isfinite().all()
        del model


def _run(rank, port, wanted, out):
    _set_environment(rank, port)
    found = []
    with open_process_group("cpu") as processes:
        for one in wanted:
            run = trained(one, processes)
            found.append((run.history, {k: v.clone() for k, v in run.bare.state_dict().items()}))
        share, first, agreed = processes.slice_of(7), processes.first, processes.broadcast(5 + rank)
    torch.save({"runs": found, "share": (share.start, share.stop), "first": first, "agreed": agreed}, f"{out}.{rank}")


def _ports(count):
    """Return free ports, one for each group: the first process may still be closing the one before."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


def _together(run, *args, seconds=120.0):
    await_both(torch.multiprocessing.spawn(run, args, nprocs=2, join=False), seconds)


def open_and_close(times):
    _together(_open_and_close, _ports(times))


def results(folder, wanted):
    """What each of two processes found."""
    (port,) = _ports(1)
    _together(_run, port, wanted, folder / "found")
    return [torch.load(f"{folder / 'found'}.{rank}", weights_only=True) for rank in (0, 1)]
