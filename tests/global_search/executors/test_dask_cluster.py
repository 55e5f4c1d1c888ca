"""A real Dask cluster, of processes as a site starts them: its workers die, its scheduler goes away."""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from tammes.base.budget import silent
from tammes.base.errors import ConflictingOptionsError, InvalidParameterError, MissingPackageError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search.executors.dask_cluster import open_cluster
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.executors.opening import open_executor
from tammes.global_search.loop import run_search
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.strategies.portfolio import Portfolio
from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.polish.polish import Polish

pytest.importorskip("distributed")

STARTS = 60


class Cluster:
    """A scheduler and its workers, one thread each."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        self.workers = []
        deadline = time.monotonic() + 60.0
        while not self._read():
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)
        self.address = self._read()["address"]

    def _read(self):
        """What the scheduler says of itself; nothing before it has written all of it."""
        try:
            return json.loads(self.file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def _start(self, *words):
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        command += ["--scheduler-file", str(self.file), "--no-dashboard"]
        with (self.folder / f"{words[0]}-{time.monotonic_ns()}.log").open("w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def hire(self, count):
        """Workers without nannies: who is killed stays dead."""
        words = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        self.workers += [self._start("worker", *words) for _ in range(count)]
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len([each for each in self.workers if each.poll() is None]), timeout=60)

    def close(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@pytest.fixture
def site(tmp_path):
    site = Cluster(tmp_path)
    yield site
    site.close()


def searched(executor, seconds=120.0, starts=STARTS, progress=silent):
    problem = Problem(18, 4, seed=3)
    strategy, state = Portfolio(problem), SearchState(problem)
    solver = LadderAndPolish(CompiledLadder(), Polish())
    result = run_search(problem, strategy, solver, executor, Limits(seconds, starts), None, progress, state=state)
    return result, state


@pytest.fixture(scope="module")
def local():
    result, state = searched(InProcess())
    assert result.status is Status.STARTS
    return state


def same(a, b):
    assert (a.tried, a.applied, a.evaluations) == (b.tried, b.applied, b.evaluations)
    assert all(np.array_equal(x.points, y.points) for x, y in zip(a.pool.members, b.pool.members, strict=True))


@pytest.mark.slow
def test_a_cluster_finds_what_one_process_finds_though_a_worker_is_killed(site, local):
    site.hire(1)
    with open_executor(scheduler=site.address) as team:
        assert team.workers == 1
        result, state = searched(team)
    assert result.status is Status.STARTS
    same(state, local)

    site.hire(2)
    killed = []

    def kill(progress):
        if progress.step == 2 and not killed:
            killed.append(site.workers[1])
            os.kill(killed[0].pid, signal.SIGKILL)

    with open_executor(scheduler=site.address) as team:
        assert team.workers == 3
        result, state = searched(team, progress=kill)
    assert result.status is Status.STARTS
    assert killed[0].wait() == -signal.SIGKILL
    same(state, local)


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_search_and_keeps_the_best(site):
    site.hire(1)

    def kill(progress):
        if progress.step == 2:
            site.scheduler.kill()

    began = time.monotonic()
    with open_cluster(site.address, seconds=2.0) as team:
        result, _ = searched(team, None, 100_000, kill)
    assert result.status is Status.WORKERS_LOST
    assert result.code.n == 18
    lost = result.phases[0]["lost"]
    assert "the scheduler of the workers is gone" in lost or "takes no more work" in lost
    assert time.monotonic() - began < 60.0  # of days


@pytest.mark.slow
def test_the_command_searches_on_a_cluster(site, tmp_path):
    site.hire(2)
    output = tmp_path / "code.npy"
    command = [sys.executable, "-m", "tammes", "search", "--d", "3", "--n", "12", "--scheduler", site.address]
    done = subprocess.run([*command, "--output", str(output)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "63.434948822922" in done.stdout
    assert output.is_file()


@contextmanager
def silence():
    """A port where somebody listens and nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer():
    with silence() as address, pytest.raises(WorkersLostError, match=rf"no Dask scheduler answers at {address} within"):
        open_cluster(address, seconds=1.0).__enter__()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(WorkersLostError, match=f"no Dask scheduler answers at {address}"):
        open_cluster(address, seconds=1.0).__enter__()


def test_the_greeting_has_the_certificates_of_the_site(monkeypatch):
    import distributed

    asked = []

    async def connect(address, **more):
        asked.append((address, more))
        raise OSError("nobody")

    certificates = {"ssl_context": object(), "require_encryption": True}
    monkeypatch.setattr(distributed.Security, "get_connection_args", lambda self, role: {role: certificates}["client"])
    monkeypatch.setattr(distributed.comm, "connect", connect)
    with pytest.raises(WorkersLostError, match="no Dask scheduler answers at tls://127"):
        open_executor(scheduler="tls://127.0.0.1:1").__enter__()
    assert asked == [("tls://127.0.0.1:1", {"timeout": 10.0, **certificates})]


@pytest.mark.parametrize("address", ["", "nonsense://x:1", "tcp://host:notaport"])
def test_an_address_that_is_none(address):
    with pytest.raises((InvalidParameterError, WorkersLostError)) as caught:
        open_executor(scheduler=address).__enter__()
    assert "scheduler" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_dask_its_package_is_named(monkeypatch):
    real = importlib.import_module

    def absent(name, *more):
        if name == "distributed":
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingPackageError, match=r"tammes\[distributed\]"):
        open_executor(scheduler="tcp://127.0.0.1:8786").__enter__()


def test_one_kind_of_worker_is_asked_for():
    with ThreadPoolExecutor(3) as pool:
        with open_executor(executor=pool) as team:
            assert team.workers == 3
        for more in ({"workers": 2}, {"scheduler": "tcp://127.0.0.1:8786"}):
            with pytest.raises(ConflictingOptionsError, match="exclude each other"):
                open_executor(executor=pool, **more).__enter__()
    with pytest.raises(InvalidParameterError, match="an executor, with the `submit`"):
        open_executor(executor=3).__enter__()
    with open_executor(2) as team:
        assert team.workers == 2
