"""Measure time and peak memory of forward and backward: each loss against its naive form, and all layers of VGG19.

    python benchmarks/regularizer/costs.py [--pairs 5] [--device cpu] [--quick] [--out benchmarks/regularizer/costs.md]

The naive form keeps the whole n x n matrix in autograd. The two alternate in one process, on one thread, and ratios
are taken pair by pair. Peak memory is what the operating system counts beyond the weight, in a process of its own for
each figure. Prints the report; with `--out` also writes it.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from tammes import losses
from tammes.bench.machine import describe_machine
from tammes.nn import Regularizer

SHAPES = [(64, 576), (512, 4608), (1000, 2048), (10575, 512), (50257, 768)]
TOO_LARGE = 20_000  # rows from which the naive form does not fit
VGG19 = [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512]


def cosines(weight):
    """Return the cosines of all pairs of rows."""
    unit = nn.functional.normalize(weight, dim=1)
    return unit @ unit.T


def naive_mma(weight):
    cosine = cosines(weight)
    cosine = cosine - 2.0 * torch.diag(torch.diag(cosine))
    return -torch.acos(cosine.max(dim=1).values.clamp(-0.99999, 0.99999)).mean()


def naive_cosine(weight):
    cosine = cosines(weight)
    return (cosine - 2.0 * torch.diag(torch.diag(cosine))).max(dim=1).values.mean()


def naive_riesz_fisher(weight):
    n = len(weight)
    chord_sq = 2.0 - 2.0 * cosines(weight) + torch.eye(n, device=weight.device)
    return (chord_sq.clamp_min(1e-8).reciprocal().sum() - n) / (n * (n - 1))


def naive_logarithmic(weight):
    n = len(weight)
    chord_sq = 2.0 - 2.0 * cosines(weight) + torch.eye(n, device=weight.device)
    return -0.5 * chord_sq.clamp_min(1e-8).log().sum() / (n * (n - 1))


def naive_orthogonal(weight):
    n = len(weight)
    return (cosines(weight) - torch.eye(n, device=weight.device)).square().sum() / (n * (n - 1))


NAIVE = {
    "mma": naive_mma,
    "cosine": naive_cosine,
    "riesz-fisher": naive_riesz_fisher,
    "logarithmic": naive_logarithmic,
    "orthogonal": naive_orthogonal,
}


def vgg19():
    """Return the convolutions and the classifier of VGG19-BN for 100 classes; batch norm has no rows."""
    layers, width = [], 3
    for size in VGG19:
        if size != "M":
            layers.append(nn.Conv2d(width, size, 3))
            width = size
    return nn.Sequential(*layers, nn.Linear(512, 100))


def a_weight(n, d, device):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()


def seconds(work, device):
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def step_of(loss, weight):
    def work():
        weight.grad = None
        loss(weight).backward()

    return work


def model_steps():
    """Return forward + backward of the term over all layers: naive, ours, ours with nearest rows that are kept."""
    model = vgg19()

    def naive():
        model.zero_grad()
        sum(naive_mma(layer.weight.flatten(1)) for layer in model).backward()

    def ours(refresh_every):
        reg = Regularizer(model, coef=1.0, refresh_every=refresh_every)

        def work():
            model.zero_grad()
            reg().backward()

        return work

    return {"naive": naive, "every step": ours(1), "refresh_every=10": ours(10)}


def alternate(steps, device, pairs, repeats):
    """Return seconds a call of each step, pair by pair."""
    for work in steps:
        seconds(work, device)
    pairs_of_times = []
    for _ in range(pairs):
        pairs_of_times.append([sum(seconds(work, device) for _ in range(repeats)) / repeats for work in steps])
    return list(zip(*pairs_of_times, strict=True))


def peak(form, name, n, d, device):
    """Return the peak in MiB beyond the weight, in a process of its own."""
    command = [sys.executable, __file__, "--one", form, name, str(n), str(d), "--device", device]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def resident(label):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(label)) / 1024.0


def measure_one(form, name, n, d, device):
    """Print the peak of one forward + backward in MiB beyond the weight."""
    forms = NAIVE if form == "naive" else {key: losses.get(key) for key in losses.LOSSES}
    step_of(forms[name], a_weight(64, 64, device))()  # libraries allocate their own memory first
    weight = a_weight(n, d, device)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step_of(forms[name], weight)()
        print((torch.cuda.max_memory_allocated() - before) / 2**20)
        return
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident("VmRSS")
    step_of(forms[name], weight)()
    print(resident("VmHWM") - before)


def losses_table(options):
    rows = []
    for n, d in SHAPES[: 3 if options.quick else None]:
        weight = a_weight(n, d, options.device)
        for name, naive in NAIVE.items():
            fits = n < TOO_LARGE
            if not fits and name != "mma":
                continue
            ours = step_of(losses.get(name), weight)
            steps = [step_of(naive, weight), ours] if fits else [ours]
            large = n > 5_000
            columns = alternate(
                steps, options.device, 3 if large and fits else (1 if large else options.pairs), 1 if large else 3
            )
            memory = [peak(form, name, n, d, options.device) for form in ("naive", "ours")[0 if fits else 1 :]]
            row = {"n": n, "d": d, "loss": name, "ours_s": statistics.median(columns[-1]), "ours_mib": memory[-1]}
            if fits:
                ratios = [b / a for a, b in zip(*columns, strict=True)]
                row |= {"naive_s": statistics.median(columns[0]), "naive_mib": memory[0]}
                row |= {"ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    return rows


def network_table(options):
    steps = model_steps()
    repeats = 10  # one search with refresh_every=10
    columns = alternate(list(steps.values()), options.device, options.pairs, repeats)
    naive = columns[0]
    return [
        {
            "form": form,
            "seconds": statistics.median(column),
            "ratio": statistics.median(b / a for a, b in zip(naive, column, strict=True)),
        }
        for form, column in zip(steps, columns, strict=True)
    ]


def markdown(options, rows, network):
    machine = describe_machine()
    where = machine["processor"] if options.device == "cpu" else torch.cuda.get_device_name()
    lines = [
        "# What the losses cost a training step",
        "",
        f"{where}, {machine['cores']} cores, one thread; Python {platform.python_version()}, "
        f"torch {torch.__version__}, float32. Forward and backward; medians of alternating runs, ratios run by run. "
        "Memory is the peak beyond the weight, its gradient included. Naive has the n x n cosines in autograd.",
        "",
        "| weight | loss | naive | ours | time, ours / naive | naive MiB | ours MiB | memory, ours / naive |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = f"{1e3 * row['ours_s']:.3g} ms"
        if "naive_s" in row:
            lines.append(
                f"| {row['n']} x {row['d']} | {row['loss']} | {1e3 * row['naive_s']:.3g} ms | {ours} "
                f"| {row['ratio']:.2f} ({row['least']:.2f} to {row['most']:.2f}) "
                f"| {row['naive_mib']:.0f} | {row['ours_mib']:.0f} "
                f"| {row['ours_mib'] / max(row['naive_mib'], 1e-9):.2f} |"
            )
        else:
            need = 3 * 4 * row["n"] ** 2 / 2**30
            lines.append(
                f"| {row['n']} x {row['d']} | {row['loss']} | not run: about {need:.0f} GiB | {ours} | | "
                f"| {row['ours_mib']:.0f} | |"
            )
    lines += [
        "",
        "All layers of VGG19-BN (16 convolutions and the classifier, 20 million weights), MMA:",
        "",
        "| form | a step | ratio to naive |",
        "|---|---|---|",
        *(f"| {row['form']} | {1e3 * row['seconds']:.0f} ms | {row['ratio']:.2f} |" for row in network),
        "",
        "Command: `python benchmarks/regularizer/costs.py`. CUDA: not measured.",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="the three small weights only")
    parser.add_argument("--network-only", action="store_true")
    parser.add_argument("--one", nargs=4, metavar=("FORM", "LOSS", "N", "D"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        form, name, n, d = options.one
        measure_one(form, name, int(n), int(d), options.device)
        return
    network = network_table(options)
    print(json.dumps(network), file=sys.stderr)
    if options.network_only:
        return
    report = markdown(options, losses_table(options), network)
    print(report)
    if options.out:
        options.out.write_text(report)


if __name__ == "__main__":
    main()
