"""Training runs of the paper's experiments: what chance decides, what is resumed, what several processes share."""

import copy
import gc
import math

import numpy as np
import paper_processes as tiny
import pytest
import torch
from torch import nn

from benchmarks.paper import batches, checkpoint
from benchmarks.paper.datasets import Dataset, part_of
from benchmarks.paper.images import Images, Pairs
from benchmarks.paper.measurements import PeakMemory, StepTimer
from benchmarks.paper.processes import ProcessGroup, open_process_group
from benchmarks.paper.training import DivergedError, Trainer
from tammes.base.errors import DeviceError, FileFormatError, InvalidParameterError, UnknownNameError
from tammes.losses import functional

CPU = torch.device("cpu")


def without_times(history):
    return [{k: v for k, v in line.items() if k not in ("batch_seconds", "peak_bytes", "seconds")} for line in history]


def same_weights(one, other):
    return all(torch.equal(a, other[name]) for name, a in one.items())


# --- what chance decides --------------------------------------------------------------------------------


def test_every_epoch_has_every_image_once_in_an_order_of_its_own():
    orders = [batches.order(100, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert (batches.order(100, 1, 1) == orders[-1]).all()


def test_purposes_do_not_share_their_seeds():
    drawn = {
        batches.seed_of(p, s, e)
        for p in ("order", "augmentation", "weights", "dropout")
        for s in range(4)
        for e in range(4)
    }
    assert len(drawn) == 64
    assert all(0 <= one < 1 << 63 for one in drawn)


def test_images_arrive_as_they_are_from_memory_and_from_a_map(tmp_path):
    images = tiny.images(23)
    path = tmp_path / "pixels.npy"
    np.save(path, images.pixels)
    mapped = Images(np.load(path, mmap_mode="r"), images.labels, images.classes)
    chosen = [np.array([5, 3, 22, 0]), np.array([1]), np.array([7, 8, 9])]
    for source in (batches.Source(images, CPU), batches.Source(mapped, CPU), batches.Source(images, CPU, resident=0)):
        found = list(source.batches(chosen))
        assert len(found) == 3
        for (pixels, labels), index in zip(found, chosen, strict=True):
            assert (pixels.numpy() == images.pixels[index]).all()
            assert (labels.numpy() == images.labels[index]).all()
    assert list(batches.Source(mapped, CPU).batches([])) == []


def test_runs_of_one_seed_are_paired_and_of_another_are_not():
    runs = {
        name: tiny.Plain(tiny.job(loss, seed=seed), tiny.dataset(), network=tiny.Tiny)
        for name, loss, seed in (("a", "none", 0), ("b", "mma", 0), ("c", "none", 1))
    }
    first = {name: run.bare.conv.weight for name, run in runs.items()}
    assert torch.equal(first["a"], first["b"])
    assert not torch.equal(first["a"], first["c"])
    seen = {name: [] for name in runs}
    for name, run in runs.items():
        run.bare.register_forward_pre_hook(lambda _, args, name=name: seen[name].append(args[0].clone()))
        run.advance()
    assert all(torch.equal(x, y) for x, y in zip(seen["a"], seen["b"], strict=True))
    assert not torch.equal(seen["a"][0], seen["c"][0])


# --- a step against a loop that is written out -------------------------------------------------------------


@pytest.mark.parametrize(("loss", "nesterov"), [("none", False), ("mma", True)])
def test_an_epoch_is_sgd_on_cross_entropy_plus_the_term(loss, nesterov):
    """Momentum, decay and the rate of each step by hand, the loss of Eq. 13 from the functional form."""
    job = tiny.job(loss, coef=0.5)
    job = type(job)(
        **{**vars(job), "recipe": type(job.recipe)(**{**vars(job.recipe), "nesterov": nesterov, "milestones": (1,)})}
    )
    run = tiny.Plain(job, tiny.dataset(), network=tiny.Tiny)
    model = copy.deepcopy(run.bare)
    seen = []
    run.bare.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()) if run.bare.training else None)
    run.advance()
    run.advance()
    moments = [torch.zeros_like(one) for one in model.parameters()]
    total = [0.0, 0.0]
    for step, x in enumerate(seen):
        epoch, k = divmod(step, 4)
        index = batches.order(30, job.seed, epoch)[8 * k : 8 * k + 8]
        y = torch.from_numpy(run.dataset.train.labels[index])
        entropy = nn.functional.cross_entropy(model(x), y)
        total[epoch] += float(entropy.detach()) * len(index) / 30
        value = entropy
        if loss == "mma":
            value = value + 0.5 * sum(functional.mma(w.flatten(1)) for w in (model.conv.weight, model.linear.weight))
        grads = torch.autograd.grad(value, list(model.parameters()))
        rate = 0.05 if epoch == 0 else 0.005
        with torch.no_grad():
            for parameter, grad, moment in zip(model.parameters(), grads, moments, strict=True):
                grad = grad + 1e-4 * parameter
                moment.mul_(0.9).add_(grad)
                parameter.sub_(rate * (grad + 0.9 * moment if nesterov else moment))
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, run.bare.get_parameter(name), atol=2e-6), name
    assert [line["loss"] for line in run.history] == pytest.approx(total, rel=1e-5)
    assert [line["rate"] for line in run.history] == pytest.approx([0.05, 0.005])


