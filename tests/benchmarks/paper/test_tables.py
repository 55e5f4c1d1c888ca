"""The tables and figures of the paper's experiments: which runs they take, and which arithmetic they are."""

import csv
import dataclasses
import io
import math
import re

import numpy as np
import pytest

from benchmarks.paper import config, cost, figures, reports, tables
from benchmarks.paper.jobs import Job, jobs_of
from benchmarks.paper.measurements import BINS
from benchmarks.paper.runs import SMOKE, Result
from tammes import plots
from tammes.base.errors import FileFormatError, InvalidParameterError

TABLE3 = config.load("table3")
HERE = {"processor": "one", "threads": 1, "device": "cpu", "processes": 1, "system": "here", "versions": {"torch": "2"}}


def result(job, accuracy, *, seconds=1.0, memory=100, angle=60.0, diverged=False, where=HERE, layers=None, epochs=3):
    layers = ["L3-3", "L4-3", "L5-3", "Classify"] if layers is None else layers
    angles = {layer: {"min_angle_degrees": angle, "bound_degrees": 90.5, "rows": 4, "d": 9} for layer in layers}
    counts = [5, *[0] * 19, 1]
    cosines = {
        layer: {"start": BINS // 2, "counts": counts, "threshold": 0.2, "above": 1, "pairs": 6} for layer in layers
    }
    history = [
        {"epoch": k, "loss": 4.0 - k, "measures": {"accuracy": accuracy}, "angles": dict.fromkeys(layers, angle)}
        for k in range(epochs)
    ]
    measures = {} if diverged else {"accuracy": accuracy}
    return Result(
        job.settings(), job.name, job.digest, job.seed, job.smoke, "data", diverged, measures, epochs, seconds, memory,
        "all of it", angles, cosines, history, where,
    )  # fmt: skip


def cells(page):
    """The rows of the first table of a page, as dictionaries by title; a title that comes twice is numbered."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    titles, plain = [], [one.strip() for one in lines[0].strip("|").split("|")]
    for k, title in enumerate(plain):
        before = plain[:k].count(title)
        titles.append(f"{title} {before + 1}" if before else title)
    return [dict(zip(titles, (one.strip() for one in line.strip("|").split("|")), strict=True)) for line in lines[2:]]


def page_of(experiment, jobs, results, smoke=False):
    rows = tables.rows_of(experiment, jobs, results)
    return tables.as_markdown(experiment, rows, smoke=smoke, machines=[], command="python -m …")


# --- runs -----------------------------------------------------------------------------------------------


def test_a_table_has_a_run_of_every_arm_and_seed_once():
    for name in config.EXPERIMENTS:
        found = config.load(name)
        jobs = jobs_of(found, range(3))
        assert len(jobs) == 3 * sum(len(found.arms_of(network)) for network in found.recipes)
        assert len({job.name for job in jobs}) == len({job.digest for job in jobs}) == len(jobs)
        assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)


def test_tables_share_the_runs_that_are_alike():
    names = {name: {job.name for job in jobs_of(config.load(name), [0])} for name in config.EXPERIMENTS}
    vgg = {one for one in names["table3"] if "baseline" in one or "mma-0.07-both" in one}
    assert len(vgg) == 2
    for other in ("table2", "table4", "figure3"):
        assert vgg < names[other]
    assert not names["table3"] & names["table5"]


def test_a_digest_is_of_what_decides_a_run():
    job = jobs_of(TABLE3, [0])[-1]
    changes = [
        {"seed": 1},
        {"amp": "bf16"},
        {"refresh_every": 10},
        {"smoke": True},
        {"arm": dataclasses.replace(job.arm, coef=0.08)},
        {"arm": dataclasses.replace(job.arm, place="hidden")},
        {"recipe": dataclasses.replace(job.recipe, batch=64)},
        {"data": dataclasses.replace(job.data, pad=0)},
        {"network": "vgg16-bn"},
    ]
    assert len({job.digest, *(dataclasses.replace(job, **change).digest for change in changes)}) == len(changes) + 1
    renamed = dataclasses.replace(job.arm, name="other", title="other", networks=("vgg19-bn", "resnet20"))
    assert dataclasses.replace(job, arm=renamed).digest == job.digest
    baseline = jobs_of(TABLE3, [0])[0]
    assert dataclasses.replace(baseline, refresh_every=10) == baseline
    with pytest.raises(InvalidParameterError, match="seed"):
        Job(job.network, job.data, job.recipe, job.arm, -1)


# --- arithmetic -----------------------------------------------------------------------------------------------


def test_mean_and_standard_error_by_hand():
    assert tables.mean_of([]) is None
    one = tables.mean_of([3.0])
    assert (one.value, one.count) == (3.0, 1)
    assert math.isnan(one.error)
    assert one.shown() == "3.00 ± —"
    three = tables.mean_of([1.0, 2.0, 6.0])
    assert (three.value, three.count) == (3.0, 3)
    assert three.error == pytest.approx(math.sqrt((4.0 + 1.0 + 9.0) / 2.0 / 3.0))
    assert three.shown(signed=True) == "+3.00 ± 1.53"
    assert tables.mean_of([-0.001, 0.001]).shown(signed=True) == "0.00 ± 0.00"


def test_differences_are_taken_seed_by_seed():
    """Baseline 70, 80, 90; MMA one more each: the error of the difference is 0, that of the means is not."""
    jobs = jobs_of(TABLE3, range(3))
    results = {}
    for job in jobs:
        if job.arm.loss in ("none", "mma"):
            results[job.name] = result(
                job, 70.0 + 10.0 * job.seed + (job.arm.loss == "mma"), seconds=1.5 if job.arm.loss == "mma" else 1.0
            )
    rows = {row.arm.name: row for row in tables.rows_of(TABLE3, jobs, results)}
    assert rows["mma"].differences["accuracy"] == tables.Mean(1.0, 0.0, 3)
    assert rows["mma"].values["accuracy"].value == 81.0
    assert rows["mma"].values["time_ratio"] == tables.Mean(1.5, 0.0, 3)
    assert rows["mhe-2"].seeds == 0
    assert all(value is None for value in rows["mhe-2"].values.values())
    shown = {one["regulariser"]: one for one in cells(page_of(TABLE3, jobs, results))}
    assert shown["MMA"]["accuracy"] == "81.00 ± 5.77"
    assert shown["MMA"]["difference to baseline"] == "+1.00 ± 0.00"
    assert shown["baseline"]["difference to baseline"] == "—"
    assert shown["MMA"]["time a batch, to the baseline's"] == "1.500 ± 0.000"
    assert shown["MHE s = 2"]["accuracy"] == "—"
    assert shown["MHE s = 2"]["seeds"] == "0 of 3"
    assert shown["MMA"]["L5-3, min. angle"] == "60.00 ± 0.00"


def test_seeds_without_a_partner_are_in_the_mean_and_not_in_the_difference():
    jobs = jobs_of(TABLE3, range(2))
    results = {job.name: result(job, 50.0 + job.seed) for job in jobs if job.arm.loss == "mma"}
    results |= {job.name: result(job, 40.0) for job in jobs if job.arm.loss == "none" and job.seed == 1}
    row = next(row for row in tables.rows_of(TABLE3, jobs, results) if row.arm.name == "mma")
    assert row.values["accuracy"].count == 2
    assert (row.differences["accuracy"].value, row.differences["accuracy"].count) == (11.0, 1)


def test_a_run_that_diverged_is_counted_and_is_in_no_mean():
    jobs = jobs_of(TABLE3, range(2))
    results = {job.name: result(job, 50.0, diverged=job.seed == 0 and job.arm.loss == "mma") for job in jobs}
    shown = {one["regulariser"]: one for one in cells(page_of(TABLE3, jobs, results))}
    assert shown["MMA"]["seeds"] == "2, 1 diverged"
    assert shown["MMA"]["accuracy"] == "50.00 ± —"


def test_times_of_different_machines_are_not_compared():
    jobs = jobs_of(TABLE3, [0])
    results = {job.name: result(job, 50.0, where=HERE | {"processor": job.arm.loss}) for job in jobs}
    assert all(
        row.values["time_ratio"] is None for row in tables.rows_of(TABLE3, jobs, results) if row.arm.loss != "none"
    )


def test_a_ratio_is_the_mean_of_the_seeds_and_the_baselines_own_is_1():
    jobs = jobs_of(TABLE3, range(2))
    seconds = {"none": (1.0, 2.0), "mma": (1.5, 2.2)}
    results = {
        job.name: result(job, 50.0, seconds=seconds[job.arm.loss][job.seed]) for job in jobs if job.arm.loss in seconds
    }
    shown = {
        one["regulariser"]: one["time a batch, to the baseline's"] for one in cells(page_of(TABLE3, jobs, results))
    }
    assert (shown["baseline"], shown["MMA"], shown["orthogonal"]) == ("1", "1.300 ± 0.200", "—")


def test_a_page_says_what_its_memory_is_that_of():
    job = jobs_of(TABLE3, [0])[0]
    assert reports.machines({job.name: result(job, 50.0)}) == [
        "1 process on one, threads: 1, here; torch 2; peak memory of all of it"
    ]
    assert reports.machines({job.name: result(job, 50.0, memory=None)}) == [
        "1 process on one, threads: 1, here; torch 2"
    ]


# --- the paper's figures -------------------------------------------------------------------------------------------


def test_published_figures_are_the_verified_ones_and_the_rest_are_empty():
    found = tables.published()
    known = {key: figure for key, figure in found.items() if figure is not None}
    assert {key: value for key, (value, _) in known.items()} == {
        ("table3", "vgg19-bn", "mma", "time_ratio"): 1.36,
        ("table3", "vgg19-bn", "mma", "memory_ratio"): 1.09,
    }
    for name in config.EXPERIMENTS:
        experiment = config.load(name)
        named = {"accuracy"} if name != "table6" else {"lfw", "cfp_fp", "agedb_30"}
        for network in experiment.recipes if name != "figure3" else ():
            for arm in experiment.arms_of(network):
                assert all((name, network, arm.name, quantity) in found for quantity in named)
    for experiment, network, arm, quantity in found:
        there = config.load(experiment)
        assert arm in {one.name for one in there.arms_of(network)}
        assert quantity in tables.quantities(there)


def test_the_papers_figures_stand_beside_ours():
    jobs = jobs_of(TABLE3, [0])
    page = page_of(TABLE3, jobs, {job.name: result(job, 50.0) for job in jobs})
    shown = {one["regulariser"]: one for one in cells(page)}
    assert [shown["MMA"][name] for name in ("paper", "paper 2", "paper 3")] == ["—", "1.36", "1.09"]
    assert shown["baseline"]["paper 2"] == "—"
    assert "nesterov` = `false`: stated for WRN" in page


@pytest.mark.parametrize(
    "text",
    [
        "experiment,network\ntable3,x\n",
        "experiment,network,arm,quantity,value,source\ntable3,vgg19-bn,mma,accuracy,high,me\n",
        "experiment,network,arm,quantity,value,source\ntable3,vgg19-bn,mma,accuracy,72.1, \n",
    ],
)
def test_published_figures_need_a_value_and_a_source(tmp_path, text):
    path = tmp_path / "published.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"published\.csv: line 2"):
        tables.published(path)


# --- files ---------------------------------------------------------------------------------------------------


def test_a_csv_has_the_figures_to_the_last_bit():
    jobs = jobs_of(TABLE3, range(2))
    results = {job.name: result(job, 50.0 + job.seed / 3.0) for job in jobs}
    rows = tables.rows_of(TABLE3, jobs, results)
    table = list(csv.DictReader(io.StringIO(tables.as_csv(TABLE3, rows, smoke=False))))
    line = next(one for one in table if (one["arm"], one["quantity"]) == ("mma", "accuracy"))
    assert float(line["mean"]) == rows[-1].values["accuracy"].value
    assert (line["coef"], line["place"], line["seeds"], line["paper"]) == ("0.07", "both", "2", "")
    layers = list(csv.DictReader(io.StringIO(tables.layers_as_csv(TABLE3, jobs, results, smoke=False))))
    assert len(layers) == 5 * 4
    assert {one["min_angle"] for one in layers} == {"60.0"}


@pytest.mark.slow
def test_every_file_of_a_smoke_run_says_so(tmp_path):
    jobs = jobs_of(TABLE3, [0], smoke=True)
    results = {job.name: result(job, 50.0) for job in jobs}
    paths = reports.write(tmp_path, TABLE3, jobs, results, "python")
    assert {path.name for path in paths} == {
        "table3.md", "table3.csv", "table3_layers.csv", "table3_layers.png", "figure1.png", "table3_training.png",
    }  # fmt: skip
    assert SMOKE in (tmp_path / "table3.md").read_text()
    for name in ("table3.csv", "table3_layers.csv"):
        assert all(line.endswith(",smoke") for line in (tmp_path / name).read_text().splitlines())
    for draw in (figures.draw_cosines, figures.draw_training, figures.draw_layers):
        assert SMOKE in draw(TABLE3, jobs, results).get_suptitle()
        assert SMOKE not in draw(TABLE3, jobs_of(TABLE3, [0]), {}).get_suptitle()
    assert not re.search(r"smoke", page_of(TABLE3, jobs, results))


def test_runs_on_different_images_make_no_table(tmp_path):
    jobs = jobs_of(TABLE3, [0])
    results = {job.name: result(job, 50.0) for job in jobs}
    odd = jobs[0].name
    results[odd] = dataclasses.replace(results[odd], data="other")
    with pytest.raises(FileFormatError, match="2 different sets of images"):
        reports.write(tmp_path, TABLE3, jobs, results, "python")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_no_runs_is_a_page_without_figures(tmp_path):
    paths = reports.write(tmp_path, TABLE3, jobs_of(TABLE3, [0]), {}, "python")
    assert not any(path.suffix == ".png" for path in paths)
    assert "nothing was run yet" in (tmp_path / "table3.md").read_text()


# --- figures ---------------------------------------------------------------------------------------------------


def drawn(draw, experiment, seeds=2, **options):
    jobs = jobs_of(experiment, range(seeds))
    return draw(experiment, jobs, {job.name: result(job, 50.0 + job.arm.coef + job.seed, **options) for job in jobs})


def test_figure_1_counts_the_pairs_above():
    figure = drawn(figures.draw_cosines, TABLE3)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == list(TABLE3.layers)
    labels = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert labels[0] == "baseline: 1 of 6 above 0.2 (16.7 %)"
    assert len(labels) == 5
    stairs = panels[0].patches[0].get_data()
    assert (stairs.edges[0], stairs.edges[-1]) == pytest.approx((0.0, 0.21))  # from bin 100 of 200 over [-1, 1]
    assert stairs.values.sum() == 6


def test_figure_3_is_the_accuracy_at_each_coefficient():
    experiment = config.load("figure3").only(["vgg19-bn"])
    axes = drawn(figures.draw_coefficients, experiment).axes[0]
    line = next(one for one in axes.get_lines() if len(one.get_xdata()) == 6)
    assert line.get_xdata().tolist() == [0.01, 0.03, 0.05, 0.07, 0.1, 0.2]
    assert np.asarray(line.get_ydata(), float) == pytest.approx(50.5 + np.asarray(line.get_xdata(), float))
    assert "accuracy" in axes.get_ylabel()


def test_figure_4_is_the_angle_at_each_coefficient():
    panels = drawn(figures.draw_angles, config.load("figure3"), angle=61.5).axes
    assert len(panels) == 4 * 2
    for axes in panels:
        line = next(one for one in axes.get_lines() if len(one.get_xdata()) == 6)
        assert set(line.get_ydata()) == {61.5}
    only = drawn(figures.draw_angles, config.load("figure3"), layers=["Classify"]).axes
    assert ["Classify" in axes.get_ylabel() for axes in only] == [True, True]


def test_training_is_every_epoch_and_skips_what_was_not_measured():
    figure = drawn(figures.draw_training, TABLE3)
    assert [axes.get_ylabel() for axes in figure.axes][:2] == [
        "cross-entropy on the training images",
        "accuracy on the test images (%)",
    ]
    loss = figure.axes[0].get_lines()[0]
    assert list(loss.get_xdata()) == [1, 2, 3]
    assert list(loss.get_ydata()) == [4.0, 3.0, 2.0]
    jobs = jobs_of(TABLE3, [0])
    results = {job.name: result(job, 50.0) for job in jobs}
    for one in results.values():
        one.history[1]["angles"].clear()
    angle = figures.draw_training(TABLE3, jobs, results).axes[2].get_lines()[0]
    assert list(angle.get_xdata()) == [1, 3]


def test_supplement_d_has_every_layer_and_its_bound():
    axes = drawn(figures.draw_layers, TABLE3, layers=["Stem", "L1-1", "Classify"]).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Stem", "L1-1", "Classify"]
    assert axes.get_lines()[0].get_ydata().tolist() == [90.5] * 3
    assert len(axes.get_lines()) == 1 + 5


@pytest.mark.parametrize("name", config.EXPERIMENTS)
def test_every_figure_is_a_png(name):
    experiment = config.load(name)
    assert plots.figure_bytes(drawn(figures.draw_layers, experiment, seeds=1)).startswith(b"\x89PNG")


# --- what it will cost ------------------------------------------------------------------------------------------------


def test_a_plan_adds_up():
    jobs = jobs_of(TABLE3, [0])
    costs = {job.name: cost.Cost(0.5, 7_200, None, 16) for job in jobs[1:]}
    lines = cost.plan(jobs, {job.name: job is jobs[0] for job in jobs}, costs, "this machine")
    assert lines[2].endswith("| done |")
    assert "scaled from 16 images" in lines[3]
    assert lines[-2] == "4 of 5 runs to do: about 4.0 h on this machine."
    assert lines[-1].startswith("An estimate")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (99.0, "99 s"), (600.0, "10 min"), (7_200.0, "2.0 h"), (864_000.0, "10 days")]
)
def test_durations_are_for_people(seconds, shown):
    assert cost.duration(seconds) == shown


def test_a_network_is_measured_once_and_a_term_whatever_its_coefficient(monkeypatch):
    asked = []

    def measured(job, device, images, *, network_seconds):
        asked.append((job.network, job.arm.loss, network_seconds))
        return cost.Cost(1.0, images, None, 16, float(len(asked)))

    monkeypatch.setattr(cost, "measure", measured)
    sweep = config.load("figure3")
    jobs = jobs_of(sweep, range(2))
    found = cost.costs_of(sweep, jobs, None)
    assert set(found) == {job.name for job in jobs}
    assert {one.steps for one in found.values()} == {50_000}
    assert asked == [
        ("vgg19-bn", "none", None), ("vgg19-bn", "mma", 1.0), ("resnet20", "none", None), ("resnet20", "mma", 3.0)
    ]  # fmt: skip


def test_a_cost_is_scaled_from_the_images_that_were_measured():
    """A network of known seconds: 2 s for 16 images, 0.25 s for the term, 0.5 s for the optimiser."""
    import paper_processes as tiny
    import torch

    seconds = {"network": 2.0, "term": 0.25, "step": 0.5}

    def timed(work, device):
        work()
        return seconds.get(work.__name__, 0.5)

    job = tiny.job("mma", batch=64, length=3)
    found = cost.measure(job, torch.device("cpu"), 640, make=lambda: tiny.Tiny(100), timed=timed)
    assert found.step_seconds == 2.0 * 64 / 16 + 0.75
    assert (found.steps, found.measured, found.peak_bytes) == (30, 16, None)
    assert found.seconds == 30 * found.step_seconds
