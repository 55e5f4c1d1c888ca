"""Runs on disk and the command that makes them: done once, resumed, refused where they are another's."""

import dataclasses
import json

import paper_processes as tiny
import pytest
import torch
from rich.progress import Progress

from benchmarks.paper import __main__ as command
from benchmarks.paper import checkpoint, config, cost, generated, progress, reports, runs
from benchmarks.paper.jobs import jobs_of
from benchmarks.paper.processes import ProcessGroup
from benchmarks.paper.schedule import Schedule
from benchmarks.paper.training import NullCallback, Trainer
from tammes.base.errors import FileFormatError

EXPERIMENT = config.load("table2").only(["resnet20"])


def shrunk(length=3):
    recipes = {
        name: dataclasses.replace(recipe, length=length, batch=8, milestones=(1,), last=2)
        for name, recipe in EXPERIMENT.recipes.items()
    }
    data = dataclasses.replace(EXPERIMENT.data, image_size=8)
    return dataclasses.replace(EXPERIMENT, recipes=recipes, data=data)


@pytest.fixture
def store(tmp_path):
    found = runs.Store(tmp_path)
    found.folder.mkdir()
    return found


def do(job, store, **options):
    return runs.run_job(job, tiny.dataset(16), store, ProcessGroup(), **options)


@pytest.fixture(scope="module")
def job():
    return next(one for one in jobs_of(shrunk(), [0]) if one.arm.name == "mma-skip")


@pytest.fixture(scope="module")
def done(tmp_path_factory, job):
    """One run in a folder, with what came of it."""
    found = runs.Store(tmp_path_factory.mktemp("done"))
    found.folder.mkdir()
    return found, do(job, found)


def test_a_result_is_read_as_it_was_written(done, job):
    found, result = done
    assert found.read(job) == result
    assert found.has(job)
    assert not found.path(job, ".pt").exists()
    assert result.epochs == len(result.history) == 3
    lines = [line["measures"]["accuracy"] for line in result.history]
    assert result.measures == {"accuracy": (lines[1] + lines[2]) / 2.0}  # the mean of the last two epochs
    assert list(result.angles)[-1] == "Classify"
    assert list(result.cosines) == list(result.angles)  # of all layers, not of those that one table shows
    assert [sum(one["counts"]) for one in result.cosines.values()] == [one["pairs"] for one in result.cosines.values()]
    assert (result.cosines["L2-1"]["pairs"], result.cosines["Classify"]["pairs"]) == (32 * 31 // 2, 10)
    assert result.environment["device"] == "cpu"
    assert result.batch_seconds > 0.0
    assert "note" not in json.loads(found.path(job).read_text())


def test_a_run_that_was_interrupted_goes_on_after_its_last_epoch(done, job, store):
    class Interrupted(NullCallback):
        def epoch(self, line):
            if line["epoch"] == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(job, store, callback=Interrupted())
    assert store.path(job, ".pt").exists()
    assert not store.has(job)
    seen = []

    class Seen(NullCallback):
        def step(self, epoch, step, loss):
            seen.append(epoch)

    result = do(job, store, callback=Seen())
    assert set(seen) == {1, 2}  # the epoch that was interrupted, and the one after
    assert result.outcome() == done[1].outcome()
    assert not store.path(job, ".pt").exists()


def test_a_checkpoint_of_other_images_is_refused(job, store):
    class Interrupted(NullCallback):
        def epoch(self, line):
            if line["epoch"] == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(job, store, callback=Interrupted())
    with pytest.raises(FileFormatError, match=r"\.pt: the checkpoint of a run on other images"):
        runs.run_job(job, tiny.dataset(24), store, ProcessGroup())


def test_a_checkpoint_of_another_network_is_refused(job, store):
    state = tiny.Plain(job, tiny.dataset(16), network=tiny.Tiny).state()
    checkpoint.save(store.path(job, ".pt"), state, digest=job.digest, data=tiny.dataset(16).fingerprint)
    with pytest.raises(FileFormatError, match=r"\.pt: the checkpoint of another network \(Error"):
        do(job, store)


def test_a_run_that_diverges_is_kept_as_that(store, job):
    steep = dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, rate=1e30))
    result = do(steep, store)
    assert result.diverged
    assert result.measures == {}
    assert store.read(steep) == result


def test_weights_are_kept_where_asked_for(store, job):
    do(job, store, keep_weights=True)
    state = torch.load(store.path(job, ".weights.pt"), weights_only=True)
    assert "classifier.weight" in state
    assert sorted(path.suffix for path in store.folder.glob("*.*")) == [".json", ".pt"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document.update(digest="0" * 64), "other settings"),
        (lambda document: document["job"].update(seed=7), "other settings"),
        (lambda document: document.update(schema="another"), "not a tammes"),
        (lambda document: document.pop("angles"), "damaged"),
        (lambda document: document.update(measures={"accuracy": 150.0}), "out of range"),
        (lambda document: document.update(measures={"accuracy": "high"}), "damaged"),
        (lambda document: document.update(measures={}), "out of range"),
        (lambda document: document["angles"]["Classify"].update(min_angle_degrees=-1.0), "out of range"),
        (lambda document: document.update(angles=[1]), "damaged"),
        (lambda document: document["history"][0].pop("epoch"), "damaged"),
    ],
)
def test_a_result_that_was_changed_is_refused(done, job, store, change, words):
    document = json.loads(done[0].path(job).read_text())
    change(document)
    store.path(job).write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=words):
        store.read(job)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": '])