def test_decay_spares_vectors_where_it_is_told_to():
    job = tiny.job("none")
    spared = type(job)(**{**vars(job), "recipe": type(job.recipe)(**{**vars(job.recipe), "decay_all": False})})
    for one, decays in ((job, {1e-4}), (spared, {1e-4, 0.0})):
        groups = tiny.Plain(one, tiny.dataset(), network=tiny.Tiny).optimizer.param_groups
        assert {group["weight_decay"] for group in groups} == decays
        assert sum(len(group["params"]) for group in groups) == 4
    assert all(parameter.ndim == 1 for parameter in groups[1]["params"])


def test_accuracy_is_that_of_the_network_on_all_test_images():
    run = tiny.trained(tiny.job("mma", length=3))
    test = run.dataset.test
    mean, std = run.dataset.statistics
    x = (torch.from_numpy(test.pixels).float() / 255.0 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(
        3, 1, 1
    )
    with torch.no_grad():
        right = (run.bare(x).argmax(dim=1).numpy() == test.labels).mean()
    assert run.history[-1]["measures"] == {"accuracy": pytest.approx(100.0 * right)}


def test_a_network_learns_what_can_be_learnt():
    run = tiny.trained(tiny.job("none", length=60))
    assert run.history[-1]["loss"] < 0.5 * run.history[0]["loss"]
    assert run.history[-1]["measures"]["accuracy"] > 60.0


# --- stop and go on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("none", {}),
        ("mma", {}),
        ("mma", {"refresh_every": 3}),
        ("mhe-0", {"sample": 0.5}),
        ("orthogonal", {"amp": "bf16"}),
    ],
)
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(tmp_path, loss, options):
    job = tiny.job(loss, length=4, **options)
    whole = tiny.trained(job)
    half = tiny.Plain(job, tiny.dataset(), network=tiny.Tiny)
    half.advance()
    half.advance()
    path = tmp_path / "run.pt"
    checkpoint.save(path, half.state(), digest=job.digest, data="d")
    half.advance()  # what comes after the checkpoint is lost
    torch.manual_seed(12345)
    again = tiny.Plain(job, tiny.dataset(), network=tiny.Tiny)
    again.load_state(checkpoint.load(path, digest=job.digest, data="d"))
    assert again.epoch == 2
    while not again.done:
        again.advance()
    assert same_weights(whole.bare.state_dict(), again.bare.state_dict())
    assert without_times(whole.history) == without_times(again.history)


