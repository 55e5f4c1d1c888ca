"""The benchmark of tensors: it counts what it says, runs on a CPU, and reports nothing that was not measured."""

import json
import math

import pytest
import torch

from benchmarks import gpu
from tammes.solvers.ladder import tensor_forces as forces
from tammes.solvers.ladder import tensor_lists as neighbourhoods
from tammes.solvers.ladder.fused import Fused

EMPTY = {"rows": {}}


def cells(text):
    """Cells of all rows of all tables, without their heads."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if "d, n" not in row[0] and "---" not in row[0]]


def test_what_was_not_measured_is_said_to_be_so():
    text = gpu.report(EMPTY, gpu.ROWS)
    rows = cells(text)
    assert len(rows) == sum(map(len, gpu.ROWS.values())) + len(gpu.MANY)  # many points at two exponents
    given = {"starts": 1, "targets": 3, "ceilings": 3, "many": 2}
    firsts = [given[kind] for kind in gpu.ROWS for _ in range(len(gpu.ROWS[kind]) * (1 + (kind == "many")))]
    for row, first in zip(rows, firsts, strict=True):
        assert set(row[first:]) == {"not measured"}
    assert "Device: not measured" in text


def test_the_report_here_is_the_one_of_the_store():
    store = gpu.REPORT.with_suffix(".json")
    document = json.loads(store.read_text()) if store.exists() else EMPTY
    assert gpu.REPORT.read_text() == gpu.report(document, gpu.ROWS)


def test_without_cuda_nothing_is_stored(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main(["--out", str(tmp_path / "gpu.md")])
    assert "CUDA is not available" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.md"]
    assert (tmp_path / "gpu.md").read_text() == gpu.report(EMPTY, gpu.ROWS)


def test_rows_are_kept_and_not_measured_again(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(gpu, "resolve_device", lambda _: torch.device("cpu"))
    figures = {"batch": 4_000, "eager": 10.0, "fused": 30.0, "core": 2.0}
    monkeypatch.setitem(gpu.KINDS, "starts", lambda *row: calls.append(row) or figures)
    for _ in range(2):
        gpu.main(["--rows", "starts", "--out", str(tmp_path / "gpu.md")])
    assert len(calls) == len(gpu.STARTS)
    assert cells((tmp_path / "gpu.md").read_text())[0] == ["(3, 30)", "4,000", "10", "30", "2", "15"]
    gpu.main(["--rows", "starts", "--again", "--out", str(tmp_path / "gpu.md")])
    assert len(calls) == 2 * len(gpu.STARTS)


def test_a_kernel_that_could_not_be_compiled_has_no_figures(monkeypatch):
    monkeypatch.setattr(forces._DENSE, "failure", "no compiler")
    monkeypatch.setitem(gpu.KINDS, "starts", lambda *_: {"batch": 4, "eager": 10.0, "fused": 10.0, "core": 2.0})
    document = {"rows": {}}
    gpu.measure(torch.device("cpu"), ["starts"], gpu.QUICK, 1, document, again=False, done=lambda: None)
    assert cells(gpu.report(document, gpu.QUICK))[0][2:] == ["10", "not measured", "2", "not measured"]


def test_what_was_not_reached_is_said_to_be_so():
    row = {"device": math.inf, "core": 3.0, "on": "a device"}
    document = {"rows": {gpu.name_of("targets", gpu.TARGETS[0]): row}}
    first = next(row for row in cells(gpu.report(document, gpu.ROWS)) if row[1] == str(gpu.TARGETS[0][2]))
    assert first[3:] == ["not reached", "3", ""]


def test_traffic_counts_what_is_read_and_written():
    x, y, row = torch.ones(10, 4, dtype=torch.float64), torch.ones(10, 4), torch.ones(4, dtype=torch.float64)
    with gpu.Traffic() as traffic:
        x.view(40), x.T, x[2:]
    assert traffic.bytes == 0
    for work, numbers in [
        (lambda: x + x, 3 * 40),
        (lambda: x.mul_(x), 3 * 40),
        (lambda: x.sum(dim=1), 40 + 10),
        (lambda: x + row, 2 * 40 + 4),
        (lambda: x.add_(row.expand(10, 4)), 2 * 40 + 4),
        (y.sqrt, 40),  # of 4 bytes, twice
    ]:
        with gpu.Traffic() as traffic:
            work()
        assert traffic.bytes == 8 * numbers


def test_operations_of_a_pair():
    # d = 3, p = 8: 3 differences, 3 squares, 2 sums; least, 1 / D, times m, 2 squarings, sum, over D, sum; 3 products
    # and 3 sums of the force.
    assert gpu.operations(3, 8.0) == 8 + 3 + 2 + 3 + 6


def test_a_cpu_is_measured_and_nothing_is_written(monkeypatch, tmp_path, capsys):
    figures = {"batch": 4, "eager": 10.0, "fused": 30.0, "core": 2.0}
    monkeypatch.setitem(gpu.KINDS, "starts", lambda *_: figures)
    gpu.main(["--device", "cpu", "--quick", "--rows", "starts", "--out", str(tmp_path / "gpu.md")])
    assert cells(capsys.readouterr().out)[0] == ["(3, 12)", "4", "10", "30", "2", "15"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--rows", "stars"])
    assert "starts, targets, ceilings, many" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(gpu.KINDS))
def test_every_kind_of_row_on_a_cpu(kind, monkeypatch):
    for module, name, function in (
        (forces, "_DENSE", forces._dense),
        (neighbourhoods, "_FADING", neighbourhoods._listed),
        (neighbourhoods, "_FULL", neighbourhoods._listed_in_full),
    ):
        monkeypatch.setattr(module, name, Fused(function, backend="eager"))  # traced alone: no compiler
    rows = gpu.QUICK | {"many": [(3, 2_001, 0.3)], "ceilings": [(3, 20, 2, 8.0)]}
    document = {"rows": {}}
    monkeypatch.setattr(gpu.device_memory, "batch", lambda *_: 6)
    gpu.measure(torch.device("cpu"), [kind], rows, 1, document, again=True, done=lambda: None)
    measured = [row for row in cells(gpu.report(document, rows, 1)) if "not measured" not in row]
    assert len(measured) == (2 if kind == "many" else 1)
    for figure in measured[0][2:]:
        assert figure == "" or float(figure.replace(",", "")) > 0.0
    torch.compiler.reset()
