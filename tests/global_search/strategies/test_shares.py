"""Fair shares: nothing starves, what pays gets more, a saved state goes on the same way."""

import json

from tammes.global_search.strategies.shares import Arm, Shares


def run(shares, rounds, winner=None):
    """How often each arm was next; the winner's rounds improve."""
    counts = dict.fromkeys((arm.name for arm in shares.arms), 0)
    for _ in range(rounds):
        arm = shares.next(list(counts))
        counts[arm.name] += 1
        shares.record(arm.name, 10.0, improved=arm.name == winner, hit=False)
    return counts


def three():
    return Shares([Arm("a", 1.0), Arm("b", 1.0), Arm("c", 2.0)])


def test_work_follows_the_weights():
    counts = run(three(), 400)
    assert counts["a"] == counts["b"] == 100
    assert counts["c"] == 200


def test_a_dear_arm_gets_fewer_rounds_for_the_same_work():
    shares = Shares([Arm("cheap", 1.0), Arm("dear", 1.0)])
    for _ in range(220):
        arm = shares.next(["cheap", "dear"])
        shares.record(arm.name, 10.0 if arm.name == "dear" else 1.0, improved=False, hit=False)
    assert 5 < shares["cheap"].rounds / shares["dear"].rounds < 20


def test_what_pays_gets_more_and_nothing_starves():
    counts = run(three(), 400, winner="a")
    assert counts["a"] > counts["c"] > counts["b"] > 20


def test_what_no_longer_pays_falls_back():
    shares = three()
    run(shares, 50, winner="a")
    gained = shares["a"].weight
    run(shares, 400)
    assert shares["a"].weight < 0.3 * gained
    assert shares["a"].weight >= 1.0


def test_only_what_is_ready_is_chosen():
    assert {three().next(["b"]).name for _ in range(5)} == {"b"}


def test_rounds_under_way_are_charged():
    shares = three()
    first = [shares.next(["a", "b"]).name for _ in range(4)]  # none has ended yet
    assert sorted(first) == ["a", "a", "b", "b"]


def test_a_saved_state_goes_on_the_same_way():
    shares = three()
    run(shares, 37, winner="b")
    other = three()
    other.restore(json.loads(json.dumps(shares.to_dict())))
    assert run(shares, 50) == run(other, 50)
