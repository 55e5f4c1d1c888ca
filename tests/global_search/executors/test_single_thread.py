"""One thread in every library, and as it was afterwards."""

import threading

import numba
import pytest
import torch
from threadpoolctl import threadpool_info

from tammes.global_search.executors.single_thread import one_thread


def counts():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads():
    with one_thread():
        pass  # every library is loaded
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_every_library_has_one_thread_and_then_its_own_again():
    before, compiled = counts(), numba.get_num_threads()
    assert before
    with one_thread():
        assert set(counts().values()) == {1}
        assert (torch.get_num_threads(), numba.get_num_threads()) == (1, 1)
    assert counts() == before
    assert (torch.get_num_threads(), numba.get_num_threads()) == (2, compiled)


def test_of_several_inside_at_once_the_last_one_restores():
    before = counts()
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_thread():
            entered.set()
            leave.wait(10)

    worker = threading.Thread(target=other)
    with one_thread():
        worker.start()
        assert entered.wait(10)
    assert blas() == {1}  # the other one still works
    leave.set()
    worker.join()
    assert counts() == before


def test_an_error_inside_restores_too():
    before = counts()
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert counts() == before
