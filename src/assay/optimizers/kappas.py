"""The convex functions K of Lion-K, with what the theory needs of each: subgradient, conjugate, prox.

Lion-K minimises f(x) + K*(lambda x)/lambda. The conjugate K* is finite on a set around zero, dom K*, and it is this
set that bounds the weights: a box for the l1 norm (Lion itself), a ball for a norm, a box with a penalty inside for
Huber and soft thresholding. All formulas are the standard conjugates of convex analysis (Rockafellar 1970, section 12).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from assay.registry import Registry


class Kappa:
    """Base class: a convex function K of a vector, least at zero.

    Vectors lie along the last axis; leading axes are a batch.

    Class attributes:
        separable: K is a sum over coordinates. Its subgradient then acts on any shape, entry by entry.
        has_prox: `prox_conjugate` exists in closed form.
    """

    separable: ClassVar[bool] = False
    has_prox: ClassVar[bool] = True

    def value(self, u: Tensor) -> Tensor:
        """K(u), [...] for u [..., d]."""
        raise TypeError(f"{type(self).__name__} does not define its value")

    def subgradient(self, u: Tensor) -> Tensor:
        """One subgradient of K at u, [..., d]; zero at zero. It always lies in dom K*."""
        raise TypeError(f"{type(self).__name__} does not define its subgradient")

    def conjugate(self, v: Tensor) -> Tensor:
        """The finite part of K*(v), [...]: its value where v is in dom K*, without the infinity outside."""
        return torch.zeros_like(v[..., 0])

    def excess(self, v: Tensor) -> Tensor:
        """How far v is outside dom K*, [..., k]: one number >= 0 for each constraint that defines the set."""
        raise TypeError(f"{type(self).__name__} does not define its domain")

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """argmin over z of step K*(z) + |z - v|^2/2, [..., d], for steps that broadcast with v."""
        raise TypeError(f"{type(self).__name__} has no prox in closed form")

    def subgradients(self, us: list[Tensor]) -> list[Tensor]:
        """The subgradient at each of several tensors; one of K's vectors is a whole tensor, whatever its shape."""
        if self.separable:
            return [self.subgradient(u) for u in us]
        return [self.subgradient(u.flatten()).view_as(u) for u in us]


kappas = Registry("kappa", Kappa)


class Box(Kappa):
    """What separable K with slopes in [-1, 1] share: dom K* is the box |v_i| <= 1."""

    separable = True

    def excess(self, v: Tensor) -> Tensor:
        """max(0, |v_i| - 1) for each coordinate."""
        return (v.abs() - 1).clamp_min(0)