def test_a_checkpoint_of_another_run_or_of_nothing_is_refused(tmp_path):
    job, other = tiny.job("mma"), tiny.job("mma", coef=0.08)
    run = tiny.Plain(job, tiny.dataset(), network=tiny.Tiny)
    path = tmp_path / "run.pt"
    checkpoint.save(path, run.state(), digest=job.digest, data="d")
    with pytest.raises(FileFormatError, match="other settings"):
        checkpoint.load(path, digest=other.digest, data="d")
    with pytest.raises(FileFormatError, match="other images"):
        checkpoint.load(path, digest=job.digest, data="e")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"PK\x03\x04", b"nothing", whole[:-100] + bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"run\.pt"):
            checkpoint.load(path, digest=job.digest, data="d")
    for foreign in ([1, 2], {"schema": "another"}, {"schema": checkpoint.SCHEMA, "state": 3}):
        torch.save(foreign, path)
        with pytest.raises(FileFormatError, match="not a tammes"):
            checkpoint.load(path, digest=job.digest, data="d")


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    path = tmp_path / "run.pt"
    torch.save({"schema": checkpoint.SCHEMA, "digest": "d", "data": "d", "state": {"model": Evil()}}, path)
    with pytest.raises(FileFormatError, match="read safely"):
        checkpoint.load(path, digest="d", data="d")
    assert capsys.readouterr().out == ""


def test_a_state_of_another_network_is_refused():
    run = tiny.Plain(tiny.job("mma"), tiny.dataset(), network=tiny.Tiny)
    for state in ({}, {"model": {}}, {**run.state(), "regulariser": {"calls": -1, "nearest": {}}}):
        with pytest.raises(InvalidParameterError):
            run.load_state(state)


# --- what cannot be done -------------------------------------------------------------------------------------


def test_a_run_that_diverges_says_so():
    job = tiny.job("none")
    job = type(job)(**{**vars(job), "recipe": type(job.recipe)(**{**vars(job.recipe), "rate": 1e30})})
    run = tiny.Plain(job, tiny.dataset(), network=tiny.Tiny)
    with pytest.raises(DivergedError):
        run.advance()
    assert run.history == []


def test_weights_that_the_last_step_ruins_are_no_result():
    one_step = tiny.job("mma", length=3, batch=30)
    run = tiny.Plain(one_step, tiny.dataset(), network=tiny.Tiny)  # one step an epoch
    step = run.optimizer.step

    def ruinous(*arguments):
        step(*arguments)
        run.bare.conv.weight.data[0] = math.nan

    run.optimizer.step = ruinous
    with pytest.raises(DivergedError):
        run.advance()


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(DeviceError, match="fp16"):
        tiny.Plain(tiny.job(amp="fp16"), tiny.dataset(), network=tiny.Tiny)
    with pytest.raises(InvalidParameterError, match=r"images.*batches of 8"):
        tiny.Plain(tiny.job(), tiny.dataset(33), network=tiny.Tiny)  # a last batch of one image
    with pytest.raises(InvalidParameterError, match="divisor of the batch"):
        tiny.Plain(tiny.job(), tiny.dataset(), ProcessGroup(0, 3, CPU), network=tiny.Tiny)
    with pytest.raises(UnknownNameError, match="amp"):
        tiny.job(amp="fp8")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="CUDA"), open_process_group("cuda"):
            pass
    with pytest.raises(DeviceError, match="one of: cpu, cuda"), open_process_group("tpu"):
        pass


# --- several processes ---------------------------------------------------------------------------------------


