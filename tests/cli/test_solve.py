"""`tammes solve`: points and record, what is refused before the work, what Ctrl-C and a full disk leave."""

import json
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
from command_line import RECORD_SCHEMA, one_line

from tammes.base.errors import FileAccessError
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex
from tammes.storage import atomic, formats


def test_solve_writes_points_and_record(run, tmp_path):
    status, out, err = run("solve", "--n", 20, "--d", 3, "--loss", "mma", "--steps", 500)
    assert (status, err) == (0, "")
    points = np.load(tmp_path / "tammes_d3_n20.npy", allow_pickle=False)
    record = json.loads((tmp_path / "tammes_d3_n20.json").read_text())
    assert points.dtype == np.float64
    assert points.shape == (20, 3)
    jsonschema.validate(record, RECORD_SCHEMA)
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
    jsonschema.validate(json.loads(out), RECORD_SCHEMA)


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


@pytest.mark.parametrize("suffix", sorted(formats.FORMATS))
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
    write = atomic.write_atomically

    def full(path, content, *, force=False):
        if Path(path).resolve().parent == tmp_path:
            raise FileAccessError(path, "cannot be written (no space left on device)")
        write(path, content, force=force)

    monkeypatch.setattr("tammes.storage.atomic.write_atomically", full)
    status, _, err = run("solve", "--n", 12, "--d", 3, "--loss", "mma", "--steps", 200)
    assert status == 1
    assert one_line(err)
    assert "no space left on device" in err
    saved = Path(err.split("saved as ")[1].split(" instead")[0])
    assert formats.load(saved).n == 12
    assert json.loads(formats.sidecar(saved).read_text())["n"] == 12


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
    write = atomic.write_atomically

    def slow(path, content, *, force=False):
        os.kill(os.getpid(), signal.SIGINT)
        write(path, content, force=force)

    monkeypatch.setattr("tammes.storage.atomic.write_atomically", slow)
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


LONG_RUN = ["solve", "--n", "400", "--d", "4", "--loss", "mma", "--steps", "1000000"]


def on_a_terminal(folder, *words):
    """Start a command with stderr on a terminal; the process, and an iterator over what the terminal sees."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tammes", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)

    def seen():
        try:
            while chunk := os.read(parent, 4096):
                yield chunk
        except OSError:  # the other end has gone
            return
        finally:
            os.close(parent)

    return process, seen()


@pytest.mark.slow
def test_a_real_sigint_saves_the_best_code(tmp_path):
    process, seen = on_a_terminal(tmp_path, *LONG_RUN)
    terminal = b""
    for chunk in seen:
        if b"best" in chunk and b"best" not in terminal:  # the first report of the search
            process.send_signal(signal.SIGINT)
        terminal += chunk
    assert process.wait(timeout=60) == 130
    assert b"Traceback" not in terminal
    assert formats.load(tmp_path / "tammes_d4_n400.npy").n == 400


@pytest.mark.slow
def test_a_real_sigint_while_the_program_starts(tmp_path):
    command = [sys.executable, "-m", "tammes", *LONG_RUN]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) in (130, -signal.SIGINT)  # the latter: before Python could listen
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_a_progress_bar(tmp_path):
    process, seen = on_a_terminal(tmp_path, "solve", "--n", "60", "--d", "3", "--loss", "mma", "--steps", "2000")
    terminal = b"".join(seen)
    assert process.wait(timeout=60) == 0
    for word in ("sgd", "polish", "best", "known", "gap"):
        assert word.encode() in terminal


def test_two_points_end_as_antipodes(run):
    status, out, _ = run("solve", "--n", 2, "--d", 3, "--no-analytic", "--steps", 300)
    assert status == 0
    angle = float(out.partition("minimal angle")[2].split("°")[0])
    assert angle == pytest.approx(180.0, abs=1e-7)
    assert "A strict local maximum" in out
