"""The digits benchmark: what is paired, what is kept, which arithmetic its tables are."""

import dataclasses
import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
import torch

from tammes.base.errors import FileFormatError

FOLDER = Path(__file__).parents[2] / "benchmarks" / "regularizer"
SIZES = (1, 20, 100)  # epochs, batch, training images


@pytest.fixture(scope="module")
def bench():
    """The modules of the benchmark; it is a script, so they lie beside it."""
    sys.path.insert(0, str(FOLDER))
    names = [path.stem for path in FOLDER.glob("digits*.py")]
    yield SimpleNamespace(**{name.removeprefix("digits_"): importlib.import_module(name) for name in names})
    sys.path.remove(str(FOLDER))
    for name in names:
        del sys.modules[name]


def job(bench, method="baseline", place="none", coef=0.0, seed=0, **other):
    options = {"part": "tuning", "rate": 0.05, "decay": 5e-4} | other
    return bench.training.Job(method=method, place=place, coef=coef, seed=seed, **options)


def outcome(bench, accuracy, angles=(60.0, 70.0, 80.0)):
    return bench.training.Outcome(accuracy, 100.0, angles, angles, False)


# --- images and pairing -------------------------------------------------------------------------------


def test_no_image_serves_both_tuning_and_test(bench):
    _, digits, halves = bench.training._images()
    assert sorted(np.concatenate(list(halves.values()))) == list(range(1797))
    for half in halves.values():
        assert np.abs(np.bincount(digits[half]) / np.bincount(digits) - 0.5).max() < 0.01


def test_training_images_are_stratified_and_set_the_scale(bench):
    split = bench.training.split_of("test", 3, 100)
    assert split.x.shape == (100, 64)
    assert len(split.held_y) == 799
    assert set(torch.bincount(split.y).tolist()) <= {9, 10, 11}
    assert split.x.mean(dim=0).abs().max() < 1e-5
    assert float(split.x.std(unbiased=False)) == pytest.approx(1.0, abs=1e-5)
    deviations = bench.training.split_of("test", 3, 100, pixelwise=True).x.std(dim=0, unbiased=False)
    assert all(d == pytest.approx(1.0, abs=1e-4) or d == 0.0 for d in deviations.tolist())


