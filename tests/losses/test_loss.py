"""Every registered loss against 50-digit double loops, closed forms and laws."""

import math
import pickle

import numpy as np
import oracles
import pytest
import torch
from loss_inputs import grad_of, padded, rows
from torch.autograd import forward_ad

from tammes import losses
from tammes.base.errors import InvalidParameterError

NAMES = sorted(losses.LOSSES)
# Losses whose gradient does not vanish as two rows approach each other (for the cosine it does: Eq. 7).
REPELLING = [name for name in NAMES if name not in ("cosine", "orthogonal")]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
VARIANTS = [(name, 2.0) for name in NAMES] + [("riesz-fisher", 0.5), ("riesz-fisher", 1)]

every_loss = pytest.mark.parametrize("name", NAMES)
every_variant = pytest.mark.parametrize(("name", "s"), VARIANTS)


# --- values -------------------------------------------------------------------------------------


@every_variant
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d"), [(2, 2), (7, 3), (9, 12)])
def test_value_is_that_of_the_double_loop(name, s, dtype, n, d):
    weight = rows(n, d, dtype=dtype)
    value = losses.get(name, s)(weight)
    assert value.dtype == dtype
    expected = float(oracles.LOSSES[name](weight.double().numpy(), s))
    assert value.item() == pytest.approx(expected, rel=max(2.0 * torch.finfo(dtype).eps, 1e-14))


@every_variant
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
@pytest.mark.parametrize("closest", [5e-4, 5e-3])
def test_value_of_a_tight_cluster(name, s, dtype, tolerance, closest):
    # From `closest` to 0.5 rad: on both sides of where 2 - 2 cos gives way to coordinate differences.
    offsets = torch.tensor([0.0, closest, 0.015, 0.03, 0.09, 0.2, 0.5], dtype=torch.float64)
    weight = torch.stack([offsets.cos(), offsets.sin(), 0.1 * offsets], dim=-1).to(dtype)
    expected = float(oracles.LOSSES[name](weight.double().numpy(), s))
    assert losses.get(name, s)(weight).item() == pytest.approx(expected, rel=tolerance)


def test_the_riesz_energy_is_of_chords():
    # 2 - 2 cos = 1 at 60 degrees, and 2 at 90: a distance of 2 - cos would give 2/3 and 1/2.
    sixty = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]], dtype=torch.float64)
    assert losses.riesz_fisher(sixty).item() == pytest.approx(1.0, rel=1e-15)
    assert losses.riesz_fisher(torch.eye(2, dtype=torch.float64)).item() == pytest.approx(0.5, rel=1e-15)


@every_loss
def test_loss_is_a_mean_over_rows(name):
    # Every pair of the simplex is alike, so a mean does not depend on how many rows there are.
    one_pair = oracles.LOSSES[name](oracles.simplex(5)[:2], 2.0)
    value = losses.get(name)(torch.from_numpy(oracles.simplex(5)))
    assert value.item() == pytest.approx(float(one_pair), rel=1e-14)


# --- shapes, blocks and storage -------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("block_size", [None, 1, 50])
def test_batches_are_loops(name, dtype, block_size):
    weight = rows(2, 3, 6, 4, dtype=dtype)
    weight[0, 1, 5] = 2.0 * weight[0, 1, 0]  # an exact copy in one of them
    loss = losses.get(name, block_size=block_size)
    value, grad = loss.value_and_grad(weight)
    assert value.shape == (2, 3)
    assert grad.shape == weight.shape
    tolerance = 100 * torch.finfo(dtype).eps
    for k in np.ndindex(2, 3):
        one_value, one_grad = loss.value_and_grad(weight[k])
        torch.testing.assert_close(value[k], one_value, rtol=tolerance, atol=0.0)
        largest = one_grad.abs().max().item()
        torch.testing.assert_close(grad[k], one_grad, rtol=tolerance, atol=tolerance * largest)


