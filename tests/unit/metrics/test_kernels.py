"""Kernels: against closed forms, a loop over autograd, scikit-learn and an explicit descent."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from assay.metrics.kernels import KernelRegression, alignment, centre, cka, ntk, target_alignment


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)).double()


def by_autograd(net, x):
    """[n, outputs, parameters], one backward pass a row and output."""
    params = [p for p in net.parameters() if p.requires_grad]
    rows = []
    for row in x:
        grads = [torch.autograd.grad(value, params, retain_graph=True) for value in net(row[None])[0]]
        rows.append(torch.stack([torch.cat([g.flatten() for g in grad]) for grad in grads]))
    return torch.stack(rows)


@pytest.mark.parametrize("chunk", [1, 3, 256])
def test_ntk_is_the_product_of_jacobians(net, chunk):
    x, other = draw(7, 4), draw(5, 4, seed=1)
    left, right = by_autograd(net, x), by_autograd(net, other)
    full = torch.einsum("iop,jqp->ijoq", left, right)
    torch.testing.assert_close(ntk(net, x, other, outputs="full", chunk=chunk), full)
    torch.testing.assert_close(ntk(net, x, other, chunk=chunk), full.diagonal(dim1=2, dim2=3).mean(-1))
    own = torch.einsum("iop,jop->ij", left, left) / 3
    torch.testing.assert_close(ntk(net, x, chunk=chunk), own)


def test_ntk_of_a_linear_function_is_the_kernel_of_its_features():
    x = draw(6, 4)
    kernel = ntk(lambda p, row: (p["w"] * row**2).sum(), x, params={"w": draw(4, seed=2)})
    torch.testing.assert_close(kernel, x**2 @ (x**2).T)


def test_ntk_leaves_frozen_parameters_out(net):
    net[0].weight.requires_grad_(False)
    x = draw(5, 4)
    rows = by_autograd(net, x)
    assert rows.shape[2] == 6 + 18 + 3
    torch.testing.assert_close(ntk(net, x), torch.einsum("iop,jop->ij", rows, rows) / 3)
    assert all(p.grad is None for p in net.parameters())


def test_a_function_needs_its_parameters():
    with pytest.raises(ValueError, match="parameters"):
        ntk(lambda p, row: row.sum(), draw(2, 2))


@given(st.integers(2, 12), st.integers(0, 99))
def test_alignments_lie_between_their_bounds(n, seed):
    features, y = draw(n, 3, seed=seed), draw(n, seed=seed + 100)
    kernel = features @ features.T
    assert 0 <= target_alignment(kernel, y) <= 1 + 1e-12
    assert -1e-12 <= cka(kernel, torch.outer(y, y)) <= 1 + 1e-12
    torch.testing.assert_close(target_alignment(kernel, y), alignment(kernel, torch.outer(y, y)))
    torch.testing.assert_close(target_alignment(kernel, y[:, None]), target_alignment(kernel, y))
    torch.testing.assert_close(target_alignment(3 * kernel, -2 * y), target_alignment(kernel, y))


def test_alignment_with_labels_of_several_outputs():
    kernel, y = (a := draw(6, 4)) @ a.T, draw(6, 2, seed=5)
    torch.testing.assert_close(target_alignment(kernel, y), alignment(kernel, y @ y.T))


def test_alignment_of_known_kernels():
    y = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(target_alignment(torch.outer(y, y), y), torch.ones((), dtype=torch.float64))
    # y^T I y / (sqrt(3) |y|^2)
    torch.testing.assert_close(target_alignment(torch.eye(3).double(), y), torch.tensor(3**-0.5).double())
    torch.testing.assert_close(cka(torch.outer(y, y) + 5, torch.outer(y, y)), torch.ones((), dtype=torch.float64))
    assert alignment(torch.outer(y, y) + 5, torch.outer(y, y)) < 0.9
    torch.testing.assert_close(centre(torch.ones(4, 4)), torch.zeros(4, 4))


def test_ridge_regression_agrees_with_scikit_learn():
    x, y, new = draw(20, 5), draw(20, 2, seed=1), draw(7, 5, seed=2)
    kernel = (1 + x @ x.T) ** 2
    theirs = KernelRidge(alpha=0.3, kernel="precomputed").fit(kernel.numpy(), y.numpy())
    ours = (1 + new @ x.T) ** 2 @ KernelRegression.fit(kernel, y).solution(ridge=0.3)
    torch.testing.assert_close(ours, torch.as_tensor(theirs.predict(((1 + new @ x.T) ** 2).numpy())))


def test_a_singular_kernel_gives_the_solution_of_least_norm():
    x, y = draw(12, 3), draw(12, seed=1)  # rank 3 < 12
    fit = KernelRegression.fit(x @ x.T, y)
    weights = torch.linalg.lstsq(x, y[:, None], driver="gelsd").solution[:, 0]
    torch.testing.assert_close(x.T @ fit.solution(), weights)
    torch.testing.assert_close(fit.difficulty(), weights @ weights)


@pytest.mark.parametrize("steps", [0, 1, 10, 1000])
@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_descent_is_what_the_steps_do(steps, rate):
    x, y, new = draw(12, 6), draw(12, seed=1), draw(4, 6, seed=2)
    kernel, w = x @ x.T, torch.zeros(6, dtype=torch.float64)
    assert rate * torch.linalg.eigvalsh(kernel)[-1] < 2
    for _ in range(steps):
        w += rate * x.T @ (y - x @ w)
    torch.testing.assert_close(new @ x.T @ KernelRegression.fit(kernel, y).descended(rate, steps), new @ w)


def test_long_descent_ends_at_the_solution():
    x, y = draw(5, 8), draw(5, seed=1)
    fit = KernelRegression.fit(x @ x.T, y)
    torch.testing.assert_close(fit.descended(0.05, 10**6), fit.solution())
    # Little steps lose no digits: c = rate steps y to first order.
    torch.testing.assert_close(fit.descended(1e-14, 10), 1e-13 * y, rtol=1e-10, atol=0)
