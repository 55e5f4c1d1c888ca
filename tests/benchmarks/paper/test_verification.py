"""Face verification: thresholds against brute force, folds against those written out, embeddings against one by one."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.paper import verification_accuracy as va
from benchmarks.paper.augmentation import HALF, Augmentation
from benchmarks.paper.images import Pairs
from tammes.base.errors import InvalidParameterError

CENTRED = Augmentation(*HALF, pad=0, flip=False)
"""The scaling of ArcFace: (x - 127.5) / 128."""


def some(pairs, seed, ties=False):
    """Distances from 0 to 2 of pairs, the same ones nearer on the whole."""
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.5
    distance = np.clip(rng.normal(np.where(same, 0.9, 1.2), 0.25), 0.0, 2.0)
    return (np.round(distance, 1) if ties else distance), same


def brute_force(distance, same):
    """The most pairs that any threshold classifies correctly: one between any two distances is tried."""
    candidates = [-1.0, *(np.nextafter(one, 9.0) for one in distance)]
    return max(sum((one < t) == answer for one, answer in zip(distance, same, strict=True)) for t in candidates)


# --- thresholds and folds -------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_no_threshold_is_right_more_often(seed, ties):
    distance, same = some(60, seed, ties)
    threshold = va.best_threshold(distance, same)
    assert int(np.sum((distance < threshold) == same)) == brute_force(distance, same)


@pytest.mark.parametrize("seed", range(5))
def test_of_several_best_thresholds_the_smallest(seed):
    distance, same = some(40, seed, ties=True)
    threshold = va.best_threshold(distance, same)
    best = np.mean((distance < threshold) == same)
    for smaller in np.unique(distance[distance < threshold]):
        assert np.mean((distance < smaller) == same) < best


def test_a_threshold_lies_half_way():
    assert va.best_threshold(np.array([0.2, 1.0, 0.4]), np.array([True, False, True])) == pytest.approx(0.7)


def test_a_threshold_separates_neighbouring_floats():
    low = 1.0
    high = np.nextafter(low, 2.0)
    for swap in (False, True):
        distance = np.array([low, high]) if not swap else np.array([high, low])
        same = np.array([not swap, swap])
        assert (distance < va.best_threshold(distance, same)).tolist() == same.tolist()


def test_all_or_none_the_same():
    distance = np.array([0.5, 1.0, 1.5])
    assert va.best_threshold(distance, np.zeros(3, bool)) == 0.0
    assert (distance < va.best_threshold(distance, np.ones(3, bool))).all()
    assert va.best_threshold(distance, np.ones(3, bool)) > 2.0  # no pair to come is further apart


@pytest.mark.parametrize("pairs", [50, 53])
def test_folds_are_contiguous_and_take_the_threshold_of_the_others(pairs):
    distance, same = some(pairs, 3)
    found = va.ten_fold(distance, same)
    longer, start, expected = pairs % 10, 0, []
    for fold in range(10):
        stop = start + pairs // 10 + (fold < longer)
        rest = [k for k in range(pairs) if not start <= k < stop]
        threshold = found.thresholds[fold]
        assert sum((distance[k] < threshold) == same[k] for k in rest) == brute_force(distance[rest], same[rest])
        expected.append(sum((distance[k] < threshold) == same[k] for k in range(start, stop)) / (stop - start))
        start = stop
    assert start == pairs
    assert found.folds == pytest.approx(expected, abs=1e-15)
    assert found.mean == pytest.approx(sum(expected) / 10)


def test_a_fold_does_not_see_its_own_answers():
    """Wrong answers in the first fold alone: its threshold is that of the others, and it is wrong throughout."""
    same = np.arange(100) % 2 == 0
    distance = np.where(same, 0.5, 1.5)
    same[:10] ^= True
    found = va.ten_fold(distance, same)
    assert found.folds == (0.0, *[1.0] * 9)
    assert found.mean == pytest.approx(0.9)


def test_random_answers_are_right_half_the_time():
    rng = np.random.default_rng(0)
    found = va.ten_fold(rng.random(20_000), rng.random(20_000) < 0.5)
    assert abs(found.mean - 0.5) < 4 * 0.5 / math.sqrt(20_000)


def test_a_monotone_change_of_the_distance_changes_nothing():
    distance, same = some(200, 8)
    angles = 2.0 * np.arcsin(distance / 2.0)
    assert va.ten_fold(angles, same).folds == va.ten_fold(distance, same).folds == va.ten_fold(distance**2, same).folds


# --- distances and embeddings -------------------------------------------------------------------------------


def test_distances_of_known_angles():
    first = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1e-8, 0.0]])
    second = np.array([[0.0, 5.0], [-1.0, 0.0], [0.0, 7.0], [0.5, math.sqrt(0.75)]])
    np.testing.assert_allclose(va.distances(first, second), [math.sqrt(2.0), 2.0, 0.0, 1.0], atol=1e-15)


class Embedder(nn.Module):
    """Something with a mode, a mirror image that differs, and batches that must not matter."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3 * 4 * 5, 6)
        self.dropout = nn.Dropout(0.5)
        self.bn = nn.BatchNorm1d(6)
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return self.bn(self.dropout(self.linear(x.flatten(1))))