@every_loss
@pytest.mark.parametrize("block_size", [1, 7, 100])
def test_blocks_change_nothing(name, block_size):
    weight = rows(23, 3)
    value, grad = losses.get(name, block_size=block_size).value_and_grad(weight)
    expected = losses.get(name).value_and_grad(weight)
    torch.testing.assert_close((value, grad), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("block_size", [None, 64 * 1100])
def test_a_copy_over_a_thousand_rows_away_is_seen(name, block_size):
    points = oracles.random_code(1100, 3)
    points[1090] = oracles.normalized(points[3] + [[1e-4, -1e-4, 1e-4]])[0]
    value = losses.get(name, block_size=block_size)(torch.from_numpy(points))
    assert value.item() == pytest.approx(oracles.loss_by_rows(name, points), rel=1e-10)
    alone = oracles.loss_by_rows(name, np.delete(points, 1090, axis=0))
    assert abs(value.item() - alone) > 1e-6 * abs(alone)  # the copy does count


@pytest.mark.slow
@pytest.mark.parametrize("name", REPELLING)
@pytest.mark.parametrize("block_size", [None, 64 * 1100])
def test_an_exact_copy_over_a_thousand_rows_away_is_pushed_off(name, block_size):
    points = torch.from_numpy(oracles.random_code(1100, 3))
    points[1090] = points[3]
    _, grad = losses.get(name, block_size=block_size).value_and_grad(points)
    assert grad.isfinite().all()
    moved = points - 1e-6 * grad / grad[3].norm()
    assert losses.mma(moved[[3, 1090]]).item() < -1e-6  # apart


@every_loss
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposed", [False, True])
def test_input_is_never_modified(name, dtype, transposed):
    weight = rows(5, 5, dtype=dtype)
    weight[4] = weight[0]
    weight = weight.mT if transposed else weight
    before, version = weight.clone(), weight._version
    random_state = torch.get_rng_state()
    losses.get(name).value_and_grad(weight)
    losses.get(name)(weight.requires_grad_()).backward()
    assert torch.equal(weight, before)
    assert weight._version == version
    assert weight.grad.dtype == dtype
    assert torch.equal(torch.get_rng_state(), random_state)


@every_loss
def test_no_graph_of_all_pairs(name):
    weight = rows(200, 3).requires_grad_()
    saved = []

    def keep(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses.get(name)(weight).backward()
    assert 0 < sum(saved) <= 3 * weight.numel()


# --- gradients ----------------------------------------------------------------------------------


@every_variant
@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (2, 4, 6)])
def test_gradcheck(name, s, shape):
    assert torch.autograd.gradcheck(losses.get(name, s), rows(*shape).requires_grad_())


@every_loss
def test_upstream_gradient_scales_each_start(name):
    weight, factors = rows(3, 5, 4), torch.tensor([2.0, 0.0, -0.5], dtype=torch.float64)
    loss = losses.get(name)
    grad = grad_of(lambda w: factors * loss(w), weight)
    torch.testing.assert_close(grad, factors[:, None, None] * grad_of(loss, weight), rtol=1e-15, atol=0.0)


@every_variant
def test_only_directions_matter(name, s):
    weight, loss = rows(9, 4), losses.get(name, s)
    factors = torch.logspace(-3, 3, 9, dtype=torch.float64)[:, None]
    value, grad = loss.value_and_grad(weight)
    scaled_value, scaled_grad = loss.value_and_grad(factors * weight)
    torch.testing.assert_close(scaled_value, value, rtol=1e-13, atol=0.0)
    torch.testing.assert_close(scaled_grad * factors, grad, rtol=1e-11, atol=1e-13)
    radial = (grad * weight).sum(-1) / (grad.norm(dim=-1) * weight.norm(dim=-1))
    torch.testing.assert_close(radial, torch.zeros(9, dtype=torch.float64), rtol=0.0, atol=1e-14)


PAIR_ANGLES = [1e-6, 1e-4, 0.0099, 0.0101, 0.3, 1.0, math.pi / 2, 2.0, 3.0, math.pi - 1e-3, math.pi - 1e-5]


