"""The head of ArcFace: angles and a margin, held against arithmetic in float64, finite where the angle is 0 or pi."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.paper.models.arcface import MarginHead
from tammes.base.errors import InvalidParameterError


def head_of(rows, margin=0.5, scale=64.0):
    head = MarginHead(rows.shape[1], rows.shape[0], margin, scale).to(rows.dtype)
    with torch.no_grad():
        head.directions.weight.copy_(rows)
    return head


def angle(a, b):
    """In float64, exact near 0 and pi too: Kahan's half-angle form."""
    u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return 2.0 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))


def test_logits_by_their_angles():
    rng = np.random.default_rng(0)
    rows, embeddings, labels = rng.normal(size=(5, 7)), 3.0 * rng.normal(size=(20, 7)), rng.integers(0, 5, 20)
    got = head_of(torch.tensor(rows), 0.5, 64.0)(torch.tensor(embeddings), torch.tensor(labels)).detach().numpy()
    for i, embedding in enumerate(embeddings):
        for j, row in enumerate(rows):
            theta = angle(embedding, row)
            expected = math.cos(theta + 0.5) if j == labels[i] else math.cos(theta)
            if j == labels[i] and theta > math.pi - 0.5:
                expected = math.cos(theta) - 0.5 * math.sin(0.5)
            assert got[i, j] == pytest.approx(64.0 * expected, abs=1e-12)


def at(theta, dtype=torch.float64):
    """Unit vectors at these angles to the first axis, in the plane of the first two."""
    theta = torch.as_tensor(theta, dtype=torch.float64)
    return torch.stack([theta.cos(), theta.sin(), 0.0 * theta], dim=-1).to(dtype)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_the_logit_of_the_right_class_falls_all_the_way(margin):
    theta = torch.linspace(0.0, math.pi, 2001, dtype=torch.float64)
    head = head_of(at([0.0, 1.0]), margin, 1.0)
    logits = head(at(theta), torch.zeros(2001, dtype=torch.int64))[:, 0].detach()
    assert (logits.diff() < 0.0).all()
    inside = theta < math.pi - margin
    torch.testing.assert_close(logits[inside], (theta[inside] + margin).cos(), rtol=0.0, atol=1e-14)
    beyond = theta[~inside].cos() - margin * math.sin(margin)
    torch.testing.assert_close(logits[~inside], beyond, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("theta", [1e-7, 1e-4, 0.3, 2.0, 3.1])
def test_the_slope_in_the_angle(theta):
    """d logit / d theta = -sin(theta + m), or -sin(theta) beyond pi - m; the gradient has no other part."""
    embedding = at([theta]).requires_grad_()
    head_of(at([0.0, 1.0]), 0.5, 1.0)(embedding, torch.tensor([0]))[0, 0].backward()
    slope = -math.sin(theta + 0.5) if theta < math.pi - 0.5 else -math.sin(theta)
    along = torch.tensor([-math.sin(theta), math.cos(theta), 0.0], dtype=torch.float64)
    torch.testing.assert_close(embedding.grad[0], slope * along, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("theta", [0.0, 1e-30, 1e-5, math.pi])
def test_gradients_are_finite_at_the_ends(theta, dtype):
    embedding = at([theta], dtype).requires_grad_()
    head = head_of(at([0.0, 1.0], dtype))
    logits = head(embedding, torch.tensor([0]))
    logits.sum().backward()
    assert logits.dtype == torch.promote_types(dtype, torch.float32)
    for gradient in (embedding.grad, head.directions.weight.grad):
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 200.0  # scale times cosines and sines, of two classes


def test_gradcheck_of_the_head():
    torch.manual_seed(0)
    head = MarginHead(5, 4).double()
    embeddings = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 1, 1])
    weight = head.directions.weight

    def logits(embeddings, weight):
        return torch.func.functional_call(head, {"directions.weight": weight}, (embeddings, labels))

    assert torch.autograd.gradcheck(logits, (embeddings, weight))


def test_the_head_sees_directions_alone():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5).double(), torch.randn(6, 8).double(), torch.arange(6) % 5
    before = head(embeddings, labels)
    with torch.no_grad():
        head.directions.weight.mul_(torch.rand(5, 1) + 0.5)
    torch.testing.assert_close(head(7.0 * embeddings, labels), before, rtol=1e-12, atol=1e-11)


def test_without_labels_no_margin():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5).double(), torch.randn(6, 8).double(), torch.arange(6) % 5
    cosines = nn.functional.cosine_similarity(embeddings[:, None], head.directions.weight[None], dim=2)
    torch.testing.assert_close(head(embeddings), 64.0 * cosines)
    assert (head(embeddings) - head(embeddings, labels)).count_nonzero() == 6


def test_the_head_is_float32_within_autocast():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5), torch.randn(6, 8), torch.arange(6) % 5
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(embeddings, labels)
    assert torch.equal(inside, head(embeddings, labels))


@pytest.mark.parametrize("bad", [{"margin": -0.1}, {"margin": 2.0}, {"margin": math.nan}, {"scale": 0.0}])
def test_margins_that_are_none(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        MarginHead(8, 4, **bad)


@pytest.mark.parametrize("labels", [torch.zeros(3), torch.zeros(2, dtype=torch.int64), torch.zeros(3, 1).long()])
def test_labels_that_are_none(labels):
    with pytest.raises(InvalidParameterError, match="`labels`"):
        MarginHead(8, 4)(torch.ones(3, 8), labels)
