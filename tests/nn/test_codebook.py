"""The codebook: its guarantee against 50 digits in every dtype, its sources in order, determinism, bad input."""

import math

import numpy as np
import oracles
import pytest
import torch

import tammes
from tammes.base.errors import DeviceError, InvalidParameterError
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.nn import codebook as directions
from tammes.nn.codebook import DTYPES, Codebook, codebook, rotated
from tammes.storage.archive import Archive


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("n", "d"), [(4, 3), (9, 5), (12, 3), (20, 13)])
def test_the_guarantee_holds_for_the_rows_as_stored(n, d, dtype):
    book = codebook(n, d, dtype=dtype, starts=2, steps=20)
    largest = oracles.largest_cosine(book.directions)
    assert book.directions.dtype == dtype
    assert largest <= book.max_cosine <= largest + 1e-13
    lengths = book.directions.double().norm(dim=1)
    assert torch.allclose(lengths, torch.ones(n, dtype=torch.float64), atol=4.0 * torch.finfo(dtype).eps)
    assert math.cos(math.radians(book.min_angle_degrees)) == pytest.approx(book.max_cosine, abs=1e-12)
    assert book.gap_degrees > -math.degrees(4.0 * torch.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("n", "d", "cosine", "source"),
    [
        (2, 2, -1.0, "closed form: simplex"),
        (65, 64, -1.0 / 64, "closed form: simplex"),
        (9, 2, math.cos(2 * math.pi / 9), "closed form: regular polygon"),
        (100, 64, 0.0, "closed form: part of the orthoplex"),
        (128, 64, 0.0, "closed form: orthoplex"),
        (120, 4, (1 + 5**0.5) / 4, "construction: 600-cell"),
        (240, 8, 0.5, "construction: E8"),
        (275, 22, 1 / 6, "construction: mclaughlin"),
        (288, 16, 0.25, "construction: kerdock"),
    ],
)
def test_what_is_known_exactly_is_returned(n, d, cosine, source):
    book = codebook(n, d, dtype=torch.float64)
    assert book.source == source
    assert book.max_cosine == pytest.approx(cosine, abs=1e-13)
    assert book.bound.max_cosine <= book.max_cosine
    assert book.status is Status.CLOSED_FORM


@pytest.mark.slow
def test_a_named_code_that_is_not_the_best_is_not_returned():
    cube = codebook(8, 3)  # the antiprism is better
    assert cube.source == "construction: square-antiprism"
    many = codebook(64, 6, starts=1)  # the hypercube has the cosine 2/3
    assert "hypercube" not in many.source
    assert many.max_cosine < 0.51


def test_a_part_of_a_larger_code_where_the_solver_is_worse(monkeypatch):
    calls = []
    monkeypatch.setattr(directions, "_solved", lambda *a: calls.append(a) or directions._Found(None, 1.0, "", None))
    book = codebook(600, 32, dtype=torch.float64)
    assert book.source == "construction: part of Gold's words (2048 points)"
    assert book.max_cosine == pytest.approx(0.25, abs=1e-12)
    assert math.cos(calls[0][5]) == pytest.approx(0.25)  # the angle that the solver must exceed


def test_the_ladder_is_returned_where_it_is_better():
    book = codebook(200, 32, starts=1, steps=15)
    assert book.source == "soft-maximum ladder: 1 start, 15 iterations a rung, seed 0"
    assert book.bound.max_cosine < book.max_cosine < 0.2  # Gold's words have 0.25


def test_no_ladder_beyond_its_largest_work(monkeypatch):
    monkeypatch.setattr(directions, "_LADDER_LARGEST", 1e6)
    assert codebook(600, 32).status is Status.CLOSED_FORM


def test_zero_steps_use_no_solver():
    book = codebook(600, 32, steps=0)
    assert book.source == "construction: part of Gold's words (2048 points)"
    assert book.max_cosine == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(InvalidParameterError, match="`steps` must be at least 1 for n = 2000, d = 5"):
        codebook(2_000, 5, steps=0)


def test_the_archive_is_used_only_on_request(tmp_path):
    best = codebook(9, 4, starts=4, dtype=torch.float64)
    Archive(tmp_path).offer(SphericalCode(best.directions.numpy(), normalize=True))
    poor = codebook(9, 4, starts=4)
    assert poor.source.startswith("search")
    for archive in (tmp_path, str(tmp_path), Archive(tmp_path)):
        assert codebook(9, 4, starts=4, archive=archive).max_cosine <= poor.max_cosine + 1e-7
    stored = oracles.random_code(9, 4)  # worse than any search: not returned
    Archive(tmp_path / "poor").offer(SphericalCode(stored))
    assert codebook(9, 4, starts=4, archive=tmp_path / "poor").source.startswith("search")


