"""`tammes convert`: from format to format without losing a bit."""

import numpy as np

from tammes.codes.spherical_code import SphericalCode


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