def pair(theta, norms, d, dtype=torch.float64):
    """Two rows about theta apart in a random plane; the float rows are what the oracle reads."""
    frame = torch.linalg.qr(rows(d, 2, seed=d))[0].mT
    second = math.cos(theta) * frame[0] + math.sin(theta) * frame[1]
    return torch.stack([norms[0] * frame[0], norms[1] * second]).to(dtype)


@every_variant
@pytest.mark.parametrize("theta", PAIR_ANGLES)
@pytest.mark.parametrize("norms", [(1.0, 1.0), (0.5, 3.0)])
@pytest.mark.parametrize("d", [2, 3, 10])
def test_gradient_of_one_pair(name, s, theta, norms, d):
    if name == "orthogonal" and theta == math.pi / 2:
        pytest.skip("no gradient at a right angle")
    check_gradient_of_one_pair(name, s, pair(theta, norms, d), 1e-9)


@pytest.mark.parametrize("theta", PAIR_ANGLES)
@pytest.mark.parametrize("norms", [(1.0, 1.0), (0.5, 3.0)])
def test_gradient_of_one_pair_in_single_precision(theta, norms):
    check_gradient_of_one_pair("mma", 2.0, pair(theta, norms, 3, torch.float32), 1e-3)


def test_gradient_of_one_pair_with_a_large_exponent():
    check_gradient_of_one_pair("riesz-fisher", 12, pair(math.pi - 1e-5, (1.0, 1.0), 3), 1e-9)


def check_gradient_of_one_pair(name, s, weight, tolerance):
    """Length and direction at once: Eq. 7, 8, 10 and 12 of the paper, along the great circle."""
    grad = grad_of(losses.get(name, s), weight).double().numpy()
    x, y = weight.double().numpy()
    exact_pair = oracles.pair_gradient(name, x, y, s), oracles.pair_gradient(name, y, x, s)
    for got, exact in zip(grad, exact_pair, strict=True):
        assert np.linalg.norm(got - exact) <= tolerance * np.linalg.norm(exact)


# --- copies and antipodes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "gap"),
    [(torch.float64, g) for g in (1e-3, 1e-6, 1e-9, 1e-12, 1e-100)]
    + [(torch.float32, g) for g in (1e-3, 1e-6, 1e-12)]
    + [(torch.float16, 1e-3), (torch.bfloat16, 1e-6)],
)
def test_mma_gradient_of_near_copies_has_full_length(dtype, gap):
    weight = torch.tensor([[1.0, 0.0, 0.0], [2.0, 2.0 * gap, 0.0]], dtype=dtype)
    grad = grad_of(losses.mma, weight).double()
    assert grad.norm(dim=-1).tolist() == pytest.approx([1.0, 0.5], rel=1e-3)
    assert grad[0, 1] > 0 > grad[1, 1]


@pytest.mark.parametrize("name", REPELLING)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("d", [2, 3, 50])
def test_exact_copies_are_separated(name, dtype, d):
    weight = rows(1, d, dtype=dtype).expand(2, d).clone()
    value, grad = losses.get(name).value_and_grad(weight)
    assert value.isfinite()
    assert grad.isfinite().all()
    assert grad.norm() > 0
    torch.testing.assert_close(grad[0], -grad[1], rtol=1e-6, atol=0.0)
    moved = weight - 0.01 * grad / grad.double().norm()  # its square may overflow float32
    assert losses.mma(moved).item() < -1e-3


@every_loss
def test_exact_copies_in_half_precision_stay_finite(name):
    _, grad = losses.get(name).value_and_grad(rows(1, 3, dtype=torch.float16).expand(2, 3).clone())
    assert grad.isfinite().all()


@pytest.mark.parametrize("name", REPELLING)
def test_adam_separates_exact_copies_in_single_precision(name):
    weight = rows(1, 3, dtype=torch.float32).expand(2, 3).clone().requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        losses.get(name)(weight).backward()
        optimizer.step()
    assert losses.mma(weight).item() < -1e-3