def test_the_archives_code_is_returned_where_it_is_better(tmp_path, monkeypatch):
    code = SphericalCode(codebook(20, 4, dtype=torch.float64).directions.numpy(), normalize=True)
    Archive(tmp_path).offer(code)
    poor = directions._Found(oracles.random_code(20, 4), 0.99, "poor", Status.STARTS)
    monkeypatch.setattr(directions, "_solved", lambda *_: poor)
    book = codebook(20, 4, archive=tmp_path, dtype=torch.float64)
    assert book.source == f"archive: {Archive(tmp_path).path_of(20, 4)}, SHA-256 {code.digest[:16]}"
    assert book.max_cosine == pytest.approx(code.max_cosine, abs=1e-12)


@pytest.mark.parametrize(("n", "d"), [(5, 8), (30, 16), (14, 4), (90, 20)])
def test_the_same_bits_again_and_no_random_state_is_touched(n, d):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global one
    first, again = (codebook(n, d, seed=5, starts=2, steps=5) for _ in range(2))
    assert torch.equal(first.directions, again.directions)
    assert first.max_cosine == again.max_cosine
    assert not torch.equal(first.directions, codebook(n, d, seed=6, starts=2, steps=5).directions)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


def test_the_tensor_is_a_leaf_and_gradients_flow_if_asked():
    fixed = codebook(6, 8).directions
    assert fixed.is_leaf
    assert not fixed.requires_grad
    start = codebook(6, 8, requires_grad=True).directions
    assert start.is_leaf
    (start @ start.T).triu(1).sum().backward()
    assert torch.isfinite(start.grad).all()
    assert start.grad.any()


def test_rotated_is_an_isometry_that_fills_the_space():
    points = oracles.simplex(6)
    padded = np.pad(points, ((0, 0), (0, 4)))
    turned = rotated(padded, seed=1)
    assert turned.shape == padded.shape
    assert np.allclose(turned @ turned.T, points @ points.T, atol=1e-14)
    assert (np.abs(turned) > 1e-6).all()
    assert np.array_equal(padded[:, 6:], np.zeros((7, 4)))


def test_rotations_are_drawn_evenly():
    axis = np.eye(3)[:2]
    images = np.stack([rotated(axis, seed) for seed in range(2_000)])
    for moment in (images[:, 0].mean(axis=0), images[:, 1].mean(axis=0)):
        assert np.abs(moment).max() < 5.0 * (1.0 / 3.0 / 2_000) ** 0.5
    second = np.einsum("ski,skj->kij", images, images) / 2_000
    assert np.allclose(second, np.eye(3) / 3.0, atol=0.04)


def test_rotate_false_keeps_the_axes():
    assert torch.equal(codebook(6, 3, rotate=False).directions, torch.cat([torch.eye(3), -torch.eye(3)]))


def test_an_interrupt_returns_the_best_so_far():
    def stop(_):
        raise KeyboardInterrupt

    book = codebook(90, 20, steps=5, progress=stop)
    assert book.status is Status.INTERRUPTED
    assert oracles.largest_cosine(book.directions[:20]) <= book.max_cosine


def test_an_interrupt_before_the_solver_has_anything(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(directions, "_solved", stop)
    book = codebook(200, 8)
    assert (book.source, book.status) == ("construction: part of E8 (240 points)", Status.INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        codebook(100, 3)  # no code is known


def test_the_package_offers_it():
    assert tammes.codebook is codebook
    assert tammes.Codebook is Codebook
    text = repr(codebook(4, 3))
    assert text.startswith("Codebook(n=4, d=3, max_cosine=-0.333333")
    assert text.endswith("source='closed form: simplex')")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n": 1}, "n"),
        ({"n": 2.5}, "n"),
        ({"d": 1}, "d"),
        ({"seed": -1}, "seed"),
        ({"starts": 0}, "starts"),
        ({"steps": True}, "steps"),
        ({"dtype": torch.int64}, "dtype"),
        ({"dtype": torch.complex64}, "dtype"),
        ({"dtype": "float32"}, "dtype"),
        ({"device": "meta"}, "device"),
        ({"device": "nowhere"}, "device"),
        ({"archive": 3}, "archive"),
    ],
)
def test_bad_input(change, name):
    arguments = {"n": 30, "d": 5, **change}
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be"):
        codebook(**arguments)


def test_a_device_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("CUDA is available")
    with pytest.raises(DeviceError, match="CUDA is not available"):
        codebook(4, 3, device="cuda")


@pytest.mark.parametrize("options", [{"requires_grad": 1}, {"rotate": "no"}], ids=str)
def test_switches_are_true_or_false(options):
    with pytest.raises(InvalidParameterError, match="True or False"):
        codebook(5, 3, **options)


@pytest.mark.parametrize("size", [(10**30, 3), (3, 10**30), (10**6, 10**6)])
def test_sizes_beyond_any_memory(size):
    with pytest.raises(InvalidParameterError, match="n \\* d is at most"):
        codebook(*size)