@kappas.register("l1", source="arXiv 2302.06675 (Lion)")
class L1(Box):
    """K = sum |u_i|: the sign, hence Lion. The weights are bounded by the box |x_i| <= 1/lambda."""

    def value(self, u: Tensor) -> Tensor:
        """Sum of absolute values."""
        return u.abs().sum(-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """The sign; zero at zero."""
        return u.sign()

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """Projection onto the box."""
        return v.clamp(-1, 1)

    def subgradients(self, us: list[Tensor]) -> list[Tensor]:
        """Signs of all tensors in one call."""
        return list(torch._foreach_sign(us))


@kappas.register("huber", source="arXiv 2310.05898")
class Huber(Box):
    """K = sum of Huber functions: a clipped step, hence a ridge penalty inside the box.

    Args:
        e: half-width of the quadratic part, > 0.
    """

    def __init__(self, *, e: float = 1.0) -> None:
        self.e = e

    def value(self, u: Tensor) -> Tensor:
        """Sum of u^2/(2 e) where |u| <= e, else |u| - e/2."""
        return torch.where(u.abs() <= self.e, u.square() / (2 * self.e), u.abs() - self.e / 2).sum(-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """u/e clipped to [-1, 1]."""
        return (u / self.e).clamp(-1, 1)

    def conjugate(self, v: Tensor) -> Tensor:
        """(e/2) |v|^2"""
        return v.square().sum(-1) * (self.e / 2)

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """Shrink, then project onto the box."""
        return (v / (1 + step * self.e)).clamp(-1, 1)


@kappas.register("soft", source="arXiv 2310.05898")
class Soft(Box):
    """K = sum max(|u_i| - e, 0): small entries stand still, hence an l1 penalty inside the box (sparse weights).

    Args:
        e: width of the dead zone, >= 0.
    """

    def __init__(self, *, e: float = 1.0) -> None:
        self.e = e

    def value(self, u: Tensor) -> Tensor:
        """Sum of max(|u| - e, 0)."""
        return (u.abs() - self.e).clamp_min(0).sum(-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """The sign where |u| > e, else zero."""
        return torch.where(u.abs() > self.e, u.sign(), 0.0)

    def conjugate(self, v: Tensor) -> Tensor:
        """e |v|_1"""
        return self.e * v.abs().sum(-1)

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """Soft threshold, then project onto the box."""
        return (v.sign() * (v.abs() - step * self.e).clamp_min(0)).clamp(-1, 1)


@kappas.register("relativistic", source="arXiv 2310.05898")
class Relativistic(Box):
    """K = sum sqrt(u_i^2 + e^2): a smooth sign. The one to use where K must be differentiable.

    Args:
        e: width of the rounding at zero, > 0.
    """

    has_prox = False

    def __init__(self, *, e: float = 0.3) -> None:
        self.e = e

    def value(self, u: Tensor) -> Tensor:
        """Sum of sqrt(u^2 + e^2)."""
        return (u.square() + self.e**2).sqrt().sum(-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """u / sqrt(u^2 + e^2)"""
        return u / (u.square() + self.e**2).sqrt()

    def conjugate(self, v: Tensor) -> Tensor:
        """-e sum sqrt(1 - v^2), with zero for the root outside the box."""
        return -self.e * (1 - v.square()).clamp_min(0).sqrt().sum(-1)


@kappas.register("lp", source="arXiv 2310.05898 (Lion-lp)")
class Lp(Kappa):
    """K = |u|_p: the weights are bounded in the dual norm, |lambda x|_q <= 1 with 1/p + 1/q = 1.

    Args:
        p: >= 1; at 1 it is Lion, at 2 normalised gradient descent.
        scaled: K = d^(1/q) |u|_p for vectors of length d, so that the step's entries are of size 1 for every p and
            the bound reads (mean |lambda x_i|^q)^(1/q) <= 1: the same learning rate then serves all p.
    """

    has_prox = False

    def __init__(self, *, p: float = 1.5, scaled: bool = False) -> None:
        self.p, self.scaled = p, scaled
        self.q = p / (p - 1) if p > 1 else float("inf")

    def value(self, u: Tensor) -> Tensor:
        """The p-norm (times the scale)."""
        return torch.linalg.vector_norm(u, self.p, dim=-1) * self._scale(u)

    def subgradient(self, u: Tensor) -> Tensor:
        """sign(u) (|u|/|u|_p)^(p-1) (times the scale); zero at zero."""
        return u.sign() * _unit(u, self.p).abs().pow(self.p - 1) * self._scale(u)

    def excess(self, v: Tensor) -> Tensor:
        """max(0, |v|_q - 1), [..., 1]."""
        return (torch.linalg.vector_norm(v, self.q, dim=-1, keepdim=True) / self._scale(v) - 1).clamp_min(0)

    def _scale(self, u: Tensor) -> float:
        return float(u.shape[-1] ** (1 / self.q)) if self.scaled else 1.0


@kappas.register("l2", source="arXiv 2310.05898")
class L2(Kappa):
    """K = |u|_2: the normalised direction. The weights are bounded by the ball |x|_2 <= 1/lambda."""

    def value(self, u: Tensor) -> Tensor:
        """The Euclidean norm."""
        return torch.linalg.vector_norm(u, dim=-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """u/|u|; zero at zero."""
        return _unit(u)

    def excess(self, v: Tensor) -> Tensor:
        """max(0, |v| - 1), [..., 1]."""
        return (torch.linalg.vector_norm(v, dim=-1, keepdim=True) - 1).clamp_min(0)

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """Projection onto the ball."""
        return _project(v)


@kappas.register("group_l1", source="arXiv 2310.05898")
class GroupL1(Kappa):
    """K = sum of the Euclidean norms of groups: each group of weights is bounded by a ball of its own.

    Args:
        size: coordinates in a group, taken in order; the last group may be smaller.
    """

    def __init__(self, *, size: int = 4) -> None:
        self.size = size

    def value(self, u: Tensor) -> Tensor:
        """Sum of the groups' norms."""
        return torch.linalg.vector_norm(self._groups(u), dim=-1).sum(-1)

    def subgradient(self, u: Tensor) -> Tensor:
        """u_g/|u_g| in each group; zero in groups that are zero."""
        return self._vector(_unit(self._groups(u)), u)

    def excess(self, v: Tensor) -> Tensor:
        """max(0, largest |v_g| - 1), [..., 1]: the dual norm's distance."""
        return (torch.linalg.vector_norm(self._groups(v), dim=-1).amax(-1, keepdim=True) - 1).clamp_min(0)

    def prox_conjugate(self, v: Tensor, step: float | Tensor) -> Tensor:
        """Projection of each group onto its ball."""
        return self._vector(_project(self._groups(v)), v)

    def _groups(self, u: Tensor) -> Tensor:
        missing = -u.shape[-1] % self.size
        return torch.nn.functional.pad(u, (0, missing)).unflatten(-1, (-1, self.size))

    def _vector(self, groups: Tensor, like: Tensor) -> Tensor:
        return groups.flatten(-2)[..., : like.shape[-1]]


def _unit(u: Tensor, p: float = 2) -> Tensor:
    """u/|u|_p along the last axis; zero at zero. Scaled first, so that squares of tiny entries don't vanish."""
    tiny = torch.finfo(u.dtype).tiny
    scaled = u / u.abs().amax(-1, keepdim=True).clamp_min(tiny)
    return scaled / torch.linalg.vector_norm(scaled, p, dim=-1, keepdim=True).clamp_min(tiny)


def _project(v: Tensor) -> Tensor:
    """The nearest point of the Euclidean unit ball, along the last axis."""
    return v / torch.linalg.vector_norm(v, dim=-1, keepdim=True).clamp_min(1)