@pytest.mark.parametrize(("dtype", "spread"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_mma_of_a_cluster_narrower_than_a_cosine_resolves(dtype, spread):
    weight = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64) + spread * rows(10, 3)
    weight = weight.to(dtype)
    expected = float(oracles.LOSSES["mma"](weight.double().numpy(), 2.0))
    assert losses.mma(weight).item() == pytest.approx(expected, rel=1e-6)


def test_cosine_of_exact_copies_has_a_finite_gradient():
    value, grad = losses.Cosine().value_and_grad(rows(1, 3).expand(4, 3).clone())
    assert value == 1.0
    assert torch.equal(grad, torch.zeros_like(grad))  # Eq. 7: sin 0


@pytest.mark.parametrize("name", REPELLING)
def test_copies_among_many_are_separated(name):
    weight = rows(12, 3)
    weight[[4, 7, 9]] = weight[[0]]
    _, grad = losses.get(name).value_and_grad(weight)
    moved = torch.nn.functional.normalize(weight - 1e-3 * grad / grad.norm(), dim=-1)
    assert (torch.pdist(moved) > 1e-6).all()
    assert torch.equal(losses.get(name).value_and_grad(weight)[1], grad)  # the same way every time


@every_variant
def test_exact_antipodes(name, s):
    weight = torch.tensor([[1.0, 2.0, 3.0], [-2.0, -4.0, -6.0]], dtype=torch.float64)
    value, grad = losses.get(name, s).value_and_grad(weight)
    assert value.item() == pytest.approx(float(oracles.LOSSES[name](weight.numpy(), s)), abs=1e-15)
    torch.testing.assert_close(grad, torch.zeros_like(grad), rtol=0.0, atol=1e-15)


# --- refusals ------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    ("weight", "said"),
    [
        pytest.param(torch.eye(3, dtype=torch.int64), "floating-point.*int64", id="integers"),
        pytest.param(torch.eye(3, dtype=torch.complex64), "floating-point.*complex64", id="complex"),
        pytest.param(torch.ones(3), r"d >= 2.*\(3,\)", id="1-D"),
        pytest.param(torch.eye(3).to_sparse(), "dense.*sparse", id="sparse"),
        pytest.param(torch.ones(3, 2, device="meta"), "meta device", id="meta"),
        pytest.param(torch.ones(3, 2).to(torch.float8_e5m2), "16 bits.*float8", id="float8"),
        pytest.param([[1.0, 0.0], [0.0, 1.0]], "floating-point.*list", id="a list"),
        pytest.param(torch.ones(3, 1), r"d >= 2.*\(3, 1\)", id="one column"),
    ],
)
def test_weights_without_angles_are_refused(name, weight, said):
    with pytest.raises(InvalidParameterError, match=said):
        losses.get(name)(weight)


