"""Derivatives of a network along straight lines in one pass (Taylor mode): what PDE residuals are made of.

A jet holds a function's values at N points and its derivatives along some directions d up to some orders n,

    u^(m) = d^m/ds^m u(x + s d) at s = 0,   m = 0, ..., n.

Layers map jets to jets, so one pass through the network gives u, u_t, u_x, ..., u_xxxx, and one backward pass gives the
gradient with respect to the weights. Linear layers act on every derivative alike: one matrix product for all of them.
For h = tanh z, with p = tanh' = 1 - h^2 and all of them jets in s,

    h^(m) = sum_{j=1..m} C(m-1, j-1) p^(m-j) z^(j),      since h' = p z',
    p^(m) = -sum_{j=0..m} C(m, j) h^(j) h^(m-j),         Leibniz,

which is Faa di Bruno's formula without its partitions, to any order. The way back is as short: changing z^(j) alone
changes z(s) by s^j/j!, hence d h^(m) / d z^(j) = C(m, j) p^(m-j).

Two forms give the same numbers. The closed form (default) computes the layer's backward pass with these formulas and
keeps one tensor for it; the other leaves the backward pass to autograd, works under `torch.func.vmap` and can be
differentiated again. Products (gated networks) are treated likewise by Leibniz' rule.

Mixed derivatives come from further directions: 4 u_xy = D^2_{x+y} u - D^2_{x-y} u.

u_xxxx and the gradient of the mean of its square, 1152 points, hidden layers 3 x 48, float32, one thread on a busy
processor: jets in closed form 9.9 ms, jets with autograd 35 ms, nested reverse mode 70 ms, nested forward mode
(`torch.func.jvp`) 191 ms. The closed form wins by memory: a layer keeps one tensor, and no operation is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Directions = Mapping[str, tuple[Sequence[float], int]]
"""By name, a direction in the space of inputs and the highest order of its derivative: {"x": ((0.0, 1.0), 2)}."""


@dataclass(frozen=True)
class Jets:
    """Values and derivatives of a function with `width` components at N points.

    Attributes:
        rows: [1 + sum of orders, N, width]: the values, then for each direction its derivatives of order 1, 2, ...
        orders: by direction, the highest order; in the order of the rows.
        closed: whether layers use their backward pass in closed form.
    """

    rows: Tensor
    orders: Mapping[str, int]
    closed: bool = True

    @property
    def value(self) -> Tensor:
        """The function's values, [N, width]."""
        return self.rows[0]

    def __call__(self, direction: str, order: int = 1) -> Tensor:
        """A derivative along a direction, [N, width]."""
        start = 0
        for name, highest in self.orders.items():
            if name == direction:
                if not 1 <= order <= highest:
                    raise ValueError(f"order {order} along '{name}' is not among 1, ..., {highest}")
                return self.rows[start + order]
            start += highest
        raise ValueError(f"no direction '{direction}'; there is {', '.join(self.orders)}")

    def having(self, rows: Tensor) -> Jets:
        """Jets of another function along the same directions."""
        return Jets(rows, self.orders, self.closed)

    def tanh(self, bias: Tensor | None = None) -> Jets:
        """The jets of tanh(z + bias)."""
        orders = tuple(self.orders.values())
        if self.closed:
            return self.having(_Tanh.apply(self.rows, bias, orders))
        return self.having(tanh_rows(self.rows if bias is None else _shifted(self.rows, bias), orders))

    def __mul__(self, other: Jets) -> Jets:
        """The jets of a product, component by component."""
        orders = tuple(self.orders.values())
        product = _Product.apply if self.closed else product_rows
        return self.having(product(self.rows, other.rows, orders))

    def linear(self, layer: nn.Linear) -> Jets:
        """The jets of a linear layer."""
        rows = nn.functional.linear(self.rows, layer.weight)
        return self.having(rows if layer.bias is None else _shifted(rows, layer.bias))


def lines(points: Tensor, directions: Directions, closed: bool = True) -> Jets:
    """The jets of the identity at `points` [N, D]: where every propagation starts."""
    rows = [points]
    for vector, order in directions.values():
        first = torch.as_tensor(list(vector), dtype=points.dtype, device=points.device).expand_as(points)
        rows += [first, *[torch.zeros_like(points)] * (order - 1)] if order else []
    return Jets(torch.stack(rows), {name: order for name, (_, order) in directions.items()}, closed)


def propagate(net: nn.Module, jets: Jets) -> Jets:
    """Jets of net(f) from jets of f, for networks of linear layers and tanh, and all that have a method `jets`.

    Raises:
        TypeError: a layer whose derivatives are not known here.
    """
    own = getattr(net, "jets", None)
    if own is not None:
        return cast(Callable[[Jets], Jets], own)(jets)
    inside = getattr(net, "layers", None)
    if isinstance(inside, nn.Sequential):  # a plain perceptron is its layers
        net = inside
    if isinstance(net, nn.Sequential):
        layers = [layer for layer in net if not isinstance(layer, (nn.Flatten, nn.Identity))]
        at = 0
        while at < len(layers):
            layer, following = layers[at], layers[at + 1] if at + 1 < len(layers) else None
            if isinstance(layer, nn.Linear) and isinstance(following, nn.Tanh):
                jets, at = dense(layer, jets), at + 2
            else:
                jets, at = propagate(layer, jets), at + 1
        return jets
    if isinstance(net, nn.Linear):
        return jets.linear(net)
    if isinstance(net, nn.Tanh):
        return jets.tanh()
    raise TypeError(f"no jets of a {type(net).__name__}")