def test_seeds_and_parts_differ_and_repeat(bench):
    split = bench.training.split_of
    assert torch.equal(split("test", 1, 100).x, split("test", 1, 100).x)
    assert not torch.equal(split("test", 1, 100).x, split("test", 2, 100).x)
    first = [bench.training.network(part, seed)[0].weight for part, seed in (("tuning", 0), ("test", 0), ("test", 1))]
    assert not any(torch.equal(first[i], first[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_a_loss_of_no_weight_changes_nothing_else(bench):
    plain = bench.training.train(job(bench), *SIZES)
    for method, coef, sample in (("mma", 0.0, None), ("riesz-fisher", 1e-30, 0.3)):
        assert bench.training.train(job(bench, method, "both", coef, sample=sample), *SIZES) == plain
    assert bench.training.train(job(bench, "mma", "both", 2.0), *SIZES) != plain


def test_a_run_leaves_the_random_state_alone(bench):
    state = torch.random.get_rng_state()
    bench.training.train(job(bench, "riesz-fisher", "both", 1.0, sample=0.3), *SIZES)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("place", "layers"), [("hidden", (0, 2)), ("output", (4,)), ("both", (0, 2, 4))])
def test_the_term_is_on_the_layers_of_its_place(bench, place, layers):
    model = bench.training.network("tuning", 0, (4, 5, 6, 3))  # small: the oracle is slow
    weights = {k: model[k].weight.detach().numpy() for k in (0, 2, 4)}
    term = bench.training.regularizer(model, job(bench, "mma", place, 0.5))
    expected = 0.5 * sum(float(oracles.LOSSES["mma"](weights[k], 2.0)) for k in layers)
    assert float(term().detach()) == pytest.approx(expected, rel=1e-5)


def test_the_papers_settings(bench):
    found = {name: (one.coef, one.sample, one.loss.reduction) for name, one in bench.training.METHODS.items()}
    assert found == {
        "mma": (0.07, None, "mean"),
        "cosine": (0.07, None, "mean"),
        "logarithmic": (1.0, 0.3, "mean"),
        "riesz-fisher": (1.0, 0.3, "mean"),
        "orthogonal": (1e-4, None, "sum"),
    }
    assert bench.training.METHODS["riesz-fisher"].loss.s == 2.0
    assert all(name == one.loss.name and one.loss.sample is None for name, one in bench.training.METHODS.items())


def test_angles_are_those_of_the_trained_weights(bench):
    models = []

    def make(part, seed):
        models.append(bench.training.network(part, seed))
        return models[-1]

    found = bench.training.train(job(bench), *SIZES, make)
    rows = models[0][4].weight.detach().numpy()
    assert found.min_angles[2] == pytest.approx(math.degrees(oracles.min_angle(rows)), abs=1e-6)
    nearest = oracles.nearest_angles(rows)
    assert found.mean_nearest[2] == pytest.approx(math.degrees(sum(nearest) / 10), abs=1e-6)


def test_a_run_that_diverges_ends_and_has_no_angles(bench):
    found = bench.training.train(job(bench, rate=1e6), 3, 20, 100)
    assert found.diverged
    assert found.min_angles == (None, None, None)
    assert 0.0 <= found.accuracy <= 20.0


# --- statistics ---------------------------------------------------------------------------------------


def test_the_paired_test_by_hand(bench):
    found = bench.study.compare([3.0, 5.0, 7.0], [1.0, 2.0, 6.0])  # differences 2, 3, 1
    assert (found.mean, found.mean_se) == pytest.approx((5.0, 2.0 / math.sqrt(3.0)))
    assert (found.difference, found.difference_se) == pytest.approx((2.0, 1.0 / math.sqrt(3.0)))
    t = 2.0 * math.sqrt(3.0)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(1.0 - t / math.sqrt(t * t + 2.0))  # Student's distribution, two degrees


def test_no_difference_and_no_spread(bench):
    same = bench.study.compare([1.0, 2.0], [1.0, 2.0])
    assert (same.t, same.p) == (0.0, 1.0)
    shifted = bench.study.compare([2.0, 3.0], [1.0, 2.0])
    assert (shifted.t, shifted.p) == (math.inf, 0.0)


def test_holm_by_hand(bench):
    assert bench.study.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert bench.study.holm([0.6, 0.7]) == [1.0, 1.0]
    assert bench.study.holm([]) == []


# --- the plan -----------------------------------------------------------------------------------------


def settings_of(bench, **other):
    return dataclasses.replace(bench.study.SMOKE, **other)


def complete(bench, accuracy, settings=None):
    """A study whose outcomes have the accuracy that a function of the job says."""
    done = {}
    study = bench.study.Study(settings or settings_of(bench), done)
    stages = {}
    for name, jobs in study.stages():
        stages[name] = jobs
        done |= {one: outcome(bench, accuracy(one)) for one in jobs}
    return study, stages


def test_every_loss_has_the_same_budget_and_so_has_the_baseline(bench):
    settings = bench.study.Settings()
    _, stages = complete(bench, lambda _: 50.0, settings)
    budget = settings.coefs * settings.tuning_seeds
    assert len(stages["baseline"]) == budget
    counts = {}
    for one in stages["sweep"]:
        counts[one.method, one.place] = counts.get((one.method, one.place), 0) + 1
    assert set(counts) == {(m, p) for m in bench.training.METHODS for p in ("hidden", "output", "both")}
    assert set(counts.values()) == {budget}
    assert settings.test_seeds >= 10


def test_tuning_and_test_never_meet_and_every_arm_has_every_seed(bench):
    study, stages = complete(bench, lambda _: 50.0)
    assert {one.part for name in ("baseline", "sweep") for one in stages[name]} == {"tuning"}
    assert {one.part for one in stages["test"]} == {"test"}
    assert len(stages["test"]) == len(set(stages["test"])) == len(study.tested) * study.settings.test_seeds
    assert study.tested[0] == bench.study.BASELINE


def test_the_best_on_the_tuning_seeds_is_chosen_and_inherited(bench):
    def accuracy(one):
        if one.method == "baseline":
            return 60.0 if one.decay == 5e-3 else 59.0
        assert (one.rate, one.decay) == (0.05, 5e-3)
        if one.part == "test":
            return 1.12 / one.coef  # would choose otherwise
        return 50.0 + one.seed + (one.coef > 0.07) * (one.place == "output")

    study, _ = complete(bench, accuracy)
    assert study.base == (0.05, 5e-3)
    assert study.chosen("mma", "output").coef == 1.12  # 16 times 0.07
    assert study.chosen("mma", "hidden").coef == 0.07  # the smaller of two that are equal
    assert study.missing() == 0
    assert bench.study.Study(study.settings, {}).missing() == 4


def test_the_papers_coefficients_run_as_published(bench):
    study = bench.study.Study(bench.study.Settings(), {})
    found = {(arm.method, arm.coef, arm.sample) for arm in study.published}
    assert {("mma", 0.07, None), ("riesz-fisher", 1.0, 0.3), ("orthogonal", 1e-4, None)} <= found
    assert len(study.published) == 15
    assert study.coefs("orthogonal")[:3] == [1e-4, 4e-4, 1.6e-3]


# --- what is kept -------------------------------------------------------------------------------------


@pytest.fixture
def record(bench):
    study, _ = complete(bench, lambda one: 80.0 + one.seed + 0.125 * one.coef)
    return bench.store.Record(study.settings, done=study.done, timing={"MMA": [2.0, 3.0, 7.0]}, minutes=1.5)


def test_a_record_comes_back_as_it_was(bench, record, tmp_path):
    store = tmp_path / "digits.json"
    key = next(iter(record.done))
    record.done[key] = dataclasses.replace(record.done[key], min_angles=(None, 1.5, 90.0), diverged=True)
    bench.store.write(store, record)
    assert bench.store.read(store, bench.store.Record(record.settings)) == record


@pytest.mark.parametrize("field", ["settings", "machine", "versions"])
def test_a_run_goes_on_only_with_the_same(bench, record, tmp_path, field):
    store = tmp_path / "digits.json"
    bench.store.write(store, record)
    other = bench.store.Record(record.settings)
    changed = {"settings": bench.study.Settings(), "machine": {"processor": "abacus"}, "versions": {"tammes": "0"}}
    setattr(other, field, changed[field])
    with pytest.raises(FileFormatError, match=f"digits.json: made with other {field}"):
        bench.store.read(store, other)
    assert bench.store.read(store, None) == record


def spoil(text, **columns):
    """The document with values of its first run replaced."""
    document = json.loads(text)
    for name, value in columns.items():
        document["runs"][0][document["columns"].index(name)] = value
    return json.dumps(document)


DAMAGES = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "no object": lambda _: "[1, 2]",
    "other schema": lambda text: text.replace("tammes.digits/1", "tammes.peers/1"),
    "accuracy": lambda text: spoil(text, accuracy=180.0),
    "accuracy is text": lambda text: spoil(text, accuracy="high"),
    "accuracy is nan": lambda text: spoil(text, accuracy=math.nan),
    "angle": lambda text: spoil(text, min_angles=[60.0, 70.0, 181.0]),
    "two angles": lambda text: spoil(text, min_angles=[60.0, 70.0]),
    "method": lambda text: spoil(text, method="magic"),
    "seed": lambda text: spoil(text, seed=1.5),
    "a run twice": lambda text: json.dumps(json.loads(text) | {"runs": json.loads(text)["runs"][:1] * 2}),
    "a short run": lambda text: json.dumps(json.loads(text) | {"runs": [["test", "mma"]]}),
    "runs are gone": lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "runs"}),
    "unknown setting": lambda text: text.replace('"epochs"', '"aeons"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_refused(bench, record, tmp_path, damage):
    store = tmp_path / "digits.json"
    bench.store.write(store, record)
    store.write_text(DAMAGES[damage](store.read_text()))
    with pytest.raises(FileFormatError, match=r"digits\.json"):
        bench.store.read(store, None)


def test_finished_runs_are_not_repeated(bench, monkeypatch, tmp_path):
    settings = settings_of(bench)
    store = tmp_path / "digits.json"
    ran = []

    def fake(one, *_):
        ran.append(one)
        if len(ran) == 10:
            raise KeyboardInterrupt
        return outcome(bench, 50.0)

    monkeypatch.setattr(bench.runs, "train", fake)
    monkeypatch.setattr(bench.runs, "step_ratios", lambda *_: [1.0])
    with pytest.raises(KeyboardInterrupt):
        bench.runs.run_study(store, bench.store.Record(settings), 1)
    kept = bench.store.read(store, bench.store.Record(settings))
    assert len(kept.done) == 9
    assert set(kept.done) == set(ran[:9])
    first = ran[:9]
    ran[:] = [None] * 10  # no second interruption
    bench.runs.run_study(store, kept, 1)
    again = ran[10:]
    assert not set(first) & set(again)
    assert len(first) + len(again) == len(bench.store.read(store, None).done)
    assert bench.study.Study(settings, kept.done).missing() == 0


# --- report -------------------------------------------------------------------------------------------


def test_the_tables_by_hand(bench):
    def accuracy(one):
        own = {"baseline": 80.0, "mma": 82.0, "riesz-fisher": 80.5}[one.method]
        if one.method == "mma" and one.seed == 1:
            own += 1.0
        return own + 2.0 * one.seed + (one.coef if one.part == "tuning" else 0.0)

    study, _ = complete(bench, accuracy)
    lines = bench.tables.comparison_table(study.against([(study.chosen("mma", "both"), bench.study.BASELINE)]), "it")
    # Accuracies 82 and 85 against 80 and 82: differences 2 and 3. Student with one degree: p = 1 - 2/pi atan t.
    p = 1.0 - 2.0 / math.pi * math.atan(5.0)
    assert lines[-1] == f"| MMA | both | 1.12 | 83.50 ± 1.50 | +2.50 ± 0.50 | +5.0 | {p:.3f} |"
    assert "| MMA | hidden | 82.57 | **83.62** |" not in lines
    sweep = bench.tables.sweep_table(study)
    assert sweep[0] == "| loss | layers | × 1 | × 16 |"
    assert "| MMA | hidden | 83.57 | **84.62** |" in sweep  # (82 + 85) / 2, and the coefficient
    assert bench.tables.time_table({"MMA": [7.0, 2.0, 3.0]})[-1] == "| MMA | 3.0 | 2.0 to 7.0 |"
    assert bench.tables.mean_accuracy(study, "test", bench.study.BASELINE) == "81.00 ± 1.00"


def test_the_angle_table_by_hand(bench):
    study, _ = complete(bench, lambda _: 50.0)
    arm = study.chosen("mma", "both")
    for k, one in enumerate(study.jobs("test", arm)):
        study.done[one] = outcome(bench, 50.0, (60.0 + 2.0 * k, None, 80.0))
    lines = bench.tables.angle_table(study)
    assert "| MMA | both | paper's and tuned 0.07 | 61.00 ± 1.00 | diverged | 80.00 ± 0.00 |" in lines
    assert lines[2].endswith("| 88.33 | 90.22 | 96.38 |")  # Levenshtein; Rankin: arccos(-1/255), arccos(-1/9)
    assert math.degrees(math.acos(-1 / 9)) == pytest.approx(96.38, abs=5e-3)


def test_a_verdict_says_only_what_the_tests_carry(bench):
    def found(difference, p):
        comparison = bench.study.Comparison(80.0, 1.0, difference, 0.1, p)
        return bench.study.Tested(bench.study.Arm("mma", "both", 1.0), comparison, p)

    several = [found(1.5, 0.001), found(0.4, 0.04), found(3.0, 0.06), found(-2.0, 0.01), found(1.0, math.nan)]
    assert bench.report.verdict(several) == (
        "2 of 5 better, by +0.40 to +1.50 points (MMA both, MMA both); 1 of 5 worse, by -2.00 points (MMA both); "
        "2 of 5 not told apart by these seeds."
    )


@pytest.mark.slow
def test_the_smoke_run_writes_everything_and_goes_on(bench, tmp_path, capsys, monkeypatch):
    command = ["--smoke", "--workers", "1", "--out", str(tmp_path)]
    bench.digits.main(command)
    text = (tmp_path / "digits.md").read_text()
    assert text == capsys.readouterr().out[:-1]
    assert text.startswith("# The regularisers on a small problem")
    assert "nan" not in text
    for name in ("digits_sweep.png", "digits_angles.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    runs = json.loads((tmp_path / "digits.json").read_text())["runs"]
    monkeypatch.setattr(bench.runs, "train", lambda *_: pytest.fail("a finished run was repeated"))
    bench.digits.main(command)
    assert json.loads((tmp_path / "digits.json").read_text())["runs"] == runs
    assert {path.name for path in tmp_path.iterdir()} == {
        *("digits.json", "digits.md", "digits_sweep.png", "digits_angles.png")
    }


def test_an_interrupted_command_keeps_what_is_done_and_says_so(bench, tmp_path, capsys, monkeypatch):
    outcomes = iter([outcome(bench, 50.0)])

    def fake(*_):
        try:
            return next(outcomes)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(bench.runs, "train", fake)
    with pytest.raises(SystemExit) as end:
        bench.digits.main(["--smoke", "--workers", "1", "--out", str(tmp_path)])
    assert end.value.code == 130
    assert "stopped" in capsys.readouterr().err
    assert len(bench.store.read(tmp_path / "digits.json", None).done) == 1


def test_a_folder_that_cannot_be_made_is_refused(bench, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        bench.digits.main(["--smoke", "--out", str(tmp_path / "file" / "below")])
    assert "--out" in capsys.readouterr().err


def test_a_report_of_an_unfinished_study_is_refused(bench, record, tmp_path, capsys):
    record.done = dict(list(record.done.items())[:3])
    bench.store.write(tmp_path / "digits.json", record)
    with pytest.raises(SystemExit):
        bench.digits.main(["--report", "--out", str(tmp_path)])
    assert "1 runs are to be done" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="other settings"):
        bench.digits.main(["--out", str(tmp_path)])


def test_the_published_report_is_that_of_its_runs(bench):
    record = bench.store.read(FOLDER / "digits.json", None)
    study = bench.study.Study(record.settings, record.done)
    assert record.settings == bench.study.Settings()
    assert study.missing() == 0
    text = bench.report.report(study, record, "python benchmarks/regularizer/digits.py")
    assert text == (FOLDER / "digits.md").read_text()


@pytest.mark.slow
def test_workers_change_nothing(bench):
    jobs = [job(bench, "mma", "both", 1.0, seed) for seed in range(3)]
    settings = settings_of(bench)
    alone = dict(bench.runs.run_jobs(jobs, settings, 1))
    assert dict(bench.runs.run_jobs(jobs, settings, 2)) == alone
