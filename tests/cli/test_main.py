"""The command line as a person meets it: answers on stdout, one line of reason on stderr, exit status."""

import json
import math
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tammes.base.errors import FileAccessError
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex
from tammes.storage import formats as files

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())


def one_line(text):
    return text.count("\n") == 1 and text.startswith("Error: ") and "Traceback" not in text


def test_version_and_help(run):
    assert run("--version")[1].startswith("tammes 0.")
    status, out, _ = run("--help")
    assert status == 0
    for command in ("solve", "table", "verify", "convert", "plot", "bench"):
        assert command in out
        status, text, _ = run(command, "--help")
        assert status == 0
        assert "--help" in text


# --- solve ------------------------------------------------------------------------------------


def test_solve_writes_points_and_record(run, tmp_path):
    status, out, err = run("solve", "--n", 20, "--d", 3, "--loss", "mma", "--steps", 500)
    assert (status, err) == (0, "")
    points = np.load(tmp_path / "tammes_d3_n20.npy", allow_pickle=False)
    record = json.loads((tmp_path / "tammes_d3_n20.json").read_text())
    assert points.dtype == np.float64
    assert points.shape == (20, 3)
    jsonschema.validate(record, SCHEMA)
    code = SphericalCode(points)
    assert record["min_angle_degrees"] == code.min_angle_degrees
    assert f"{code.min_angle_degrees:.12f}°" in out
    assert "47.43103622671°" in out  # best known
    assert "fejes-toth" in out
    assert record["settings"]["steps"] == 500
    assert run("verify", "tammes_d3_n20.npy")[0] == 0


def test_solve_json_is_one_document(run):
    status, out, err = run("solve", "--n", 12, "--d", 3, "--loss", "mma", "--steps", 300, "--json")
    assert (status, err) == (0, "")
    jsonschema.validate(json.loads(out), SCHEMA)


def test_the_closed_form_says_so(run, tmp_path):
    status, out, _ = run("solve", "--n", 5, "--d", 4)
    assert status == 0
    assert "104.477512185930°" in out
    assert "closed form" in out
    assert "Rankin" in out
    assert "no code is better" in out
    status, out, _ = run("solve", "--n", 5, "--d", 4, "--no-analytic", "--steps", 800, "--force")
    assert "sgd + ladder + polish" in out
    assert "104.4775121859" in out


@pytest.mark.parametrize("suffix", sorted(files.FORMATS))
def test_output_in_every_format_verifies(run, tmp_path, suffix):
    target = f"code_d3_n6{suffix}"
    assert run("solve", "--n", 6, "--d", 3, "-o", target)[0] == 0
    status, out, err = run("verify", target)
    assert status == 0, err
    assert "agrees" in out


def test_init_and_no_polish(run, tmp_path):
    np.save(tmp_path / "start.npy", orthoplex(3))
    status, out, _ = run("solve", "--n", 6, "--d", 3, "--init", "start.npy", "--steps", 5, "--no-polish")
    assert status == 0
    assert "90.000000000000°" in out
    status, _, err = run("solve", "--n", 7, "--d", 3, "--init", "start.npy", "--force")
    assert status == 2
    assert "`init` must be of shape (7, 3). Got (6, 3)." in err