@every_loss
def test_second_derivatives_raise(name):
    weight = rows(5, 3).requires_grad_()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(factor * losses.get(name)(weight), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        grad.square().sum().backward()


@every_loss
def test_a_gradient_penalty_raises(name):
    # Nothing upstream needs a gradient here: the penalty must not be dropped in silence.
    weight = rows(5, 3).requires_grad_()
    value = losses.get(name)(weight)
    (grad,) = torch.autograd.grad(value, weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        (value + grad.square().sum()).backward()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_cuda_agrees_with_the_processor(name, dtype):
    weight = rows(3, 40, 4, dtype=dtype)
    weight[1, 30] = weight[1, 2]
    loss, tolerance = losses.get(name, block_size=500), 1000 * torch.finfo(dtype).eps
    on_cuda, on_cpu = loss.value_and_grad(weight.cuda()), loss.value_and_grad(weight)
    for got, expected in zip(on_cuda, on_cpu, strict=True):
        assert got.is_cuda
        largest = expected.abs().max().item()
        torch.testing.assert_close(got.cpu(), expected, rtol=tolerance, atol=tolerance * largest)


# --- options: which rows take part, and how ------------------------------------------------------------

OPTIONS = [
    {"antipodal": True},
    {"reduction": "sum"},
    {"antipodal": True, "reduction": "sum"},
    {"labels": [0, 1, 1, 2, 0, 0, 3, 3, 1]},
    {"labels": [0, 1, 1, 2, 0, 0, 3, 3, 1], "antipodal": True, "reduction": "sum"},
    {"mask": [1, 1, 0, 1, 1, 0, 1, 1, 1]},
    {"mask": [1, 1, 0, 1, 1, 0, 1, 1, 1], "labels": [0, 1, 1, 2, 0, 0, 3, 3, 1], "antipodal": True},
    {"labels": [5, 5, 5, 5, 5, 5, 5, 5, 1]},
]


def split(options):
    """Return the options of the loss, and the arguments of the call as tensors."""
    call = {name: torch.tensor(options[name]) for name in ("labels", "mask") if name in options}
    if "mask" in call:
        call["mask"] = call["mask"].bool()
    return {name: value for name, value in options.items() if name not in call}, call


@every_variant
@pytest.mark.parametrize("options", OPTIONS, ids=repr)
@pytest.mark.parametrize("block_size", [None, 16])
@pytest.mark.parametrize(("d", "dtype", "large"), [(3, torch.float64, False), (70, torch.float32, True)])
def test_options_against_the_double_loop(name, s, options, block_size, d, dtype, large):
    weight = rows(9, d, dtype=dtype, seed=4)
    weight[7] = -1.1 * weight[2] + 0.05 * weight[3]  # nearly opposite
    weight[8] = 0.7 * weight[0] + 0.05 * weight[4]  # nearly a copy
    own, call = split(options)
    loss = losses.get(name, s, block_size=block_size, **own)
    expected = float(oracles.loss_with_options(name, weight.double().numpy(), s, **options))
    weight = padded(weight) if large else weight
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    assert loss(weight, **call).item() == pytest.approx(expected, rel=tolerance)
    if dtype == torch.float64:
        weight.requires_grad_()
        assert torch.autograd.gradcheck(lambda w: loss(w, **call), weight)
    else:
        exact = grad_of(lambda w: loss(w, **call), weight.double())
        found = grad_of(lambda w: loss(w, **call), weight)
        torch.testing.assert_close(found.double(), exact, rtol=0.0, atol=3e-5 * exact.abs().max().item())


@every_loss
@pytest.mark.parametrize("labels", [None, [0, 0, 1, 1, 2, 2, 2]])
def test_labels_and_masks_of_batches_are_loops(name, labels):
    weight = rows(3, 7, 4)
    mask = torch.tensor([[1] * 7, [1, 0, 1, 1, 0, 1, 1], [0, 0, 0, 0, 1, 0, 0]]).bool()
    call = {} if labels is None else {"labels": torch.tensor(labels)}
    value, grad = losses.get(name).value_and_grad(weight, mask=mask, **call)
    for k in range(3):
        one, partial = losses.get(name).value_and_grad(weight[k], mask=mask[k], **call)
        torch.testing.assert_close((value[k], grad[k]), (one, partial), rtol=1e-13, atol=0.0)
    assert value[2] == 0.0
    assert not grad[2].any()


@every_loss
@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 1, 3), (0, 4, 3)])
def test_fewer_than_two_rows_have_loss_and_gradient_zero(name, shape):
    weight = torch.ones(shape, requires_grad=True)
    value = losses.get(name)(weight)
    assert value.shape == shape[:-2]
    assert not value.any()
    value.sum().backward()  # connected to the graph
    assert torch.equal(weight.grad, torch.zeros(shape))


@every_loss
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("large", [False, True])
def test_zero_rows_take_no_part(name, dtype, large):
    weight = padded(rows(8, 70, dtype=dtype)) if large else rows(8, 3, dtype=dtype)
    others = weight[[0, 2, 3, 5, 6, 7]]
    weight[1], weight[4] = 0.0, -0.0
    value, grad = losses.get(name).value_and_grad(weight)
    expected, partial = losses.get(name).value_and_grad(others)
    torch.testing.assert_close(value, expected, rtol=0.0, atol=0.0)
    torch.testing.assert_close(grad[[0, 2, 3, 5, 6, 7]], partial, rtol=0.0, atol=0.0)
    assert not grad[[1, 4]].any()
    assert losses.get(name)(torch.zeros_like(weight)) == 0.0


