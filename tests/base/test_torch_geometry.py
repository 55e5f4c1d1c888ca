"""Torch's pair geometry against the judge's: one formula, two realisations."""

import math

import numpy as np
import oracles
import pytest
import torch

from tammes import losses
from tammes.base import geometry
from tammes.base import torch_geometry as pairs


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


@pytest.mark.parametrize("theta", [1e-8, 1e-3, 1.0, math.pi / 2, 3.0, math.pi - 1e-8])
def test_tangents_are_those_of_the_judge(theta):
    u = np.array([[0.6, 0.8, 0.0]])
    v = math.cos(theta) * u + math.sin(theta) * np.array([[0.0, 0.0, 1.0]])
    angle, toward, back = pairs.pair_tangents(torch.from_numpy(u), torch.from_numpy(v), None, torch.tensor([0]), 1)
    expected = geometry.pair_tangents(u, v)
    assert float(angle[0]) == pytest.approx(float(geometry.angle(u, v)[0]), rel=4e-16)
    assert np.abs(toward.numpy() - expected[0]).max() < 1e-15
    assert np.abs(back.numpy() - expected[1]).max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_size", [None, 1000, 7])
def test_nearest_rows_are_those_of_the_judge(dtype, block_size):
    points = np.stack([rows(60, 3, seed) for seed in range(2)])
    weight = torch.from_numpy(points).to(dtype)
    points = weight.double().numpy() / np.linalg.norm(weight.double().numpy(), axis=-1, keepdims=True)
    found = pairs.nearest_rows(weight, pairs.row_lengths(weight), block_size=block_size)
    for k in range(2):
        assert (found[k].numpy() == geometry.nearest_neighbours(points[k])[1]).all()


def test_copies_part_along_fixed_opposite_tangents():
    u = torch.from_numpy(np.repeat(np.eye(5)[:1], 2, axis=0))
    index = torch.tensor([1, 0])
    theta, toward, back = pairs.pair_tangents(u, u[index], None, index, 2)
    assert theta.tolist() == [0.0, 0.0]
    assert torch.equal(toward, -back)
    assert toward[0].tolist() == pytest.approx((-toward[1]).tolist())
    assert toward.norm(dim=-1).tolist() == pytest.approx([1.0, 1.0])
    assert (toward * u).sum(dim=-1).abs().max() < 1e-15


def test_unit_rows_and_lengths_are_float64():
    weight = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]], dtype=torch.float16)
    length = pairs.row_lengths(weight)
    unit = pairs.unit_rows(weight, length)
    assert unit.dtype == length.dtype == torch.float64
    assert unit[0, 0].tolist() == pytest.approx([0.6, 0.8])
    assert length.flatten().tolist() == [5.0, 2.0]


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_lengths_of_float32_rows_whose_squares_leave_its_range(scale):
    weight = scale * torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])
    assert pairs.row_lengths(weight).flatten().tolist() == pytest.approx([5.0 * scale, 2.0 * scale], rel=1e-6)


@pytest.mark.parametrize("block_size", [1, 9, 50, 100, 1000, None])
@pytest.mark.parametrize(("batch", "n"), [(1, 10), (3, 7), (1, 1), (2, 0)])
def test_tiles_cover_every_pair_once(batch, n, block_size):
    unit = torch.from_numpy(np.random.default_rng(0).normal(size=(batch, n, 3)))
    seen = torch.zeros(batch, n, n)
    for some, here, there, gram in pairs.gram_tiles(unit, block_size):
        torch.testing.assert_close(gram, (unit @ unit.mT)[some, here, there])
        assert gram.numel() <= max(block_size or gram.numel(), 1)
        seen[some, here, there] += 1
        if here != there:
            seen[some, there, here] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("block_size", [None, 30])
@pytest.mark.parametrize("spread", [1.0, 1e-5])  # narrower than a float32 cosine resolves
def test_nearest_lines_and_labels_against_a_double_loop(spread, block_size):
    rng = np.random.default_rng(1)
    points = np.array([1.0, 0.0, 0.0]) + spread * rng.normal(size=(25, 3))
    points[::3] *= -1.0
    labels = rng.integers(0, 4, size=25)
    labels[3] = 9
    weight = torch.from_numpy(points)[None]
    for antipodal in (False, True):
        for group in (None, labels):
            found = pairs.nearest_rows(
                weight,
                pairs.row_lengths(weight),
                block_size=block_size,
                antipodal=antipodal,
                labels=None if group is None else torch.from_numpy(group)[None],
            )[0]
            for i in range(25):
                rivals = [j for j in range(25) if j != i and (group is None or group[j] != group[i])]
                angles = [float(oracles.angle(points[i], points[j])) for j in rivals]
                if antipodal:
                    angles = [min(angle, math.pi - angle) for angle in angles]
                assert found[i] == rivals[int(np.argmin(angles))]