def pictures(count, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
    images.flags.writeable = False
    return images


def test_embeddings_are_those_of_the_picture_and_its_mirror_image():
    model, images = Embedder(), pictures(7)
    got = va.embed(model, images, prepare=CENTRED, batch=3)
    assert model.seen == [3, 3, 3, 3, 1, 1]
    assert got.dtype == np.float64
    weight, bias = (p.detach().double().numpy() for p in (model.linear.weight, model.linear.bias))
    for image, row in zip(images, got, strict=True):
        x = (image.astype(float) - 127.5) / 128.0
        both = weight @ x.ravel() + weight @ x[:, :, ::-1].ravel() + 2.0 * bias
        np.testing.assert_allclose(row, both / math.sqrt(1.0 + model.bn.eps), rtol=1e-4, atol=1e-5)


def test_the_model_keeps_its_modes():
    model = Embedder()
    model.bn.eval()  # as a frozen part of a network in training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    va.embed(model, pictures(4), prepare=CENTRED)
    assert model.training
    assert model.dropout.training
    assert not model.bn.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_model_sees_what_was_prepared():
    model, images = Embedder(), pictures(4)
    zeros = va.embed(model, images, prepare=lambda pixels: torch.zeros(pixels.shape))
    np.testing.assert_allclose(zeros, np.broadcast_to(zeros[0], zeros.shape))


def test_a_memory_map_is_read(tmp_path):
    np.save(tmp_path / "faces.npy", pictures(5))
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        va.embed(Embedder(), mapped, prepare=CENTRED), va.embed(Embedder(), pictures(5), prepare=CENTRED)
    )


def test_verify_separates_persons():
    """Pictures of a person are its own picture with a little noise: every pair is classified correctly."""
    rng = np.random.default_rng(1)
    persons = rng.integers(40, 216, (40, 3, 4, 5))
    first = rng.integers(0, 40, 60)
    second = np.where(np.arange(60) % 2 == 0, first, (first + rng.integers(1, 40, 60)) % 40)
    shots = [(persons[who] + rng.integers(-2, 3, (60, 3, 4, 5))).astype(np.uint8) for who in (first, second)]
    pairs = Pairs(first=shots[0], second=shots[1], same=first == second)
    assert va.verify(Embedder(), pairs, prepare=CENTRED, batch=16).folds == (1.0,) * 10
    swapped = Pairs(first=shots[1], second=shots[0], same=pairs.same)
    assert va.verify(Embedder(), swapped, prepare=CENTRED).mean == 1.0
    shuffled = Pairs(first=shots[0], second=shots[1], same=rng.permutation(pairs.same))
    assert va.verify(Embedder(), shuffled, prepare=CENTRED).mean < 0.8


# --- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_embeddings_without_a_direction_are_refused(bad):
    rows = np.ones((4, 3))
    rows[2] = bad
    with pytest.raises(InvalidParameterError, match="in row 2"):
        va.distances(np.ones((4, 3)), rows)


@pytest.mark.parametrize(
    ("distance", "same"),
    [
        (np.ones(9), np.ones(9, bool)),
        (np.ones((10, 2)), np.ones((10, 2), bool)),
        (np.full(10, math.nan), np.ones(10, bool)),
        (np.ones(10), np.ones(11, bool)),
        (np.ones(10), np.ones(10)),  # numbers are no answers
    ],
)
def test_pairs_that_cannot_be_verified(distance, same):
    with pytest.raises(InvalidParameterError, match=r"`(distance|same)`"):
        va.ten_fold(distance, same)


def test_pictures_that_cannot_be_embedded():
    for images in (pictures(3).astype(np.float32), pictures(3)[0], pictures(3)[:0]):
        with pytest.raises(InvalidParameterError, match="`images`"):
            va.embed(Embedder(), images, prepare=CENTRED)
    with pytest.raises(InvalidParameterError, match="`second`"):
        va.distances(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(InvalidParameterError, match="`folds`"):
        va.ten_fold(np.ones(10), np.ones(10, bool), folds=1)
    with pytest.raises(InvalidParameterError, match="`batch`"):
        va.embed(Embedder(), pictures(2), prepare=CENTRED, batch=0)