@every_loss
def test_dead_rows_take_no_part(name):
    weight = rows(8, 3)
    weight[[1, 4]] *= 1e-6
    loss = losses.get(name, dead=1e-4)
    expected, partial = losses.get(name).value_and_grad(weight[[0, 2, 3, 5, 6, 7]])
    value, grad = loss.value_and_grad(weight)
    assert value == expected
    assert torch.equal(grad[[0, 2, 3, 5, 6, 7]], partial)
    assert losses.get(name)(weight) != expected


@every_loss
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [6, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_that_are_not_finite_give_nan(name, bad, n, dtype):
    weight = rows(2, n, 3, dtype=dtype)
    weight[0, 2, 1] = bad
    weight[0, 4] = 0.0
    value, grad = losses.get(name, block_size=100).value_and_grad(weight)
    assert value[0].isnan()
    assert grad[0].isnan().all()
    assert value[1].isfinite()
    assert grad[1].isfinite().all()
    kept = torch.ones(n, dtype=torch.bool)
    kept[2] = False
    assert losses.get(name)(weight[0], mask=kept).isfinite()  # it takes no part


@every_loss
def test_a_random_subset_is_the_loss_of_those_rows(name):
    weight = rows(50, 4)
    state = torch.get_rng_state()
    loss = losses.get(name, sample=0.3)
    value, grad = loss.value_and_grad(weight, seed=5)
    chosen = grad.any(dim=1)
    assert int(chosen.sum()) == 15
    expected = losses.get(name).value_and_grad(weight[chosen])
    assert torch.equal(value, expected[0])
    assert torch.equal(grad[chosen], expected[1])
    assert torch.equal(loss.value_and_grad(weight, seed=5)[1], grad)
    assert not torch.equal(loss.value_and_grad(weight, seed=6)[1], grad)
    assert not torch.equal(loss.value_and_grad(weight)[1], loss.value_and_grad(weight)[1])  # drawn anew
    assert torch.equal(torch.get_rng_state(), state)


@every_loss
def test_every_row_is_drawn_as_often_as_the_others(name):
    weight, loss = rows(10, 4), losses.get(name, sample=0.5)
    counts = sum(loss.value_and_grad(weight, seed=seed)[1].any(dim=1).long() for seed in range(200))
    assert 70 <= counts.min() <= counts.max() <= 130  # 100 expected, standard deviation 7


@every_loss
def test_a_sum_is_the_mean_times_its_terms(name):
    weight = rows(9, 4)
    terms = 9 if isinstance(losses.get(name), losses.NearestLoss) else 72
    mean, total = losses.get(name)(weight), losses.get(name, reduction="sum")(weight)
    assert total.item() == pytest.approx(terms * mean.item(), rel=1e-14)


@every_loss
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            {"labels": torch.zeros(4, dtype=torch.long)},
            r"`labels` must be of shape \(5,\), one entry a row. Got \(4,\)",
        ),
        ({"labels": torch.zeros(5)}, "`labels` must be a tensor of whole numbers. Got torch.float32"),
        ({"labels": [0, 1, 2, 3, 4]}, "`labels` must be a tensor of whole numbers. Got <class 'list'>"),
        ({"mask": torch.ones(6, dtype=torch.bool)}, r"`mask` must be of shape \(5,\)"),
        ({"mask": torch.ones(5, dtype=torch.long)}, "`mask` must be a tensor of booleans. Got torch.int64"),
        ({"labels": torch.ones(5, dtype=torch.bool)}, "`labels` must be a tensor of whole numbers. Got torch.bool"),
        ({"nearest": torch.zeros(3, dtype=torch.long)}, r"`nearest` must be row numbers of shape \(5,\)"),
    ],
)
def test_arguments_that_do_not_match_the_rows_are_refused(name, call, said):
    with pytest.raises(InvalidParameterError, match=said):
        losses.get(name)(rows(5, 3), **call)


