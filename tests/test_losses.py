"""Every registered loss against 50-digit double loops, closed forms and laws."""

import math

import numpy as np
import oracles
import pytest
import torch

from tammes import losses
from tammes.errors import InvalidParameterError, TammesError, UnknownNameError

NAMES = sorted(losses.LOSSES)
REPELLING = [name for name in NAMES if name != "cosine"]  # whose gradient lives on near-copies (Eq. 7)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
VARIANTS = [(name, 2.0) for name in NAMES] + [("riesz-fisher", 0.5), ("riesz-fisher", 1)]

every_loss = pytest.mark.parametrize("name", NAMES)
every_variant = pytest.mark.parametrize(("name", "s"), VARIANTS)


def rows(*shape, dtype=torch.float64, seed=0):
    """Random rows of lengths between 1/2 and 3."""
    random = torch.Generator().manual_seed(seed)
    normal = torch.randn(*shape, dtype=torch.float64, generator=random)
    length = 0.5 + 2.5 * torch.rand(*shape[:-1], 1, dtype=torch.float64, generator=random)
    return (length * torch.nn.functional.normalize(normal, dim=-1)).to(dtype)


def grad_of(loss, weight):
    """Gradient by autograd, summed over the batch."""
    weight = weight.detach().clone().requires_grad_()
    loss(weight).sum().backward()
    return weight.grad


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


def test_riesz_distance_is_that_of_the_chord():
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
    loss = losses.get(name)
    value, grad = loss.value_and_grad(weight, block_size)
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
    value, grad = losses.get(name).value_and_grad(weight, block_size)
    expected = losses.get(name).value_and_grad(weight)
    torch.testing.assert_close((value, grad), expected, rtol=1e-12, atol=1e-13)


@every_loss
@pytest.mark.parametrize("block_size", [None, 64 * 1100])
def test_a_copy_over_a_thousand_rows_away_is_seen(name, block_size):
    points = oracles.random_code(1100, 3)
    points[1090] = oracles.normalized(points[3] + [[1e-4, -1e-4, 1e-4]])[0]
    value = losses.get(name)(torch.from_numpy(points), block_size)
    assert value.item() == pytest.approx(oracles.loss_by_rows(name, points), rel=1e-10)
    alone = oracles.loss_by_rows(name, np.delete(points, 1090, axis=0))
    assert abs(value.item() - alone) > 1e-6 * abs(alone)  # the copy does count


@pytest.mark.parametrize("name", REPELLING)
@pytest.mark.parametrize("block_size", [None, 64 * 1100])
def test_an_exact_copy_over_a_thousand_rows_away_is_pushed_off(name, block_size):
    points = torch.from_numpy(oracles.random_code(1100, 3))
    points[1090] = points[3]
    _, grad = losses.get(name).value_and_grad(points, block_size)
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


# --- faces and refusals ---------------------------------------------------------------------------

MODULES = [
    (losses.MMALoss(), losses.mma),
    (losses.CosineLoss(), losses.cosine),
    (losses.RieszFisherLoss(), losses.riesz_fisher),
    (losses.RieszFisherLoss(s=1.0, block_size=20), lambda w: losses.riesz_fisher(w, 1.0)),
    (losses.LogarithmicLoss(block_size=20), losses.logarithmic),
]


def test_every_loss_has_both_faces():
    assert {module.loss.name for module, _ in MODULES} == set(losses.LOSSES) == set(oracles.LOSSES)


@pytest.mark.parametrize(("module", "function"), MODULES, ids=lambda face: getattr(face, "__name__", None))
def test_modules_equal_functions(module, function):
    weight = rows(2, 8, 3)
    torch.testing.assert_close(module(weight), function(weight), rtol=1e-14, atol=0.0)
    torch.testing.assert_close(grad_of(module, weight), grad_of(function, weight), rtol=1e-12, atol=1e-13)
    expected = losses.get(module.loss.name, getattr(module.loss, "s", 2.0))
    assert torch.equal(function(weight), expected(weight))
    assert repr(module.loss) in repr(module)
    assert not list(module.parameters())


@every_loss
def test_get(name):
    loss = losses.get(name)
    assert loss.name == name
    assert losses.get(loss) is loss
    assert loss == losses.get(name)


def test_the_exponent_reaches_riesz_fisher():
    assert losses.get("riesz-fisher").s == 2.0
    assert losses.get("riesz-fisher", s=0.5) == losses.RieszFisher(0.5)


@pytest.mark.parametrize(
    ("typo", "closest"),
    [("rietz-fisher", "riesz-fisher"), ("logaritmic", "logarithmic"), ("mmaa", "mma"), ("?", "")],
)
def test_unknown_names_list_the_known_ones_closest_first(typo, closest):
    with pytest.raises(UnknownNameError) as caught:
        losses.get(typo)
    message = str(caught.value)
    assert all(name in message for name in NAMES)
    assert message.startswith(f"`loss` must be one of: {closest}")
    assert message.endswith(f"Got {typo!r}.")
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, TammesError)


@pytest.mark.parametrize("s", [0, -1.0, math.nan, math.inf, "2", None, 1j])
def test_exponents_that_are_not_positive_numbers(s):
    with pytest.raises(InvalidParameterError, match="`s` must be a positive finite number"):
        losses.get("riesz-fisher", s=s)
    with pytest.raises(InvalidParameterError):
        losses.RieszFisherLoss(s=s)


@every_loss
@pytest.mark.parametrize(
    ("weight", "said"),
    [
        pytest.param(torch.eye(3, dtype=torch.int64), "floating-point.*int64", id="integers"),
        pytest.param(torch.eye(3, dtype=torch.complex64), "floating-point.*complex64", id="complex"),
        pytest.param(torch.ones(1, 3), r"n >= 2.*\(1, 3\)", id="one row"),
        pytest.param(torch.ones(3), r"n >= 2.*\(3,\)", id="1-D"),
        pytest.param(torch.ones(3, 1), r"d >= 2.*\(3, 1\)", id="one column"),
    ],
)
def test_weights_without_angles(name, weight, said):
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
    loss, tolerance = losses.get(name), 1000 * torch.finfo(dtype).eps
    on_cuda, on_cpu = loss.value_and_grad(weight.cuda(), 500), loss.value_and_grad(weight)
    for got, expected in zip(on_cuda, on_cpu, strict=True):
        assert got.is_cuda
        largest = expected.abs().max().item()
        torch.testing.assert_close(got.cpu(), expected, rtol=tolerance, atol=tolerance * largest)