def test_a_result_that_is_cut_off_is_refused(job, store, content):
    store.path(job).write_text(content)
    with pytest.raises(FileFormatError):
        store.read(job)


def test_one_command_at_a_time_does_a_run(done, job, tmp_path):
    here, there = runs.Store(tmp_path), runs.Store(tmp_path)
    with here.claim(job, ProcessGroup()) as mine, there.claim(job, ProcessGroup()) as theirs:
        assert (mine, theirs) == ("free", "busy")
    with there.claim(job, ProcessGroup()) as later:
        assert later == "free"
    with done[0].claim(job, ProcessGroup()) as state:
        assert state == "done"


def test_what_is_done_is_not_done_again(tmp_path, capsys):
    experiment = shrunk(2)
    jobs = jobs_of(experiment, [0])[:2]
    found = runs.Store(tmp_path)
    settings = reports.Settings(tmp_path)
    reports.run_all(experiment, jobs[:1], found, ProcessGroup(), settings, tiny.dataset(16))
    began = found.path(jobs[0]).stat().st_mtime_ns
    reports.run_all(experiment, jobs, found, ProcessGroup(), settings, tiny.dataset(16))
    assert found.path(jobs[0]).stat().st_mtime_ns == began
    said = capsys.readouterr().err
    assert "1 of 2 runs to do" in said
    reports.run_all(experiment, jobs, found, ProcessGroup(), settings)  # needs no data, since nothing is to be done


def test_results_on_other_images_are_refused_before_any_work(tmp_path):
    jobs = jobs_of(shrunk(2), [0])[:2]
    found, settings = runs.Store(tmp_path), reports.Settings(tmp_path)
    reports.run_all(shrunk(2), jobs[:1], found, ProcessGroup(), settings, tiny.dataset(16))
    with pytest.raises(FileFormatError, match=r"\.json: the result of a run on other images"):
        reports.run_all(shrunk(2), jobs, found, ProcessGroup(), settings, tiny.dataset(24))
    assert not found.has(jobs[1])


def test_a_bar_shows_loss_accuracy_and_angles(job):
    line = {"epoch": 0, "loss": 2.1, "measures": {"accuracy": 43.125}, "angles": {"L3-3": 71.24, "Classify": None}}
    assert progress.summary(line, ["L3-3", "Classify"]) == "loss 2.100, accuracy 43.12 %, L3-3 71.2°"
    schedule = Schedule(job.recipe, 16)
    with Progress() as shown:
        task = shown.add_task("", total=schedule.steps, text="")
        bar = progress.ProgressBar(shown, task, job, schedule, ["L3-3"])
        bar.step(0, 1, 3.0)
        assert shown.tasks[0].fields["text"] == "epoch 1, loss 3.000"
        bar.epoch(line)
        bar.epoch({**line, "epoch": 1, "angles": {}})  # angles are not measured at every epoch: the last ones stand
        assert shown.tasks[0].completed == 4
        assert shown.tasks[0].fields["text"].endswith("L3-3 71.2°")


def test_a_log_has_a_line_a_minute_at_most(job, capsys):
    times = iter([0.0, 10.0, 61.0, 100.0, 130.0])
    line = {"epoch": 0, "loss": 2.1, "measures": {}, "angles": {}}
    with progress.ProgressReporter(clock=lambda: next(times)).run(job, Schedule(job.recipe, 16), []) as callback:
        for epoch in range(4):
            callback.epoch({**line, "epoch": epoch})
    assert [text.split(",")[1] for text in capsys.readouterr().err.splitlines()] == [
        " 2 of 3: loss 2.100",
        " 4 of 3: loss 2.100",
    ]


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generated.write_cifar100(folder, classes=10, train=16, test=16)
    return folder


@pytest.fixture
def own(tmp_path):
    """A table of one's own: ResNet20 for two epochs, without MMA and with it."""
    text = (config.FOLDER / "table4.toml").read_text()
    start, stop = text.index("[networks.resnet20]"), text.index("[networks.resnet56]")
    head, arms = text[: text.index("[networks.")], text[text.index("[[arms]]") :]
    recipe = (
        text[start:stop]
        .replace("length = 164", "length = 2")
        .replace("[81, 122]", "[1]")
        .replace("last = 5", "last = 1")
    )
    arms = arms.replace('networks = ["vgg19-bn"]', 'networks = ["resnet20"]').split("[[arms]]")
    path = tmp_path / "mine.toml"
    path.write_text(head + recipe.replace("batch = 128", "batch = 8") + "[[arms]]".join(arms[:3]))
    return path


