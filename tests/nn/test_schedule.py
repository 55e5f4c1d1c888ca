"""The schedule of the term: due calls, seeds, nearest rows that are kept, the state."""

import oracles
import pytest
import torch

from tammes.base.errors import InvalidParameterError
from tammes.losses import MMA
from tammes.nn.schedule import Schedule


def test_calls_are_counted_from_zero():
    schedule = Schedule(every=1, refresh_every=1, seed=0)
    assert [int(schedule.tick()) for _ in range(3)] == [0, 1, 2]
    assert schedule.calls == 3


def test_one_call_in_every_is_active():
    schedule = Schedule(every=3, refresh_every=1, seed=0)
    assert [bool(schedule.active(schedule.tick())) for _ in range(7)] == [True, False, False] * 2 + [True]
    always = Schedule(every=1, refresh_every=1, seed=0)
    assert always.active(always.tick()) is None


def test_seeds_differ_between_calls_layers_and_seeds():
    seeds = set()
    for seed in (0, 1, 2**40 - 1):
        schedule = Schedule(every=1, refresh_every=1, seed=seed)
        for _ in range(4):
            now = schedule.tick()
            seeds |= {int(schedule.loss_seed(now, number)) for number in range(5)}
    assert len(seeds) == 3 * 4 * 5


def test_a_restarted_schedule_repeats_the_seeds():
    schedule = Schedule(every=2, refresh_every=3, seed=7)
    first = [int(schedule.loss_seed(schedule.tick(), 1)) for _ in range(3)]
    again = schedule.restarted()
    assert (again.calls, again.every, again.refresh_every) == (0, 2, 3)
    assert [int(again.loss_seed(again.tick(), 1)) for _ in range(3)] == first


@pytest.mark.parametrize(("every", "refresh_every"), [(1, 3), (2, 2)])
def test_nearest_rows_are_searched_when_due_and_kept_in_between(every, refresh_every):
    schedule, loss = Schedule(every, refresh_every, seed=0), MMA()
    codes = [torch.from_numpy(oracles.random_code(9, 4, seed)) for seed in range(2 * every * refresh_every)]
    exact = [torch.from_numpy(oracles.cosines_without_diagonal(code.numpy()).argmax(axis=1)) for code in codes]
    for call, code in enumerate(codes):
        found = schedule.nearest_rows("layer", loss, code, schedule.tick(), None)
        assert torch.equal(found, exact[call - call % (every * refresh_every)])


def test_a_layer_of_another_size_is_searched_at_once():
    schedule, loss = Schedule(1, 10, seed=0), MMA()
    schedule.nearest_rows("layer", loss, torch.from_numpy(oracles.random_code(9, 4)), schedule.tick(), None)
    code = oracles.random_code(6, 4)
    found = schedule.nearest_rows("layer", loss, torch.from_numpy(code), schedule.tick(), None)
    assert found.tolist() == oracles.cosines_without_diagonal(code).argmax(axis=1).tolist()


def test_a_state_is_a_copy_and_is_restored():
    schedule, loss = Schedule(1, 5, seed=0), MMA()
    code = torch.from_numpy(oracles.random_code(9, 4))
    nearest = schedule.nearest_rows("layer", loss, code, schedule.tick(), None)
    state = schedule.state_dict()
    schedule.tick()
    assert state["calls"] == 1
    other = Schedule(1, 5, seed=0)
    other.load_state_dict(state, {"layer"})
    assert other.calls == 1
    kept = other.nearest_rows("layer", loss, torch.from_numpy(oracles.random_code(9, 4, 1)), other.tick(), None)
    assert torch.equal(kept, nearest)
    with pytest.raises(InvalidParameterError, match="`state` must be"):
        Schedule(1, 5, seed=0).load_state_dict(state, {"another layer"})
