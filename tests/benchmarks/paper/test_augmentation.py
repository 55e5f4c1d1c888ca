import numpy as np
import pytest
import torch

from benchmarks.paper.augmentation import Augmentation, statistics
from benchmarks.paper.images import Images, Pairs
from tammes.base.errors import InvalidParameterError

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)


def some_pixels(batch=5, height=6, width=7, seed=0):
    return torch.randint(0, 256, (batch, 3, height, width), generator=torch.Generator().manual_seed(seed)).to(
        torch.uint8
    )


def normalised(pixels, mean=MEAN, std=STD):
    """The definition, in float64."""
    x = pixels.numpy().astype(np.float64) / 255.0
    return (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))


def windows(image, pad):
    """Every crop of one image, mirrored or not, by the slow way: pad, cut, reverse."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    for top in range(2 * pad + 1):
        for left in range(2 * pad + 1):
            crop = padded[:, top : top + height, left : left + width]
            yield (top, left, False), crop
            yield (top, left, True), crop[:, :, ::-1]


def draw(pixels, pad, flip, seed=0):
    """Which window each image of a batch became; it must be one of them."""
    found = Augmentation(MEAN, STD, pad=pad, flip=flip)(pixels, torch.Generator().manual_seed(seed))
    assert found.dtype == torch.float32
    assert found.shape == pixels.shape
    draws = []
    for image, cropped in zip(normalised(pixels), found.numpy(), strict=True):
        fits = [draw for draw, crop in windows(image, pad) if np.abs(crop - cropped).max() < 1e-5]
        assert len(fits) == 1  # random images have no symmetry
        draws += fits
    return draws


def test_without_chance_it_is_the_normalisation():
    pixels = some_pixels()
    found = Augmentation(MEAN, STD, pad=0, flip=False)(pixels)
    np.testing.assert_allclose(found.numpy(), normalised(pixels), atol=1e-6)


def test_every_image_becomes_one_of_its_own_windows():
    assert len(set(draw(some_pixels(batch=8), pad=2, flip=True))) > 4  # and not all the same one


def test_all_windows_come_about_equally_often():
    pixels = some_pixels(batch=720, height=3, width=3)
    counts = {}
    for one in draw(pixels, pad=1, flip=True):
        counts[one] = counts.get(one, 0) + 1
    assert len(counts) == 18
    chi_squared = sum((count - 40) ** 2 / 40 for count in counts.values())
    assert chi_squared < 45.0  # 17 degrees of freedom: more happens to a fair draw once in 4,000 times


def test_crops_alone_are_not_mirrored_and_mirrors_alone_not_cropped():
    assert not any(mirrored for _, _, mirrored in draw(some_pixels(batch=16), pad=1, flip=False))
    mirrors = draw(some_pixels(batch=16), pad=0, flip=True)
    assert {one[2] for one in mirrors} == {True, False}


def test_padding_is_zero_after_normalisation():
    white = torch.full((64, 3, 4, 4), 255, dtype=torch.uint8)
    found = Augmentation(MEAN, STD, pad=4, flip=False)(white, torch.Generator().manual_seed(1))
    inside = torch.tensor([(1.0 - m) / s for m, s in zip(MEAN, STD, strict=True)]).view(3, 1, 1).expand_as(found)
    assert torch.all((found == 0.0) | torch.isclose(found, inside))
    assert (found == 0.0).any()


def test_the_generator_alone_decides():
    augment, pixels = Augmentation(MEAN, STD), some_pixels(batch=32, height=8, width=8)
    before = torch.get_rng_state()
    first = augment(pixels, torch.Generator().manual_seed(7))
    assert torch.equal(first, augment(pixels, torch.Generator().manual_seed(7)))
    assert not torch.equal(first, augment(pixels, torch.Generator().manual_seed(8)))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(pixels, some_pixels(batch=32, height=8, width=8))


def test_the_next_batch_is_drawn_anew():
    augment, pixels, generator = Augmentation(MEAN, STD), some_pixels(batch=32), torch.Generator().manual_seed(7)
    assert not torch.equal(augment(pixels, generator), augment(pixels, generator))


def test_half_as_mean_and_deviation_is_the_normalisation_of_arcface():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    augment = Augmentation((127.5 / 255.0,) * 3, (128.0 / 255.0,) * 3, pad=0, flip=False)
    assert torch.equal(augment(pixels), (pixels.to(torch.float32) - 127.5) / 128.0)


def test_an_empty_batch_stays_empty():
    empty = torch.zeros((0, 3, 4, 4), dtype=torch.uint8)
    assert Augmentation(MEAN, STD)(empty, torch.Generator()).shape == (0, 3, 4, 4)


def test_strides_do_not_matter():
    pixels = some_pixels(batch=8, height=8, width=8)
    last = pixels.to(memory_format=torch.channels_last)
    augment = Augmentation(MEAN, STD)
    one, other = (augment(x, torch.Generator().manual_seed(3)) for x in (pixels, last))
    assert torch.equal(one, other)


@pytest.mark.gpu
def test_a_generator_of_the_cpu_draws_the_same_for_the_gpu():
    pixels = some_pixels(batch=32, height=8, width=8)
    augment = Augmentation(MEAN, STD)
    on_cpu = augment(pixels, torch.Generator().manual_seed(3))
    on_gpu = augment(pixels.cuda(), torch.Generator().manual_seed(3))
    assert on_gpu.is_cuda
    torch.testing.assert_close(on_gpu.cpu(), on_cpu)
    own = augment(pixels.cuda(), torch.Generator("cuda").manual_seed(3))
    assert torch.equal(own, augment(pixels.cuda(), torch.Generator("cuda").manual_seed(3)))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"mean": (0.5, 0.5, 120.0)}, "mean"),
        ({"mean": (0.5, 0.5, float("nan"))}, "mean"),
        ({"std": (0.1, 0.1, 0.0)}, "std"),
        ({"std": (0.1, 0.1, float("inf"))}, "std"),
        ({"pad": -1}, "pad"),
        ({"pad": 1.5}, "pad"),
    ],
)
def test_bad_settings_are_named(options, name):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be"):
        Augmentation(**({"mean": MEAN, "std": STD} | options))


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros((2, 3, 4, 4)),
        torch.zeros((3, 4, 4), dtype=torch.uint8),
        torch.zeros((2, 1, 4, 4), dtype=torch.uint8),
    ],
)
def test_what_is_no_batch_of_bytes_is_refused(pixels):
    with pytest.raises(InvalidParameterError, match="`pixels` must be images"):
        Augmentation(MEAN, STD)(pixels, torch.Generator())


def test_chance_without_a_generator_is_refused():
    with pytest.raises(InvalidParameterError, match="`generator` must be given"):
        Augmentation(MEAN, STD)(some_pixels())


def images_of(pixels, classes=("a",)):
    return Images(pixels, np.zeros(len(pixels), dtype=np.int64), classes)


def test_statistics_are_those_of_all_pixels():
    pixels = np.random.default_rng(0).integers(0, 200, (1_500, 3, 5, 4)).astype(np.uint8)  # more than one block
    mean, std = statistics(images_of(pixels))
    x = pixels / 255.0
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, x.std(axis=(0, 2, 3)), rtol=1e-12)


def test_statistics_of_two_values_in_closed_form():
    pixels = np.zeros((4, 3, 1, 1), dtype=np.uint8)
    pixels[0] = 255
    mean, std = statistics(images_of(pixels))
    assert mean == (0.25,) * 3
    assert std == pytest.approx((3.0**0.5 / 4.0,) * 3, abs=1e-15)


def test_normalised_by_their_statistics_images_have_mean_0_and_deviation_1():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 6, 6)).astype(np.uint8)
    found = Augmentation(*statistics(images_of(pixels)), pad=0, flip=False)(torch.from_numpy(pixels))
    assert found.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (found.std(dim=(0, 2, 3), unbiased=False) - 1.0).abs().max() < 1e-5


def test_a_constant_channel_has_no_statistics():
    with pytest.raises(InvalidParameterError, match="`images` must be of more than one value in every channel"):
        statistics(images_of(np.full((2, 3, 4, 4), 9, dtype=np.uint8)))


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (np.zeros((2, 3, 4, 4), np.float32), np.zeros(2, np.int64), "`pixels` must be one or more images"),
        (np.zeros((0, 3, 4, 4), np.uint8), np.zeros(0, np.int64), "`pixels` must be one or more images"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64), "`pixels` must be one or more images"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(3, np.int64), "`labels` must be 2 of int64"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int32), "`labels` must be 2 of int64"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.array([0, 1]), "Got 1 for image 1"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.array([-1, 0]), "Got -1 for image 0"),
    ],
)
def test_images_that_are_none_are_refused(pixels, labels, message):
    with pytest.raises(InvalidParameterError, match=message):
        Images(pixels, labels, ("a",))


def test_pairs_that_are_none_are_refused():
    faces = np.zeros((2, 3, 4, 4), np.uint8)
    assert len(Pairs(faces, faces, np.array([True, False]))) == 2
    with pytest.raises(InvalidParameterError, match="`second` must be of the shape"):
        Pairs(faces, faces[:1], np.array([True, False]))
    with pytest.raises(InvalidParameterError, match="`same` must be 2 booleans"):
        Pairs(faces, faces, np.array([1, 0]))