def dense(layer: nn.Linear, jets: Jets) -> Jets:
    """Jets of tanh(W x + b); the bias is added inside the activation, where values are touched anyway."""
    return jets.having(nn.functional.linear(jets.rows, layer.weight)).tanh(layer.bias)


# -- rows to rows -----------------------------------------------------------------------------------------------------


def _spans(orders: Sequence[int]) -> Iterator[tuple[int, int]]:
    """For each direction, the row before its first derivative, and its highest order."""
    start = 0
    for order in orders:
        yield start, order
        start += order


def _shifted(rows: Tensor, bias: Tensor) -> Tensor:
    """The rows of f + bias."""
    return torch.cat([rows[:1] + bias, rows[1:]])


def tanh_rows(z: Tensor, orders: Sequence[int]) -> Tensor:
    """The rows of tanh(z), by operations that autograd records."""
    h0 = torch.tanh(z[0])
    p0 = 1 - h0 * h0
    out = [h0]
    for start, order in _spans(orders):
        h, p = [h0], [p0]
        for m in range(1, order + 1):
            terms = [math.comb(m - 1, j - 1) * p[m - j] * z[start + j] for j in range(1, m + 1)]
            h.append(sum(terms[1:], terms[0]))
            if m < order:
                squares = [math.comb(m, j) * h[j] * h[m - j] for j in range(m + 1)]
                p.append(-sum(squares[1:], squares[0]))
        out += h[1:]
    return torch.stack(out)


def product_rows(a: Tensor, b: Tensor, orders: Sequence[int]) -> Tensor:
    """The rows of a b, by operations that autograd records; shapes are broadcast."""
    out = [a[0] * b[0]]
    for start, order in _spans(orders):
        left, right = ([x[0], *x[start + 1 : start + order + 1]] for x in (a, b))
        for m in range(1, order + 1):
            terms = [math.comb(m, j) * left[j] * right[m - j] for j in range(m + 1)]
            out.append(sum(terms[1:], terms[0]))
    return torch.stack(out)


def _back(p: Sequence[Tensor], g: Sequence[Tensor], out: Tensor, orders: Sequence[int]) -> Tensor:
    """Where d h^(m) / d z^(j) = C(m, j) p^(m-j): the gradient with respect to z from that with respect to h."""
    into = out.unbind(0)
    torch.mul(p[0], g[0], out=into[0])
    for start, order in _spans(orders):
        along = [p[0], *p[start + 1 : start + order + 1]]
        for m in range(1, order + 1):
            into[0].addcmul_(along[m], g[start + m])
            torch.mul(p[0], g[start + m], out=into[start + m])
        for j in range(1, order):
            for m in range(j + 1, order + 1):
                into[start + j].addcmul_(along[m - j], g[start + m], value=math.comb(m, j))
    return out


class _Tanh(torch.autograd.Function):
    """The rows of tanh(z + bias) with the backward pass of the module's docstring."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, bias: Tensor | None, orders: tuple[int, ...]) -> Tensor:
        out, kept = torch.empty_like(z), torch.empty_like(z)
        rows, h, p = z.unbind(0), out.unbind(0), kept.unbind(0)
        if bias is None:
            torch.tanh(rows[0], out=h[0])
        else:
            torch.add(rows[0], bias, out=h[0]).tanh_()
        twice = h[0] * -2
        torch.addcmul(_one(h[0]), h[0], h[0], value=-1, out=p[0])
        for start, order in _spans(orders):
            for m in range(1, order + 1):
                into, square = h[start + m], p[start + m]
                torch.mul(p[0], rows[start + m], out=into)
                for j in range(1, m):
                    into.addcmul_(p[start + m - j], rows[start + j], value=math.comb(m - 1, j - 1))
                torch.mul(twice, into, out=square)
                for j in range(1, m // 2 + 1):
                    times = math.comb(m, j) * (1 if 2 * j == m else 2)
                    square.addcmul_(h[start + j], h[start + m - j], value=-times)
        ctx.save_for_backward(kept)
        ctx.orders, ctx.biased = orders, bias is not None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (kept,) = ctx.saved_tensors
        into = _back(kept.unbind(0), g.unbind(0), torch.empty_like(kept), ctx.orders)
        return into, into[0].sum(0) if ctx.biased else None, None


class _Product(torch.autograd.Function):
    """The rows of a b with the backward pass in closed form."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, orders: tuple[int, ...]) -> Tensor:
        out = torch.empty_like(a)
        left, right, into = a.unbind(0), b.unbind(0), out.unbind(0)
        torch.mul(left[0], right[0], out=into[0])
        for start, order in _spans(orders):
            for m in range(1, order + 1):
                row = into[start + m]
                torch.mul(left[0], right[start + m], out=row).addcmul_(left[start + m], right[0])
                for j in range(1, m):
                    row.addcmul_(left[start + j], right[start + m - j], value=math.comb(m, j))
        ctx.save_for_backward(a, b)
        ctx.orders = orders
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        a, b = ctx.saved_tensors
        rows = g.unbind(0)
        to_a, to_b, _ = ctx.needs_input_grad
        return (
            _back(b.unbind(0), rows, torch.empty_like(a), ctx.orders) if to_a else None,
            _back(a.unbind(0), rows, torch.empty_like(b), ctx.orders) if to_b else None,
            None,
        )


def _one(like: Tensor) -> Tensor:
    """A one that broadcasts."""
    return torch.ones((), dtype=like.dtype, device=like.device)
