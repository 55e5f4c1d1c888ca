"""The cost of MMA in a training step: the order of the steps, the arithmetic of the report, what a run stores."""

import json

import pytest
import torch

from benchmarks.paper import models, step_cost
from tammes.base.errors import DeviceError, FileAccessError, InvalidParameterError, TammesError
from tammes.nn import Regularizer

TINY = ["--model", "resnet20", "--size", "4", "--batch", "2", "--pairs", "1", "--no-memory"]


def measured(every, tenth, mib=None, **other):
    """As `step_cost.measure` gives it: a plain step of 2, 4 and 8 s, and how many of it the others cost."""
    plain = [2.0, 4.0, 8.0]
    columns = [plain, *([a * b for a, b in zip(plain, ratios, strict=True)] for ratios in (every, tenth))]
    one = {"device": "some processor", "cores": 2, "threads": 1, "python": "3", "torch": "2", **step_cost.STANDARD}
    forms = list(step_cost.FORMS)
    figures = {"seconds": dict(zip(forms, columns, strict=True)), "mib": dict(zip(forms, mib or (), strict=False))}
    return one | figures | other


def cells(report, device, form):
    lines = [line for line in report.splitlines() if line.startswith(f"| {device} | {form} |")]
    return [cell.strip() for cell in lines[0].strip("|").split("|")[2:]]


def test_a_step_costs_the_median_of_its_pairs():
    """Pair by pair: the ratio of the medians is another number."""
    report = step_cost.markdown({"cpu": measured([1.3, 1.25, 1.5], [1.2, 1.0, 1.3], mib=[200.0, 220.0, 210.0])})
    assert cells(report, "CPU", "plain") == ["4", "1", "", "200", "1.000"]
    expected = ["5", "1.300 (1.250 to 1.500)", "1.36: met", "220", "1.100"]
    assert cells(report, "CPU", "MMA at every step") == expected
    tenth = cells(report, "CPU", "MMA, `refresh_every=10`")
    assert tenth == ["4", "1.200 (1.000 to 1.300)", "1.10: not met", "210", "1.050"]


def test_what_was_not_measured_has_no_figure():
    report = step_cost.markdown({"cpu": measured([1.0] * 3, [1.0] * 3)})
    for form in step_cost.FORMS:
        assert cells(report, "CUDA", form) == ["not measured", "", "", "", ""]
        assert cells(report, "CPU", form)[3:] == ["not measured", ""]
    other = step_cost.markdown({"cpu": measured([1.0] * 3, [1.0] * 3, model="resnet20")})
    assert cells(other, "CPU", "MMA at every step")[2] == ""  # targets are for the standard network
    assert "--model resnet20" in other


def test_kinds_of_step_alternate_and_rotate():
    calls = []
    steps = {name: (lambda name=name: calls.append(name)) for name in step_cost.FORMS}
    columns = step_cost.alternate(steps, "cpu", 3)
    assert {len(column) for column in columns.values()} == {3}
    rounds = [tuple(calls[k : k + 3]) for k in range(0, len(calls), 3)]
    assert len(rounds) == 1 + 3 * step_cost.STEPS
    assert all(sorted(one) == sorted(step_cost.FORMS) for one in rounds)
    firsts = [one[0] for one in rounds[1:]]
    assert {firsts.count(name) for name in step_cost.FORMS} == {step_cost.STEPS}


def test_the_three_kinds_of_step_train_with_and_without_mma():
    options = step_cost.parsed(TINY)
    trainings = [step_cost.Training(form, options) for form in step_cost.FORMS]
    before = trainings[0].model.classifier.weight.detach().clone()
    for training in trainings:
        training.step()
    plain, every, tenth = (training.model.classifier.weight.detach() for training in trainings)
    assert not torch.equal(plain, before)
    torch.testing.assert_close(every, tenth, rtol=1e-5, atol=1e-8)  # both looked their neighbours up
    term = trainings[0].model.classifier.weight.detach() - every
    torch.manual_seed(0)
    fresh = models.build("resnet20", 100, 4)
    assert torch.equal(fresh.classifier.weight.detach(), before)
    Regularizer(fresh, "mma", 0.07)().backward()
    torch.testing.assert_close(term, 0.01 * fresh.classifier.weight.grad, rtol=1e-3, atol=1e-6)


def test_a_run_keeps_the_rows_of_other_devices(tmp_path, capsys):
    out = tmp_path / "cost.md"
    (tmp_path / "cost.json").write_text(json.dumps({"cuda": measured([1.1] * 3, [1.05] * 3)}))
    step_cost.run([*TINY, "--out", str(out)])
    report = out.read_text()
    assert report == capsys.readouterr().out
    assert cells(report, "CUDA", "MMA at every step")[1:3] == ["1.100 (1.100 to 1.100)", "1.36: met"]
    assert float(cells(report, "CPU", "plain")[0]) > 0.0
    stored = json.loads((tmp_path / "cost.json").read_text())
    assert stored["cuda"] == measured([1.1] * 3, [1.05] * 3)
    assert stored["cpu"]["model"] == "resnet20"


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own():
    """The outputs of a ResNet20's convolutions, kept for the backward pass, are the least a batch takes."""
    outputs = 7 * 16 * 32**2 + 6 * 32 * 16**2 + 6 * 64 * 8**2
    mib = {
        batch: step_cost.peak("plain", step_cost.parsed([*TINY, "--size", "32", "--batch", str(batch)]))
        for batch in (32, 256)
    }
    assert mib[256] > 256 * 4 * outputs / 2**20
    assert mib[256] > 4 * mib[32]


def test_the_error_of_a_failed_process_is_its_last_line(monkeypatch):
    failed = step_cost.subprocess.CompletedProcess([], 1, "", "Traceback\n  ...\nOutOfMemoryError: no more\n")
    monkeypatch.setattr(step_cost.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(TammesError, match=r"^OutOfMemoryError: no more$"):
        step_cost.peak("plain", step_cost.parsed(TINY))


def test_a_measurement_that_cannot_be_made(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="CUDA is not available"):
        step_cost.parsed(["--device", "cuda"])
    with pytest.raises(InvalidParameterError, match="`pairs`"):
        step_cost.parsed(["--pairs", "0"])
    with pytest.raises(FileAccessError, match="does not exist"):
        step_cost.run([*TINY, "--out", str(tmp_path / "none" / "cost.md")])
