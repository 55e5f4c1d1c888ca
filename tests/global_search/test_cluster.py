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

from tammes.base.errors import InvalidParameterError, MissingPackageError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search import cluster
from tammes.global_search.cluster import hired
from tammes.global_search.crew import Crew
from tammes.global_search.hunt import Hunt, Limits
from tammes.global_search.problem import Problem

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


def hunted(crew, **more):
    hunt = Hunt(Problem(18, 4, seed=3))
    return hunt.run(Limits(seconds=120.0, starts=STARTS), crew=crew, **more), hunt


@pytest.fixture(scope="module")
def local():
    with Crew(1) as alone:
        status, hunt = hunted(alone)
    assert status is Status.STARTS
    return hunt


def same(a, b):
    assert (a.tried, a.applied, a.work) == (b.tried, b.applied, b.work)
    assert all(np.array_equal(x.points, y.points) for x, y in zip(a.pool.members, b.pool.members, strict=True))


@pytest.mark.slow
def test_a_cluster_finds_what_one_process_finds_though_a_worker_is_killed(site, local):
    site.hire(1)
    with hired(scheduler=site.address) as team:
        assert team.workers == 1
        status, hunt = hunted(team)
    assert status is Status.STARTS
    same(hunt, local)

    site.hire(2)
    killed = []

    def kill(progress):
        if progress.step == 2 and not killed:
            killed.append(site.workers[1])
            os.kill(killed[0].pid, signal.SIGKILL)

    with hired(scheduler=site.address) as team:
        assert team.workers == 3
        status, hunt = hunted(team, progress=kill)
    assert status is Status.STARTS
    assert killed[0].wait() == -signal.SIGKILL
    same(hunt, local)


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_search_and_keeps_the_best(site, monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS", 2.0)
    site.hire(1)

    def kill(progress):
        if progress.step == 2:
            site.scheduler.kill()

    began = time.monotonic()
    with hired(scheduler=site.address) as team:
        hunt = Hunt(Problem(18, 4, seed=3))
        status = hunt.run(Limits(starts=100_000), crew=team, progress=kill)
    assert status is Status.WORKERS_LOST
    assert hunt.pool.best is not None
    assert "those who schedule their work went away" in hunt.lost or "takes no more work" in hunt.lost
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
def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS", 1.0)
    with silence() as address, pytest.raises(WorkersLostError, match=rf"no Dask scheduler answers at {address} within"):
        hired(scheduler=address).__enter__()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(WorkersLostError, match=f"no Dask scheduler answers at {address}"):
        hired(scheduler=address).__enter__()


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
        hired(scheduler="tls://127.0.0.1:1").__enter__()
    assert asked == [("tls://127.0.0.1:1", {"timeout": cluster._SECONDS, **certificates})]


@pytest.mark.parametrize("address", ["", "nonsense://x:1", "tcp://host:notaport"])
def test_an_address_that_is_none(address):
    with pytest.raises((InvalidParameterError, WorkersLostError)) as caught:
        hired(scheduler=address).__enter__()
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
        hired(scheduler="tcp://127.0.0.1:8786").__enter__()


def test_one_kind_of_worker_is_asked_for():
    with ThreadPoolExecutor(3) as pool:
        with hired(executor=pool) as team:
            assert team.workers == 3
        for more in ({"workers": 2}, {"scheduler": "tcp://127.0.0.1:8786"}):
            with pytest.raises(InvalidParameterError, match="given without others to do the work"):
                hired(executor=pool, **more).__enter__()
    with pytest.raises(InvalidParameterError, match="an executor, with the `submit`"):
        hired(executor=3).__enter__()
    with hired(2) as team:
        assert team.workers == 2