@pytest.mark.parametrize("name", ["n", "d"])
@pytest.mark.parametrize("value", ["0", "1", "-3", "2.5", "abc", "", "1e3", "99999999999999999999"])
def test_bad_sizes_exit_2(run, name, value):
    sizes = {"n": "5", "d": "3"} | {name: value}
    status, out, err = run("solve", f"--n={sizes['n']}", f"--d={sizes['d']}")
    assert (status, out) == (2, "")
    assert one_line(err)
    assert f"`{name}` must be an integer of at least 2" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--loss", "foo"], "`loss` must be one of: mma, cosine, riesz-fisher, logarithmic, orthogonal. Got 'foo'."),
        (["--loss", "cosin"], "`loss` must be one of: cosine, mma"),
        (["--preset", "fast"], "`preset` must be one of: paper"),
        (["--steps", "0"], "`steps` must be an integer of at least 1. Got 0."),
        (["--starts", "0"], "`starts` must be an integer of at least 1. Got 0."),
        (["--seed", "-1"], "`seed` must be an integer of at least 0. Got -1."),
        (["--time", "soon"], "`time` must be a positive duration such as 90s, 10m or 2h. Got 'soon'."),
        (["--time", "0s"], "`time` must be a positive duration"),
        (["--loss", "riesz-fisher", "--s", "-2"], "`s` must be a positive finite number. Got -2.0."),
        (["--dtype", "half"], "`dtype` must be one of: float32, float64. Got 'half'."),
        (["--device", "tpu"], "`device` must be auto, cpu, cuda or cuda:N. Got 'tpu'."),
        (["-o", "code.xyz"], "`format` must be one of: .txt, .npz, .npy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_in_one_line(run, options, message):
    status, out, err = run("solve", "--n", 20, "--d", 3, *options)
    assert (status, out) == (2, "")
    assert one_line(err)
    assert message in err


def test_cuda_without_cuda(run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, out, err = run("solve", "--n", 20, "--d", 3, "--device", "cuda")
    assert (status, out) == (1, "")
    assert one_line(err)
    assert "CUDA is not available here" in err


def test_output_is_checked_before_the_work(run, tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("the work was started")

    monkeypatch.setattr("tammes.global_search.api.solve", work)
    (tmp_path / "taken.npy").write_bytes(b"kept")
    (tmp_path / "beside.json").write_bytes(b"kept")
    (tmp_path / "folder.npy").mkdir()
    for target, message in (
        ("missing/code.npy", "the folder missing does not exist"),
        ("taken.npy", "the file exists. Use --force"),
        ("beside.npy", "beside.json: the file exists"),
        ("folder.npy", "this is a folder"),
    ):
        status, out, err = run("solve", "--n", 20, "--d", 3, "-o", target)
        assert (status, out) == (1, "")
        assert one_line(err)
        assert message in err
    assert (tmp_path / "taken.npy").read_bytes() == b"kept"

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    status, _, err = run("solve", "--n", 20, "--d", 3, "-o", "new.npy")
    assert status == 1
    assert "cannot be written (permission denied)" in err


def test_a_full_disk_loses_nothing(run, tmp_path, monkeypatch):
    """The target's folder is full when the work is done: the code is saved elsewhere, and where is said."""
    write = files.write_atomically

    def full(path, content, *, force=False):
        if Path(path).resolve().parent == tmp_path:
            raise FileAccessError(path, "cannot be written (no space left on device)")
        write(path, content, force=force)

    monkeypatch.setattr("tammes.storage.formats.write_atomically", full)
    status, _, err = run("solve", "--n", 12, "--d", 3, "--loss", "mma", "--steps", 200)
    assert status == 1
    assert one_line(err)
    assert "no space left on device" in err
    saved = Path(err.split("saved as ")[1].split(" instead")[0])
    assert files.load(saved).n == 12
    assert json.loads(files.sidecar(saved).read_text())["n"] == 12


def interrupt_at(phase, monkeypatch):
    """Raise KeyboardInterrupt from the first report of a phase, as Ctrl-C would."""
    from tammes.global_search import api

    original = api.solve

    def solve(*arguments, progress, **options):
        def report(event):
            if event.phase == phase:
                raise KeyboardInterrupt
            progress(event)

        return original(*arguments, progress=report, **options)

    monkeypatch.setattr(api, "solve", solve)


@pytest.mark.parametrize("phase", ["sgd", "ladder", "polish"])
def test_ctrl_c_saves_the_best_code_and_exits_130(run, tmp_path, monkeypatch, phase):
    interrupt_at(phase, monkeypatch)
    status, out, _ = run("solve", "--n", 30, "--d", 3, "--loss", "mma", "--steps", 300)
    assert status == 130
    assert "Interrupted; the best code so far was kept." in out
    assert run("verify", "tammes_d3_n30.npy")[0] == 0


def test_ctrl_c_while_saving_waits_for_the_files(run, tmp_path, monkeypatch):
    write = files.write_atomically

    def slow(path, content, *, force=False):
        os.kill(os.getpid(), signal.SIGINT)
        write(path, content, force=force)

    monkeypatch.setattr("tammes.storage.formats.write_atomically", slow)
    status, _, _ = run("solve", "--n", 6, "--d", 3)
    assert status == 130
    assert run("verify", "tammes_d3_n6.npy")[0] == 0


def test_ctrl_c_before_there_is_a_code(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tammes.global_search.api.solve", interrupted)
    status, out, err = run("solve", "--n", 30, "--d", 3)
    assert (status, out) == (130, "")
    assert one_line(err)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.3, 4.0])
def test_a_real_sigint_to_a_real_process(tmp_path, delay):
    command = [sys.executable, "-m", "tammes", "solve", "--n", "400", "--d", "4", "--loss", "mma", "--steps", "1000000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter: before Python could listen
    assert delay < 1.0 or (tmp_path / "tammes_d4_n400.npy").exists()
    assert delay < 1.0 or "Traceback" not in err


def test_a_terminal_sees_a_progress_bar(tmp_path):
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tammes", "solve", "--n", "60", "--d", "3", "--loss", "mma", "--steps", "2000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    seen = b""
    try:
        while chunk := os.read(parent, 4096):
            seen += chunk
    except OSError:  # the other end has gone
        pass
    assert process.wait(timeout=60) == 0
    for word in ("sgd", "polish", "best", "known", "gap"):
        assert word.encode() in seen


# --- table ------------------------------------------------------------------------------------


def test_table_of_one_size(run):
    status, out, _ = run("table", "--d", 3, "--n", 30)
    assert status == 0
    assert "38.59711595387" in out
    assert "38.5971159" in out
    assert "Sloane" in out
    assert "upper bound" in out
    document = json.loads(run("table", "--d", 4, "--n", 24, "--json")[1])
    assert document["best"]["exact_max_cosine"] == "1/2"
    assert document["best"]["proved_by"]


def test_table_of_a_dimension(run):
    lines = run("table", "--d", 3, "--csv")[1].splitlines()
    assert len(lines) == 1 + 127 + (len([4, 5, 6]) - 3)
    assert len(json.loads(run("table", "--d", 3, "--json")[1])) == 127
    assert "109.47122063449" in run("table", "--d", 3)[1]


def test_a_missing_entry_exits_1_and_says_what_is_covered(run):
    status, out, err = run("table", "--d", 9, "--n", 77)
    assert (status, out) == (1, "")
    assert one_line(err)
    assert "No stored value for n = 77, d = 9. Stored for d = 9: n = 2 to 18." in err
    assert "No code has an angle above 73.6" in err
    status, out, err = run("table", "--d", 13)
    assert (status, out) == (1, "")
    assert one_line(err)


def test_table_json_and_csv_exclude_each_other(run):
    assert run("table", "--d", 3, "--json", "--csv")[0] == 2


def test_output_into_a_closed_pipe(tmp_path):
    command = f"{sys.executable} -m tammes table --d 3 | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


# --- verify, convert, plot --------------------------------------------------------------------


@pytest.fixture
def solved(run, tmp_path):
    run("solve", "--n", 6, "--d", 3, "-o", "code.npy")
    return tmp_path / "code.npy"


def test_verify_json(run, solved):
    status, out, _ = run("verify", solved, "--json")
    assert status == 0
    document = json.loads(out)
    assert document["holds"]
    assert document["min_angle"] == pytest.approx(math.pi / 2, abs=1e-15)


def test_a_false_claim_exits_1(run, solved):
    record = json.loads(solved.with_suffix(".json").read_text())
    record["min_angle"] += 2e-12
    solved.with_suffix(".json").write_text(json.dumps(record))
    status, out, err = run("verify", solved)
    assert status == 1
    assert "claimed" in out
    assert one_line(err)
    assert "the claim does not hold: min_angle: claimed" in err
    assert run("verify", solved, "--tolerance", "1e-11")[0] == 0
    status, out, _ = run("verify", solved, "--json")
    assert status == 1
    assert json.loads(out)["holds"] is False


def hostile(tmp_path):
    """Files that no one should choke on."""
    pickled = np.array([{"a": 1}, None], dtype=object)
    with (tmp_path / "pickled.npy").open("wb") as stream:
        np.save(stream, pickled, allow_pickle=True)
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "whole.npy", orthoplex(3))
    (tmp_path / "truncated.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-9])
    np.save(tmp_path / "zero.npy", np.vstack([orthoplex(3), np.zeros(3)]))
    np.save(tmp_path / "off.npy", 1.001 * orthoplex(3))
    np.save(tmp_path / "single.npy", np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "nan.npy", np.array([[1.0, 0.0], [math.nan, 1.0]]))
    (tmp_path / "nan.csv").write_text("1,0\nnan,1\n")
    (tmp_path / "words.csv").write_text("1,0\none,two\n")
    return {
        "empty.npy": "the file is empty",
        "truncated.npy": "truncated.npy",
        "pickled.npy": "allow_pickle=False",
        "zero.npy": "non-zero rows. Got row 6",
        "off.npy": "on the unit sphere to 1e-09. Got row 0",
        "single.npy": "normalize",
        "cube.npy": "of shape (n, d)",
        "nan.npy": "finite. Got row 1",
        "nan.csv": "finite. Got row 1",
        "words.csv": "line 2 is not made of numbers",
        "missing.npy": "cannot be read (no such file or directory)",
        ".": "`format` must be one of",
    }


def test_hostile_files(run, tmp_path):
    for name, message in hostile(tmp_path).items():
        for command in (["verify", name], ["convert", name, "out.csv"], ["plot", name, "-o", "out.png"]):
            status, out, err = run(*command)
            assert status in (1, 2), command
            assert out == ""
            assert one_line(err), err
            assert message in err
    assert not (tmp_path / "out.csv").exists()
    assert run("verify", "single.npy", "--normalize")[0] == 0
    assert run("verify", "whole.npy", "--tolerance", "-1")[0] == 2


def test_convert_round_trip(run, tmp_path):
    rng = np.random.default_rng(0)
    points = SphericalCode(rng.normal(size=(9, 3)), normalize=True).points
    np.save(tmp_path / "a.npy", points)
    previous = "a.npy"
    for k, suffix in enumerate([".csv", ".txt", ".npz", ".json", ".off", ".npy"]):
        target = f"b{k}_d3_n9{suffix}"
        status, out, err = run("convert", previous, target)
        assert status == 0, err
        assert "9 points in d = 3" in out
        previous = target
    assert (np.load(tmp_path / previous) == points).all()
    assert run("convert", "a.npy", previous)[0] == 1  # exists
    assert run("convert", "a.npy", previous, "--force")[0] == 0
    run("convert", "a.npy", "plain.txt")
    status, _, err = run("verify", "plain.txt")
    assert status == 2
    assert "--d" in err
    assert run("verify", "plain.txt", "--d", 3)[0] == 0


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_plot(run, solved, suffix):
    target = solved.with_name(f"picture{suffix}")
    assert run("plot", solved, "-o", target)[:2] == (0, f"{target}\n")
    assert target.stat().st_size > 5000


def test_plot_history(run, tmp_path):
    run("solve", "--n", 12, "--d", 3, "--loss", "mma", "--steps", 400)
    assert run("plot", "tammes_d3_n12.npy", "--history")[0] == 0
    assert (tmp_path / "tammes_d3_n12.png").stat().st_size > 5000
    status, _, err = run("plot", "tammes_d3_n12.npy")  # never over an existing picture
    assert status == 1
    assert "--force" in err


def test_plot_history_of_a_closed_form(run, solved):
    status, _, err = run("plot", solved, "--history")
    assert status == 2
    assert "closed forms have none" in err


def test_bad_picture_suffix(run, solved):
    status, _, err = run("plot", solved, "-o", "x.bmp")
    assert status == 2
    assert ".png, .svg, .pdf" in err


# --- bench ------------------------------------------------------------------------------------


def test_bench_gradients(run, tmp_path):
    assert run("bench", "gradients")[0] == 0
    rows = np.genfromtxt(tmp_path / "gradients.csv", delimiter=",", skip_header=1)
    assert rows[:, 1] == pytest.approx(np.ones(len(rows)))  # Eq. 8
    assert rows[:, 2] == pytest.approx(np.sin(rows[:, 0]))  # Eq. 7
    assert (tmp_path / "gradients.png").stat().st_size > 5000


def test_bench_options(run):
    assert "`rows` must be a comma-separated choice of 3x4," in run("bench", "--rows", "4x31")[2]
    assert "`losses` must be one of: mma" in run("bench", "--losses", "mmma")[2]
    assert "`seeds` must be an integer of at least 1. Got 0." in run("bench", "--seeds", "0")[2]
    assert run("bench", "--rows", "600x4")[0] == 2


@pytest.mark.slow
def test_bench_of_two_cells(run, tmp_path):
    arguments = ("bench", "--rows", "3x4", "--losses", "mma,cosine", "--steps", 200, "--workers", 1, "--out", "t")
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert "109.47" in out
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "table1.csv",
        "table1.json",
        "table1.md",
        "table1.png",
    }
    status, out, _ = run(*arguments, "--json")
    assert json.loads(out)["rows"][0]["label"] == "(3, 4)"


# --- odd surroundings -------------------------------------------------------------------------


def test_brackets_in_a_name_are_no_markup(run):
    status, out, _ = run("solve", "--n", 5, "--d", 4, "-o", "[red]x.npy")
    assert status == 0
    assert "[red]x.npy, [red]x.json" in out


def test_a_pipe_is_not_waited_for(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    status, _, err = run("verify", "pipe.npy")
    assert status == 1
    assert one_line(err)
    assert "not a regular file" in err


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_streams_that_speak_only_ascii(tmp_path, extra):
    command = [
        sys.executable,
        "-m",
        "tammes",
        "solve",
        "--n",
        "12",
        "--d",
        "3",
        "--loss",
        "mma",
        "--steps",
        "50",
        *extra,
    ]
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "63.43494882292" in done.stdout
    assert (tmp_path / "tammes_d3_n12.json").exists()


def test_two_points_end_as_antipodes(run):
    status, out, _ = run("solve", "--n", 2, "--d", 3, "--no-analytic", "--steps", 300)
    assert status == 0
    assert "180.0000000000" in out or "179.99999999" in out
    assert "A strict local maximum" in out