def call(*words):
    return command.main([str(word) for word in words])


def test_one_command_runs_a_table_and_does_it_once(own, data, tmp_path, capsys):
    words = (own, "--data", data, "--out", tmp_path / "out", "--seeds", 1, "--device", "cpu")
    assert call(*words) == 0
    output = capsys.readouterr()
    assert "2 of 2 runs to do" in output.err
    assert str(tmp_path / "out" / "mine.md") in output.out
    page = (tmp_path / "out" / "mine.md").read_text()
    assert "| resnet20 | MMA | 0.07 | 1 |" in page
    assert "--seeds 1" in page
    assert call(*words) == 0
    assert "0 of 2 runs to do" in capsys.readouterr().err
    assert call(own, "--report", "--out", tmp_path / "out", "--seeds", 2) == 0
    assert "1 of 2" in (tmp_path / "out" / "mine.md").read_text()


def test_a_part_is_run_and_the_whole_is_shown(data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(reports, "run_all", lambda part, jobs, *rest: asked.extend(jobs))
    out = tmp_path / "out"
    words = (
        "table4",
        "--networks",
        "resnet20, resnet56",
        "--data",
        data,
        "--out",
        out,
        "--seeds",
        2,
        "--device",
        "cpu",
    )
    assert call(*words) == 0
    assert {job.network for job in asked} == {"resnet20", "resnet56"}
    assert len(asked) == 2 * 2 * 2
    page = (out / "table4.md").read_text()
    assert all(f"| {network} | baseline | — | 0 of 2 |" in page for network in config.load("table4").recipes)


def test_a_stopped_command_says_how_to_go_on(own, data, tmp_path, capsys, monkeypatch):
    advance = Trainer.advance

    def stopped(self, callback=None):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return advance(self, callback)

    monkeypatch.setattr(Trainer, "advance", stopped)
    words = (own, "--data", data, "--out", tmp_path / "out", "--seeds", 1, "--device", "cpu")
    assert call(*words) == 130
    said = capsys.readouterr().err
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert len(list((tmp_path / "out" / "runs").glob("*.pt"))) == 1
    monkeypatch.setattr(Trainer, "advance", advance)
    assert call(*words) == 0
    assert len(list((tmp_path / "out" / "runs").glob("*.json"))) == 2


def test_a_dry_run_executes_nothing_and_prints_the_cost(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cost, "measure", lambda job, device, images, **_: cost.Cost(0.1, 100, None, 8))
    assert call(own, "--dry-run", "--out", tmp_path / "out", "--seeds", 3, "--device", "cpu") == 0
    output = capsys.readouterr().out
    assert output.count("| resnet20_") == 6
    assert "6 of 6 runs to do: about 60 s on" in output
    assert "An estimate" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["table1"], 2, "tammes bench"),
        ([], 2, "name a table or figure"),
        (["table3"], 2, "--data is needed"),
        (["table3", "--data", ".", "--seeds", "0"], 2, "--seeds: an integer of at least 1"),
        (["table9", "--data", "."], 2, "nothing is called 'table9'; name a table or figure: table2"),
        (["--smoke", "--dry-run"], 2, "not allowed with"),
        (["table33"], 2, "nothing is called 'table33'"),
        (["table3", "--data", ".", "--networks", "vgg16-bn"], 1, "`networks` must be one of: vgg19-bn"),
        (["nowhere.toml", "--data", "."], 1, "nowhere.toml"),
        (["table3", "--data", "nowhere", "--device", "cpu"], 1, "nowhere"),
        (["table3", "--data", ".", "--refresh-every", "0"], 1, "`refresh_every` must be an integer of at least 1"),
        (["table3", "--data", ".", "--device", "cpu", "--amp", "fp16"], 1, "`amp` must be off or bf16 on the CPU"),
        (["table3", "--dry-run", "--device", "cpu", "--amp", "fp16"], 1, "`amp` must be off or bf16 on the CPU"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(words, status, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        found = call(*words)
    except SystemExit as end:
        found = end.code
    assert found == status
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [("--data", "."), ("--report",), ("--smoke",)])
def test_results_that_cannot_be_written_are_refused_in_one_line(words, own, tmp_path, capsys, monkeypatch):
    """Before the data are read: in this folder there are none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    assert call(own, *words, "--out", tmp_path / "taken" / "out", "--device", "cpu") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "the folder cannot be made (not a directory). Choose another --out." in said


def test_targets_are_all_tables_and_figures():
    assert set(command.TARGETS) == {
        *(f"table{k}" for k in range(2, 7)),
        "figure1",
        "figure3",
        "figure4",
        "supplement-d",
    }
    assert set(command.TARGETS.values()) <= set(config.EXPERIMENTS)