@every_variant
@pytest.mark.parametrize("antipodal", [False, True])
def test_a_factor_multiplies_loss_and_gradient(name, s, antipodal):
    weight, loss = rows(2, 9, 4), losses.get(name, s, antipodal=antipodal)
    found = loss.value_and_grad(weight, factor=-2.5)
    for one, plain in zip(found, loss.value_and_grad(weight), strict=True):
        torch.testing.assert_close(one, -2.5 * plain, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(grad_of(lambda w: loss(w, factor=-2.5).sum(), weight), found[1], rtol=1e-13, atol=1e-15)


@every_loss
def test_a_graph_that_is_kept_gives_the_same_gradient_again(name):
    weight = rows(6, 3).requires_grad_()
    value = losses.get(name)(weight)
    value.backward(retain_graph=True)
    once = weight.grad.clone()
    value.backward()
    torch.testing.assert_close(weight.grad, 2.0 * once, rtol=1e-14, atol=0.0)


# --- the operator ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "s"),
    [
        pytest.param(*one, marks=() if one[0] in ("mma", "riesz-fisher") and one[1] == 2.0 else pytest.mark.slow)
        for one in VARIANTS
    ],
)
def test_compiled_in_one_graph_the_gradients_are_those_of_eager(name, s):
    weight = rows(12, 5)
    labels = torch.tensor([0, 1, 2] * 4)

    def term(w):
        return (w * w).sum() + 0.3 * losses.get(name, s, reduction="sum", antipodal=True)(2.0 * w, labels=labels)

    compiled = torch.compile(term, fullgraph=True, backend="aot_eager")
    assert torch.equal(grad_of(compiled, weight), grad_of(term, weight))
    assert torch.equal(grad_of(compiled, 0.5 * weight + 1.0), grad_of(term, 0.5 * weight + 1.0))


@every_variant
def test_the_operator_passes_the_checks_of_torch(name, s):
    weight = rows(7, 3).requires_grad_()
    key = repr(losses.get(name, s, block_size=10))
    checks = ("test_schema", "test_faketensor")
    found = torch.library.opcheck(
        torch.ops.tammes.loss, (weight, key, None, None, None, None, None, 1.0), test_utils=checks
    )
    assert found == dict.fromkeys(checks, "SUCCESS")


@every_loss
def test_autocast_does_not_touch_the_precision(name):
    weight = padded(rows(20, 70, dtype=torch.float32))
    expected = grad_of(losses.get(name), weight)
    with torch.autocast("cpu", torch.bfloat16):
        found = grad_of(losses.get(name), weight)
        value = losses.get(name)(weight)
    assert torch.equal(found, expected)
    assert value.dtype == torch.float32


@every_variant
def test_a_loss_is_the_same_after_pickling(name, s):
    loss = losses.get(name, s, antipodal=True)
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss
    assert torch.equal(again(rows(5, 3)), loss(rows(5, 3)))


@every_loss
def test_masks_of_empty_weights(name):
    assert losses.get(name)(torch.ones(0, 3), mask=torch.ones(0, dtype=torch.bool)).item() == 0.0
    assert losses.get(name)(torch.ones(0, 2, 3), mask=torch.ones(2, dtype=torch.bool)).shape == (0,)


def test_numpy_integers_are_block_sizes():
    weight = rows(7, 3)
    assert losses.get("mma", block_size=np.int64(4))(weight) == losses.get("mma", block_size=4)(weight)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward derivatives use it
def test_a_forward_derivative_is_refused():
    # The operator has none: torch would take it for zero in silence.
    with forward_ad.dual_level():
        weight = forward_ad.make_dual(rows(4, 3), rows(4, 3, seed=1))
        with pytest.raises(InvalidParameterError, match="backwards"):
            losses.get("mma")(weight)


def test_nearest_rows_that_are_not_a_tensor_are_refused():
    with pytest.raises(InvalidParameterError, match=r"row numbers.*list"):
        losses.get("mma")(rows(2, 3), nearest=[1, 0])
