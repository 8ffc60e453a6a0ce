"""Kernels of networks: the empirical neural tangent kernel, its alignment with labels, regression with it.

Theory papers compare a network with the kernel machine that it is near its initialisation. All functions work on
plain tensors of any float type and stay on their device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap
from torch.nn import Module

Parameters = Mapping[str, Tensor]
Apply = Callable[[Parameters, Tensor], Tensor]
"""(parameters by name, one input of shape [...]) -> outputs, [outputs] or a scalar."""


def ntk(
    model: Module | Apply,
    x: Tensor,
    other: Tensor | None = None,
    *,
    params: Parameters | None = None,
    outputs: Literal["mean", "full"] = "mean",
    chunk: int = 256,
) -> Tensor:
    """The empirical neural tangent kernel, K_ij = J(x_i) J(x'_j)^T with J the Jacobian in the parameters.

    Source: Jacot et al. (2018), arXiv 1806.07572, for a network of finite width at its present parameters.

    Args:
        model: a network, or a function of (parameters, one input) together with `params`.
        x: [n, ...] inputs.
        other: [m, ...] further inputs; x itself if None.
        params: the parameters to differentiate; those of the network that require a gradient if None.
        outputs: "mean" averages over the outputs (the trace of each block over their number), "full" keeps all
            pairs of them.
        chunk: rows of inputs whose Jacobians are held at once, each outputs x parameters numbers.

    Returns:
        [n, m], or [n, m, outputs, outputs] with "full".
    """
    apply, theta = _function(model, params)

    def jacobian(part: Tensor) -> Tensor:
        """[rows, outputs, parameters]"""
        rows = vmap(jacrev(lambda p, row: torch.atleast_1d(apply(p, row))), (None, 0))(theta, part)
        return torch.cat([block.flatten(2) for block in rows.values()], dim=2)

    def block(a: Tensor, b: Tensor) -> Tensor:
        if outputs == "full":
            return torch.einsum("iop,jqp->ijoq", a, b)
        return a.flatten(1) @ b.flatten(1).T / a.shape[1]

    with torch.no_grad():
        rows = []
        for part in x.split(chunk):
            left = jacobian(part)
            rights = (other if other is not None else x).split(chunk)
            rows.append(torch.cat([block(left, left if right is part else jacobian(right)) for right in rights], dim=1))
        return torch.cat(rows)


def _function(model: Module | Apply, params: Parameters | None) -> tuple[Apply, dict[str, Tensor]]:
    if not isinstance(model, Module):
        if params is None:
            raise ValueError("a function needs its parameters")
        return model, {name: value.detach() for name, value in params.items()}
    own = {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}

    def apply(theta: Parameters, row: Tensor) -> Tensor:
        result: Tensor = functional_call(model, dict(theta), (row[None],))
        return result[0]

    return apply, own if params is None else {name: value.detach() for name, value in params.items()}


def centre(kernel: Tensor) -> Tensor:
    """H K H with H = I - 11^T/n: the kernel of the centred features. [n, n] -> [n, n]."""
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def alignment(kernel: Tensor, other: Tensor) -> Tensor:
    """The cosine of two kernels, <K, L>_F / (||K||_F ||L||_F), a scalar from two [n, n] tensors.

    Source: Cristianini et al. (2001), "On kernel-target alignment".
    """
    return (kernel * other).sum() / (kernel.norm() * other.norm())


def cka(kernel: Tensor, other: Tensor) -> Tensor:
    """Centred kernel alignment, the alignment of H K H and H L H; a scalar from two [n, n] tensors.

    Source: Cortes et al. (2012), arXiv 1203.0550; Kornblith et al. (2019), arXiv 1905.00414.
    """
    return alignment(centre(kernel), centre(other))


def target_alignment(kernel: Tensor, y: Tensor) -> Tensor:
    """The alignment of a kernel with that of the labels, y^T K y / (||K||_F ||y||^2) for one output.

    It is not centred. Papers on feature learning write CKA for it.

    Args:
        kernel: [n, n].
        y: [n] or [n, outputs] labels.

    Returns:
        A scalar, <K, y y^T>_F / (||K||_F ||y y^T||_F).
    """
    y = y if y.ndim == 2 else y[:, None]
    return (y * (kernel @ y)).sum() / (kernel.norm() * (y.T @ y).norm())


@dataclass(frozen=True)
class KernelRegression:
    """Least squares with a fixed kernel, solved or descended, in the kernel's eigenbasis.

    The predictor is f(x) = k(x, X) c with dual coefficients c, [n] or [n, outputs] like the labels.

    Attributes:
        values: [n] eigenvalues of K(X, X), those below `rcond` times the largest set to zero.
        vectors: [n, n] its eigenvectors, in columns.
        y: [n] or [n, outputs] labels.
    """

    values: Tensor
    vectors: Tensor
    y: Tensor

    @classmethod
    def fit(cls, kernel: Tensor, y: Tensor, rcond: float = 1e-12) -> KernelRegression:
        """Decompose a symmetric positive semi-definite kernel, [n, n]; smaller eigenvalues count as zero."""
        values, vectors = torch.linalg.eigh(kernel)
        return cls(torch.where(values > rcond * values[-1], values, 0.0), vectors, y)

    def solution(self, ridge: float = 0.0) -> Tensor:
        """c = (K + ridge I)^+ y: without a ridge, the interpolant of least norm."""
        kept = self.values > 0
        inverse = torch.where(kept, 1 / torch.where(kept, self.values + ridge, 1.0), 0.0)
        return self._times(inverse)

    def descended(self, rate: float, steps: int) -> Tensor:
        """c after gradient descent from c = 0: V diag((1 - (1 - q)^steps) / lambda) V^T y with q = rate lambda.

        One step is c <- c + rate (y - K c), which is descent on half the squared norm of the residual. What it adds
        in the null space of K changes no prediction and is left out.
        """
        q = rate * self.values
        # For small q the difference 1 - (1-q)^steps loses all its digits; expm1 keeps them.
        small = -torch.expm1(steps * torch.log1p(-torch.where(q < 0.5, q, 0.0)))
        learned = torch.where(q < 0.5, small, 1 - (1 - q) ** steps)
        kept = self.values > 0
        return self._times(torch.where(kept, learned / torch.where(kept, self.values, 1.0), 0.0))

    def difficulty(self) -> Tensor:
        """y^T K^+ y, the squared norm of the interpolant in the kernel's space: [] or [outputs]."""
        return (self.y * self.solution()).sum(0)

    def _times(self, diagonal: Tensor) -> Tensor:
        projected = self.vectors.T @ self.y
        return self.vectors @ (projected * (diagonal if projected.ndim == 1 else diagonal[:, None]))