def test_shares_are_all_of_it_and_no_more():
    for count in (0, 1, 7, 8):
        shares = [list(range(count))[ProcessGroup(rank, 3, CPU).slice_of(count)] for rank in range(3)]
        assert [one for share in shares for one in share] == list(range(count))


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    wanted = [tiny.job("mma"), tiny.job("mhe-2", sample=0.5), tiny.job("none")]
    first, second = tiny.results(tmp_path, wanted)
    assert (first["first"], second["first"]) == (True, False)
    assert (first["share"], second["share"]) == ((0, 3), (3, 7))
    assert (first["agreed"], second["agreed"]) == (5, 5)
    for job, (history, weights), (other_history, other_weights) in zip(
        wanted, first["runs"], second["runs"], strict=True
    ):
        alone = tiny.trained(job)
        assert [one["loss"] for one in history] == [one["loss"] for one in other_history]
        for ours, theirs in zip(history, alone.history, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
            assert ours["train_accuracy"] == pytest.approx(theirs["train_accuracy"])
            assert ours["measures"] == pytest.approx(theirs["measures"])
        for name, value in alone.bare.state_dict().items():
            assert torch.allclose(value, weights[name], atol=1e-5), name
            assert torch.equal(weights[name], other_weights[name])


@pytest.mark.slow
def test_a_process_group_ends_though_a_wrapped_model_outlives_it():
    tiny.open_and_close(20)


# --- on a GPU ------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_cuda_trains_as_the_cpu_does_and_resumes(amp):
    job = tiny.job("mma", amp=amp, length=4)
    alone = tiny.trained(tiny.job("mma", length=4))
    with open_process_group("cuda") as processes:
        run = tiny.Plain(job, tiny.dataset(), processes, network=tiny.Tiny)
        for _ in range(2):
            run.advance()
        again = tiny.Plain(job, tiny.dataset(), processes, network=tiny.Tiny)
        again.load_state(run.state())
        while not again.done:
            again.advance()
    # Crops and mirrors are drawn on the device, so that the batches differ in them.
    assert again.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], rel=0.2)
    assert again.history[-1]["peak_bytes"] > 0
    assert again.history[-1]["batch_seconds"] > 0.0


# --- what is measured ------------------------------------------------------------------------------------------


def test_the_time_of_a_step_is_the_median():
    times = iter([0.0, 1.0, 3.0, 103.0])
    timer = StepTimer(CPU, clock=lambda: next(times))
    for _ in range(4):
        timer.mark()
    assert timer.median() == 2.0


def test_peak_memory_sees_what_was_taken_since():
    gc.collect()
    memory = PeakMemory(CPU)
    memory.restart()
    before = memory.read()
    if before is None:
        pytest.skip("this system does not report its memory")
    block = np.ones(256 << 20, dtype=np.uint8)
    del block
    after = memory.read()
    assert 192 << 20 < after - before < 320 << 20  # the system may take pages of libraries back meanwhile
    memory.restart()
    assert memory.read() < after


def test_pairs_with_the_same_answers_have_different_fingerprints():
    whole, same = tiny.dataset(), np.arange(5) % 2 == 0
    faces = np.arange(5 * 3 * 8 * 8, dtype=np.int64).reshape(5, 3, 8, 8).astype(np.uint8)
    changed = faces.copy()
    changed[4, 2, 7, 7] ^= 1
    found = [
        Dataset(whole.train, None, {"lfw": Pairs(*two, same)})
        for two in ((faces, faces), (faces, changed), (changed, faces))
    ]
    assert len({one.fingerprint for one in found}) == 3


def test_different_data_have_different_fingerprints():
    whole = tiny.dataset()
    assert whole.fingerprint == tiny.dataset().fingerprint
    pixels = whole.train.pixels.copy()
    pixels[0, 0, 0, 0] ^= 1
    changed = Dataset(Images(pixels, whole.train.labels, whole.train.classes), whole.test)
    assert len({one.fingerprint for one in (whole, changed, tiny.dataset(31), part_of(whole, {"test": 10}))}) == 4
    assert len(part_of(whole, {"train": 12, "test": 10}).train.labels) == 12
    assert part_of(whole, {}) is whole


def test_a_real_network_is_measured_layer_by_layer():
    data = Dataset(tiny.images(8, size=16), tiny.images(8, size=16))
    run = Trainer(tiny.job("mma", length=2, batch=4), data)
    line = run.advance()
    assert next(iter(line["angles"])) == "Stem"
    assert "Classify" in line["angles"]
    weight = nn.functional.normalize(run.bare.classifier.weight.detach().double())
    cosine = (weight @ weight.T).fill_diagonal_(-1.0).max()
    assert line["angles"]["Classify"] == pytest.approx(math.degrees(math.acos(float(cosine))), abs=1e-6)