def test_a_row_without_rivals_has_no_neighbour():
    weight = torch.eye(3, dtype=torch.float64)[None]
    found = pairs.nearest_rows(weight, pairs.row_lengths(weight), labels=torch.tensor([[1, 1, 1]]))
    assert found.tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_path_of_gpus_gives_the_same_on_a_cpu(name, monkeypatch):
    """Where a GPU would not wait for a test's outcome it does the work unasked: the result is the same."""
    weight = torch.from_numpy(np.stack([rows(40, 3), rows(40, 3, 1)]))
    weight[0, 7] = weight[0, 3]  # copies
    weight[1, 5] = weight[1, 6] + 1e-3  # a close pair
    expected = losses.get(name).value_and_grad(weight)
    monkeypatch.setattr(pairs, "on_gpu", lambda _: True)
    found = losses.get(name).value_and_grad(weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "few"), [((8, 30, 3), True), ((1, 5000, 4), False)])
def test_small_weights_are_given_one_thread_and_the_others_back(shape, few):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pairs.few_threads(torch.ones(shape)):
            assert torch.get_num_threads() == (1 if few else 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def crowd(kind, n, d):
    """Rows that are hard for a tree: copies, lines, heaps."""
    rng = np.random.default_rng(7)
    points = rng.normal(size=(n, d))
    if kind == "copies":
        points[n // 2 :] = points[: n - n // 2]
        points[:40] = points[0]
    elif kind == "antipodes":
        points[n // 2 :] = -3.0 * points[: n - n // 2]
    elif kind == "one cap":
        points = np.eye(d)[0] + 1e-7 * points
    elif kind == "heaps":
        points = rng.normal(size=(9, d))[rng.integers(0, 9, n)] + 1e-4 * points
    return torch.from_numpy(points)


@pytest.mark.parametrize("antipodal", [False, True])
@pytest.mark.parametrize("kind", ["spread", "copies", "antipodes", "one cap", "heaps"])
@pytest.mark.parametrize(
    ("n", "d", "dtype"), [(1500, 3, torch.float64), (1000, 2, torch.float32), (2500, 5, torch.float32)]
)
def test_a_tree_finds_what_tiles_find(n, d, dtype, kind, antipodal, monkeypatch):
    """The same chords: of rows at the same distance either may be the nearest."""
    weight = crowd(kind, n, d).to(dtype)[None]
    length = pairs.row_lengths(weight)
    by_tree = pairs.nearest_rows(weight, length, antipodal=antipodal)[0]
    monkeypatch.setattr(pairs, "_TREE_DIMENSION", 0)
    by_tiles = pairs.nearest_rows(weight, length, antipodal=antipodal)[0]
    unit = pairs.unit_rows(weight, length)[0].numpy()
    chords = []
    for found in (by_tree.numpy(), by_tiles.numpy()):
        assert (found != np.arange(n)).all()
        chord = np.linalg.norm(unit - unit[found], axis=1)
        chords.append(np.minimum(chord, np.linalg.norm(unit + unit[found], axis=1)) if antipodal else chord)
    assert np.abs(chords[0] - chords[1]).max() <= (1e-15 if dtype == torch.float64 else 2e-6)


@pytest.mark.slow
def test_a_tree_serves_from_where_it_wins_and_only_there(monkeypatch):
    used = []
    monkeypatch.setattr(pairs, "_nearest_by_tree", lambda unit, **_: used.append(unit.shape) or torch.zeros(len(unit)))
    for n, d in ((1500, 3), (1499, 3), (4500, 9)):
        weight = torch.randn(1, n, d, generator=torch.Generator().manual_seed(0))
        pairs.nearest_rows(weight, pairs.row_lengths(weight))
        pairs.nearest_rows(weight, pairs.row_lengths(weight), labels=torch.arange(n)[None])
    assert used == [(1500, 3)]


@pytest.mark.parametrize("antipodal", [False, True])
def test_losses_of_many_rows_do_not_depend_on_how_neighbours_are_found(antipodal, monkeypatch):
    weight = crowd("spread", 1800, 3)
    weight[5] = 0.0
    for loss in (losses.MMA(antipodal=antipodal), losses.Cosine(antipodal=antipodal)):
        by_tree = loss.value_and_grad(weight)
        with monkeypatch.context() as patched:
            patched.setattr(pairs, "_TREE_DIMENSION", 0)
            by_tiles = loss.value_and_grad(weight)
        torch.testing.assert_close(by_tree, by_tiles, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalised_rows_are_those_of_numpy_in_their_dtype(dtype):
    rows = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    unit = pairs.normalize_rows(rows)
    assert unit.dtype == dtype
    expected = geometry.normalize_rows(rows.double().numpy())
    np.testing.assert_allclose(unit.double().numpy(), expected, rtol=0, atol=4 * torch.finfo(dtype).eps)
